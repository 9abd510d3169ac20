#include "tests/unit/operator/world.hpp"

#include "api/timestamp.hpp"
#include "controller/manifests.hpp"
#include "kube/base/json.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/recording_writer.hpp"
#include "tests/support/run_coro.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace endoscope::test {
namespace asio = boost::asio;
using kube::test::settle;

namespace {

constexpr const char* kRbac = "/apis/rbac.authorization.k8s.io/v1";
constexpr const char* kRequests = "/apis/endoscope.dev/v1alpha1/namespaces/shop/debugrequests";

kube::ClientOptions client_options() {
    kube::ClientOptions options;
    options.user_agent = "endoscope-operator/test";
    options.field_manager = "endoscope";
    return options;
}

kube::PeerCertificate certificate_of(const std::string& user) {
    kube::PeerCertificate peer;
    peer.common_name = user;
    if (user == "admin" || user == "operator") peer.organizations.emplace_back("system:masters");
    return peer;
}

Json binding(const std::string& kind, const std::string& user, const std::string& role) {
    return {{"apiVersion", "rbac.authorization.k8s.io/v1"},
            {"kind", kind + "Binding"},
            {"metadata", {{"name", role}}},
            {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", kind}, {"name", role}}},
            {"subjects", {{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "User"}, {"name", user}}}}};
}

Json role_of(const std::string& kind, const std::string& role, Json rules) {
    return {{"apiVersion", "rbac.authorization.k8s.io/v1"},
            {"kind", kind},
            {"metadata", {{"name", role}}},
            {"rules", std::move(rules)}};
}

}  // namespace

/// Runs commands by asking the test.
class World::Commands final : public kube::CommandRunner {
  public:
    explicit Commands(World& world) : world_(world) {}
    asio::awaitable<kube::Result<kube::ExecResult>> run(kube::ExecRequest request, std::stop_token) override {
        if (!world_.on_exec) co_return kube::fail(kube::ErrorKind::transport, "nobody runs commands here");
        co_return world_.on_exec(request);
    }

  private:
    World& world_;
};

World::World(asio::any_io_executor executor, controller::OperatorOptions options)
    : executor_(executor),
      tasks_(executor),
      api_(executor, clock_, settings()),
      client_(std::make_shared<kube::test::MemoryTransport>([this] {
                  return connect([this](const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
                      return handle(exchange, writer);
                  });
              }),
              clock_, client_options()),
      silence_(executor),
      audit_log_(clock_, [this](std::string_view line) { audit_.emplace_back(line); }),
      events_(executor, client_, clock_, {.controller = "endoscope.dev/operator", .instance = "test"}),
      commands_(std::make_unique<Commands>(*this)),
      operator_(executor, client_, *commands_, clock_, kube::make_registry(), audit_log_, events_, std::move(options)) {
}

/// Every webhook is the operator's.
model::ApiServerSettings World::settings() {
    model::ApiServerSettings settings;
    settings.transports = [this](const std::string&, unsigned short, const kube::TlsClientConfig&) {
        return kube::Result<std::shared_ptr<kube::Transport>>(
            std::make_shared<kube::test::MemoryTransport>([this] { return connect(operator_.admission_handler()); }));
    };
    return settings;
}

kube::Result<World::Stream> World::connect(kube::HttpHandler handler) {
    auto [client, server] = kube::test::make_memory_stream_pair(executor_);
    server->peer = certificate_of("operator");
    tasks_.spawn("connection", serve(std::move(server), std::move(handler)));
    return Stream(std::move(client));
}

asio::awaitable<void> World::serve(Stream stream, kube::HttpHandler handler) {
    co_await kube::serve_http(clock_, *stream, handler, {}, serving_.get_token());
}

asio::awaitable<void> World::handle(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
    const kube::HttpRequest& request = exchange.request;
    // Neither what goes on all the time, nor what no request is the reason for.
    const bool is_noted = !request.target.contains("/events") && !request.target.contains("watch=") &&
                          !request.target.contains("/secrets");
    if (is_noted) calls_.push_back(request.method + " " + request.target);
    auto answer = intercept ? intercept(request) : std::nullopt;
    if (answer && answer->status == 0) {
        co_await silence_.wait();
        co_return;
    }
    if (answer) {
        co_await writer.respond(*std::move(answer));
        co_return;
    }
    co_await api_.handle(exchange, writer);
}

asio::awaitable<Json> World::ask(std::string user, std::string method, std::string path, Json body) {
    kube::HttpExchange exchange;
    exchange.request.method = std::move(method);
    exchange.request.target = std::move(path);
    if (!body.is_null()) {
        const bool is_patch = exchange.request.method == "PATCH";
        exchange.request.headers.set("Content-Type", is_patch ? std::string(kube::patch::kMerge) : "application/json");
        exchange.request.body = kube::dump_json(body);
    }
    exchange.peer = certificate_of(user);
    kube::test::RecordingWriter writer;
    co_await api_.handle(exchange, writer);
    const auto answer = kube::parse_json(writer.answer.body);
    if (writer.answer.status >= 300 || !answer) co_return nullptr;
    co_return *answer;
}

asio::awaitable<void> World::make(std::string path, Json object) {
    const Json made = co_await ask("admin", "POST", path, std::move(object));
    EXPECT_FALSE(made.is_null()) << path;
}

asio::awaitable<void> World::furnish() {
    for (const Json& crd : controller::embedded_crds()) {
        co_await make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd);
    }
    for (const char* name : {"shop", "endoscope-system"}) {
        co_await make("/api/v1/namespaces",
                      {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}});
    }
    co_await make_pod("web");
    co_await make("/apis/endoscope.dev/v1alpha1/debugpolicies", {{"apiVersion", "endoscope.dev/v1alpha1"},
                                                                 {"kind", "DebugPolicy"},
                                                                 {"metadata", {{"name", "shop"}}},
                                                                 {"spec",
                                                                  {{"namespaces", {{"names", {"shop"}}}},
                                                                   {"images", {{"allow", {"busybox:*"}}}},
                                                                   {"profiles", {"restricted"}}}}});
    for (const Json& hooks : controller::webhook_configurations("https://127.0.0.1:9443", "CA")) {
        const bool is_mutating = hooks["kind"] == "MutatingWebhookConfiguration";
        co_await make(std::string("/apis/admissionregistration.k8s.io/v1/") +
                          (is_mutating ? "mutating" : "validating") + "webhookconfigurations",
                      hooks);
    }
    for (const char* user : {"alice", "bob", "tool"}) {
        const Json ask_rule = {
            {"apiGroups", {"endoscope.dev"}}, {"resources", {"debugrequests"}}, {"verbs", {"create"}}};
        co_await grant(user, std::string("ask-") + user, Json::array({ask_rule}));
    }
}

asio::awaitable<void> World::make_pod(std::string name, Json labels, Json owner) {
    const Json container = {{"name", "app"}, {"image", "nginx:1"}};
    Json object = {{"apiVersion", "v1"},
                   {"kind", "Pod"},
                   {"metadata", {{"name", name}, {"labels", std::move(labels)}}},
                   {"spec", {{"nodeName", "node-1"}, {"containers", Json::array({container})}}}};
    if (!owner.is_null()) object["metadata"]["ownerReferences"] = Json::array({std::move(owner)});
    co_await make("/api/v1/namespaces/shop/pods", std::move(object));
    const Json ready = {{"type", "Ready"}, {"status", "True"}};
    const Json running = co_await ask("admin", "PATCH", "/api/v1/namespaces/shop/pods/" + name + "/status",
                                      {{"status", {{"phase", "Running"}, {"conditions", Json::array({ready})}}}});
    EXPECT_FALSE(running.is_null()) << name;
}

asio::awaitable<Json> World::pod(std::string name) {
    co_return co_await ask("admin", "GET", "/api/v1/namespaces/shop/pods/" + name);
}

asio::awaitable<void> World::show(std::string name, Json state) {
    const Json shown = co_await pod(name);
    Json statuses = Json::array();
    for (const Json& container : model::array_at(shown, {"spec", "ephemeralContainers"})) {
        statuses.push_back({{"name", container["name"]},
                            {"image", container["image"]},
                            {"imageID", "sha256:1"},
                            {"ready", false},
                            {"restartCount", 0},
                            {"state", state}});
    }
    EXPECT_FALSE(statuses.empty()) << name;
    const Json written = co_await ask("admin", "PATCH", "/api/v1/namespaces/shop/pods/" + name + "/status",
                                      {{"status", {{"ephemeralContainerStatuses", std::move(statuses)}}}});
    EXPECT_FALSE(written.is_null()) << name;
    co_await pass(std::chrono::seconds(1));
}

asio::awaitable<void> World::show_running(std::string name) {
    co_await show(std::move(name), {{"running", {{"startedAt", api::format_timestamp(clock_.now())}}}});
}

asio::awaitable<void> World::show_ended(std::string name, int exit_code) {
    const std::string now = api::format_timestamp(clock_.now());
    co_await show(
        std::move(name),
        {{"terminated", {{"exitCode", exit_code}, {"reason", "Error"}, {"startedAt", now}, {"finishedAt", now}}}});
}

asio::awaitable<void> World::change_policy(Json spec) {
    const Json changed =
        co_await ask("admin", "PATCH", "/apis/endoscope.dev/v1alpha1/debugpolicies/shop", {{"spec", std::move(spec)}});
    EXPECT_FALSE(changed.is_null());
}

asio::awaitable<void> World::start() {
    tasks_.spawn("events", events_.run(stop_.get_token()));
    const auto run = [](World& world) -> asio::awaitable<void> {
        const auto ended = co_await world.operator_.run(world.stop_.get_token());
        EXPECT_TRUE(ended);
    };
    tasks_.spawn("operator", run(*this));
    // Keys, then caches, then the end of the wait for them.
    for (int i = 0; i < 3; ++i) co_await pass(std::chrono::seconds(1));
    EXPECT_TRUE(operator_.synced());
    EXPECT_EQ(operator_.seal_keys_problem(), "");
    forget_calls();
}

asio::awaitable<void> World::stop() {
    intercept = nullptr;
    stop_.request_stop();
    serving_.request_stop();
    silence_.notify_all();
    co_await pass(std::chrono::seconds(10));
    co_await tasks_.join();
    co_await api_.join();
}

asio::awaitable<void> World::grant(std::string user, std::string role, Json rules) {
    const std::string place = std::string(kRbac) + "/namespaces/shop/";
    co_await make(place + "roles", role_of("Role", role, std::move(rules)));
    co_await make(place + "rolebindings", binding("Role", user, role));
}

asio::awaitable<void> World::grant_everywhere(std::string user, std::string role, Json rules) {
    const std::string place = std::string(kRbac) + "/";
    co_await make(place + "clusterroles", role_of("ClusterRole", role, std::move(rules)));
    co_await make(place + "clusterrolebindings", binding("ClusterRole", user, role));
}

asio::awaitable<void> World::revoke(std::string role) {
    const Json gone = co_await ask("admin", "DELETE", std::string(kRbac) + "/namespaces/shop/rolebindings/" + role);
    EXPECT_FALSE(gone.is_null()) << role;
}

asio::awaitable<Json> World::create_request(std::string user, std::string name, Json spec) {
    Json object = {{"apiVersion", "endoscope.dev/v1alpha1"},
                   {"kind", "DebugRequest"},
                   {"metadata", {{"name", name}, {"namespace", "shop"}}},
                   {"spec", {{"reason", "INC-1"}, {"target", {{"podName", "web"}}}, {"image", "busybox:1.36"}}}};
    object["spec"].merge_patch(spec);
    co_return co_await ask(std::move(user), "POST", kRequests, std::move(object));
}

asio::awaitable<Json> World::request(std::string name) {
    co_return co_await ask("admin", "GET", std::string(kRequests) + "/" + name);
}

asio::awaitable<bool> World::reaches(std::string name, std::string phase) {
    for (int second = 0; second < 120; ++second) {
        const Json now = co_await request(name);
        if (kube::string_at(now, {"status", "phase"}) == phase) co_return true;
        co_await pass(std::chrono::seconds(1));
    }
    co_return false;
}

asio::awaitable<void> World::pass(kube::Duration time) {
    co_await settle();
    clock_.advance(time);
    co_await settle();
}

std::size_t World::count(const std::string& part) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(calls_, [&](const std::string& call) { return call.contains(part); }));
}

std::size_t World::injections() const {
    return static_cast<std::size_t>(std::ranges::count_if(calls_, [](const std::string& call) {
        return call.starts_with("PATCH ") && call.contains("/ephemeralcontainers") && !call.contains("dryRun=All");
    }));
}

}  // namespace endoscope::test
