#include "controller/cluster.hpp"
#include "controller/manifests.hpp"
#include "kube/base/json.hpp"
#include "kube/base/task_group.hpp"
#include "tests/bench/cluster.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <vector>

// From created to Running: the operator beside a bare loop that makes the same calls.

namespace endoscope::bench {
namespace asio = boost::asio;
using nlohmann::json;

namespace {

constexpr const char* kNamespace = "bench";
constexpr const char* kImage = "registry.example.com/tools/debug:1.4";
constexpr kube::Duration kLimit = std::chrono::seconds(60);

std::string requests_path(const std::string& group, const std::string& resource) {
    return "/apis/" + group + "/v1alpha1/namespaces/" + kNamespace + "/" + resource;
}

/// One kind of request, and when each of them was created and Running.
struct Kind {
    std::string name;
    std::string group;
    std::string path;
    std::map<std::string, kube::SteadyTime> created = {};
    std::vector<kube::Duration> took = {};
};

/// The CRD of DebugRequests under another name, so that both kinds cost the API server the same.
json bare_crd() {
    json crd = controller::embedded_crds().front();
    crd["metadata"] = {{"name", "barerequests.bench.example.com"}};
    crd["spec"]["group"] = "bench.example.com";
    crd["spec"]["names"] = {{"plural", "barerequests"},
                            {"singular", "barerequest"},
                            {"kind", "BareRequest"},
                            {"listKind", "BareRequestList"}};
    return crd;
}

json policy() {
    return {{"apiVersion", "endoscope.dev/v1alpha1"},
            {"kind", "DebugPolicy"},
            {"metadata", {{"name", kNamespace}}},
            {"spec",
             {{"namespaces", {{"names", {kNamespace}}}},
              {"images", {{"allow", {"registry.example.com/tools/debug:*"}}}},
              {"profiles", {"restricted"}},
              // The bare loop has no limits.
              {"limits", {{"maxActivePerRequester", 1000}, {"maxActivePerNamespace", 1000}}}}}};
}

class Bench {
  public:
    Bench(asio::any_io_executor executor, kube::Client& client, kube::Clock& clock, LatencyOptions options)
        : client_(client), clock_(clock), options_(options), cluster_(client, {}), tasks_(std::move(executor)) {}

    asio::awaitable<bool> run() {
        const bool prepared = co_await prepare();
        if (!prepared) co_return false;
        tasks_.spawn("watch", observe(operators_));
        tasks_.spawn("watch", observe(bare_));
        for (std::int64_t i = 0; i < options_.requests; ++i) {
            tasks_.spawn("create", create_one(operators_, 2 * i));
            co_await kube::sleep_for(clock_, options_.pause / 2, {});
            tasks_.spawn("create", create_one(bare_, 2 * i + 1));
            co_await kube::sleep_for(clock_, options_.pause / 2, {});
        }
        const kube::SteadyTime deadline = clock_.steady_now() + kLimit;
        while (!(is_complete(operators_) && is_complete(bare_)) && clock_.steady_now() < deadline) {
            co_await kube::sleep_for(clock_, std::chrono::milliseconds(50), {});
        }
        stop_.request_stop();
        co_await tasks_.join();
        print();
        co_return is_complete(operators_) && is_complete(bare_);
    }

  private:
    asio::awaitable<bool> prepare() {
        const bool has_pods = co_await create_pods(client_, kNamespace, 2 * options_.requests);
        if (!has_pods) co_return false;
        const bool has_policy = co_await create(client_, "/apis/endoscope.dev/v1alpha1/debugpolicies", policy());
        if (!has_policy) co_return false;
        const bool has_kind =
            co_await create(client_, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", bare_crd());
        if (!has_kind) co_return false;
        const kube::SteadyTime deadline = clock_.steady_now() + kLimit;
        while (clock_.steady_now() < deadline) {
            kube::ApiRequest pending;
            pending.path = std::string("/api/v1/namespaces/") + kNamespace + "/pods";
            pending.query = {{"fieldSelector", "status.phase!=Running"}, {"limit", "1"}};
            const auto body = co_await client_.call(std::move(pending));
            const auto list = body ? kube::parse_json(*body) : std::unexpected(body.error());
            if (list && (*list)["items"].empty()) co_return true;
            co_await kube::sleep_for(clock_, std::chrono::milliseconds(100), {});
        }
        std::fputs("endoscope-bench-cluster: the Pods do not get to run\n", stderr);
        co_return false;
    }

    asio::awaitable<void> create_one(Kind& kind, std::int64_t number) {
        const std::string pod = "pod-" + std::to_string(number);
        const json object = {{"apiVersion", kind.group + "/v1alpha1"},
                             {"kind", kind.name},
                             {"metadata", {{"name", pod}, {"namespace", kNamespace}}},
                             {"spec", {{"reason", "bench"}, {"target", {{"podName", pod}}}, {"image", kImage}}}};
        co_await create(client_, kind.path, object);
    }

    asio::awaitable<void> observe(Kind& kind) {
        kube::ApiRequest request;
        request.path = kind.path;
        request.query = {{"watch", "1"}};
        auto stream = co_await client_.watch(std::move(request), std::chrono::hours(1), stop_.get_token());
        while (stream) {
            const auto line = co_await (*stream)->next(stop_.get_token());
            if (!line || !*line) {
                if (!stop_.stop_requested())
                    std::fprintf(stderr, "endoscope-bench-cluster: the watch ended: %s\n",
                                 line ? "by the server" : line.error().message.c_str());
                break;
            }
            const auto event = kube::parse_json(**line);
            if (!event) break;
            note(kind, kube::string_at(*event, {"type"}), kube::string_at(*event, {"object", "metadata", "name"}),
                 kube::string_at(*event, {"object", "status", "phase"}));
        }
    }

    void note(Kind& kind, const std::string& type, const std::string& name, const std::string& phase) {
        const kube::SteadyTime now = clock_.steady_now();
        if (type == "ADDED") {
            kind.created[name] = now;
            if (&kind == &bare_) tasks_.spawn("bare", serve(name));
        }
        if (phase != "Running" && phase != "Succeeded") return;
        const auto created = kind.created.extract(name);
        if (!created.empty()) kind.took.push_back(now - created.mapped());
    }

    /// What has to be asked and written for one request, and nothing else. The Pod is named as the request is.
    asio::awaitable<void> serve(std::string name) {
        const std::stop_token stop = stop_.get_token();
        kube::UserInfo requester;
        requester.username = "admin";
        requester.groups = {"system:masters", "system:authenticated"};
        const auto permission = co_await cluster_.may_patch_pod(requester, kNamespace, name, stop);
        if (permission != controller::Authorization::allowed) co_return;
        const auto pod = co_await cluster_.get_pod(kNamespace, name, stop);
        if (!pod) co_return;
        const json container = {{"name", "debug"}, {"image", kImage}, {"targetContainerName", "app"}, {"stdin", true}};
        const auto rehearsed = co_await cluster_.inject(kNamespace, name, pod->uid, container, true, stop);
        if (!rehearsed) co_return;
        const auto injected = co_await cluster_.inject(kNamespace, name, pod->uid, container, false, stop);
        if (!injected) co_return;
        const bool is_running = co_await wait_until_running(name, injected->resource_version);
        if (!is_running) co_return;
        kube::ApiRequest write;
        write.method = "PATCH";
        write.path = bare_.path + "/" + name + "/status";
        write.content_type = kube::patch::kMerge;
        write.body = R"({"status":{"phase":"Running","reason":"Running","message":"the container runs"}})";
        const auto written = co_await client_.call(std::move(write), stop);
        if (!written) std::fprintf(stderr, "endoscope-bench-cluster: %s\n", written.error().message.c_str());
    }

    asio::awaitable<bool> wait_until_running(std::string pod, std::string version) {
        kube::ApiRequest request;
        request.path = std::string("/api/v1/namespaces/") + kNamespace + "/pods";
        request.query = {{"fieldSelector", "metadata.name=" + pod}, {"watch", "1"}, {"resourceVersion", version}};
        auto stream = co_await client_.watch(std::move(request), kLimit, stop_.get_token());
        while (stream) {
            const auto line = co_await (*stream)->next(stop_.get_token());
            if (!line || !*line) break;
            const auto event = kube::parse_json(**line);
            if (!event) break;
            const auto* states = kube::find_at(*event, {"object", "status", "ephemeralContainerStatuses"});
            if (states == nullptr || states->empty()) continue;
            if (kube::find_at(states->front(), {"state", "running"}) != nullptr) co_return true;
        }
        co_return false;
    }

    bool is_complete(const Kind& kind) const { return std::cmp_equal(kind.took.size(), options_.requests); }

    static double milliseconds(std::vector<kube::Duration> took, double quantile) {
        if (took.empty()) return 0;
        std::ranges::sort(took);
        const auto index = static_cast<std::size_t>(quantile * static_cast<double>(took.size() - 1));
        return std::chrono::duration<double, std::milli>(took[index]).count();
    }

    void print() const {
        std::printf(
            "created to Running, %lld of each:  operator p50 %.1f ms p99 %.1f ms  bare loop p50 %.1f ms p99 %.1f "
            "ms  ratio p50 %.2f p99 %.2f\n",
            static_cast<long long>(options_.requests), milliseconds(operators_.took, 0.5),
            milliseconds(operators_.took, 0.99), milliseconds(bare_.took, 0.5), milliseconds(bare_.took, 0.99),
            milliseconds(operators_.took, 0.5) / milliseconds(bare_.took, 0.5),
            milliseconds(operators_.took, 0.99) / milliseconds(bare_.took, 0.99));
        for (const Kind* kind : {&operators_, &bare_}) {
            if (!is_complete(*kind)) std::printf("%s: only %zu got there\n", kind->name.c_str(), kind->took.size());
        }
    }

    kube::Client& client_;
    kube::Clock& clock_;
    LatencyOptions options_;
    controller::Cluster cluster_;
    Kind operators_{
        .name = "DebugRequest", .group = "endoscope.dev", .path = requests_path("endoscope.dev", "debugrequests")};
    Kind bare_{.name = "BareRequest",
               .group = "bench.example.com",
               .path = requests_path("bench.example.com", "barerequests")};
    std::stop_source stop_;
    kube::TaskGroup tasks_;
};

}  // namespace

asio::awaitable<bool> measure_latency(kube::Client& client, kube::Clock& clock, LatencyOptions options) {
    Bench bench(co_await asio::this_coro::executor, client, clock, options);
    const bool complete = co_await bench.run();
    co_return complete;
}

}  // namespace endoscope::bench
