// What happens to sessions after their verdict: several Pods, their ends, and what policies want done then. The whole
// operator, call by call.
#include "kube/base/json.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/unit/operator/world.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace endoscope::test {
namespace {

namespace asio = boost::asio;
using kube::string_at;
using kube::test::run_coro;
using std::chrono::seconds;

const Json kDebug = Json::parse(R"([{"apiGroups":[""],"resources":["pods/ephemeralcontainers"],"verbs":["patch"]}])");
const Json kThreeWebs = {
    {"target", {{"podName", nullptr}, {"selector", {{"matchLabels", {{"app", "web"}}}}}, {"maxPods", 3}}}};
constexpr const char* kRequest = "/apis/endoscope.dev/v1alpha1/namespaces/shop/debugrequests/r";

/// A world in which alice may debug, and where Pods web-1 to web-3 belong to app web.
using Story = std::function<asio::awaitable<void>(World&)>;

void tell(Story story) {
    run_coro([](Story told) -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor);
        co_await world.furnish();
        co_await world.grant("alice", "debug", kDebug);
        for (const char* name : {"web-1", "web-2", "web-3"}) co_await world.make_pod(name, {{"app", "web"}});
        co_await world.start();
        co_await told(world);
        co_await world.stop();
    }(std::move(story)));
}

std::size_t containers_in(const Json& pod) {
    return model::array_at(pod, {"spec", "ephemeralContainers"}).size();
}

const Json& row_of(const Json& request, const std::string& pod) {
    static const Json kNone;
    for (const Json& row : request["status"]["targets"]) {
        if (string_at(row, {"podName"}) == pod) return row;
    }
    return kNone;
}

bool has_finalizer(const Json& request) {
    for (const Json& finalizer : model::array_at(request, {"metadata", "finalizers"})) {
        if (finalizer == "endoscope.dev/session") return true;
    }
    return false;
}

bool is_audited(const World& world, const std::string& event) {
    return std::ranges::any_of(world.audit(),
                               [&](const auto& line) { return line.contains("\"event\":\"" + event + "\""); });
}

/// What the script that ends processes prints.
kube::Result<kube::ExecResult> ended(int number) {
    kube::ExecResult result;
    result.output = "ended=" + std::to_string(number) + " left=0 hidden=0\n";
    return result;
}

TEST(SeveralPods, TheChoiceIsOnRecordThenOneFirstThenTheOthers) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.create_request("alice", "r", kThreeWebs);
        co_await world.pass(seconds(2));
        Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Starting") << request["status"].dump();
        EXPECT_EQ(request["status"]["targets"].size(), 3U);
        EXPECT_EQ(world.injections(), 1U);
        std::string first;
        for (const char* name : {"web-1", "web-2", "web-3"}) {
            const Json pod = co_await world.pod(name);
            if (containers_in(pod) == 1) first = name;
        }
        EXPECT_NE(first, "");
        co_await world.show_running(first);
        co_await world.pass(seconds(1));
        EXPECT_EQ(world.injections(), 3U);
        for (const char* name : {"web-1", "web-2", "web-3"}) {
            if (name != first) co_await world.show_running(name);
        }
        request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Running");
        for (const char* name : {"web-1", "web-2", "web-3"}) {
            EXPECT_EQ(row_of(request, name)["state"], "Running") << name;
            co_await world.show_ended(name, 0);
        }
        request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Succeeded") << request["status"].dump();
        EXPECT_EQ(world.injections(), 3U);
    });
}

TEST(SeveralPods, AnImageThatDoesNotStartIsTriedInOnePodOnly) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.create_request("alice", "r", kThreeWebs);
        co_await world.pass(seconds(2));
        const Json waiting = {{"waiting", {{"reason", "InvalidImageName"}, {"message", "no"}}}};
        for (const char* name : {"web-1", "web-2", "web-3"}) {
            const Json pod = co_await world.pod(name);
            if (containers_in(pod) == 1) co_await world.show(name, waiting);
        }
        const bool failed = co_await world.reaches("r", "Failed");
        EXPECT_TRUE(failed);
        EXPECT_EQ(world.injections(), 1U);
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["reason"], "InvalidImageName");
        EXPECT_EQ(std::ranges::count_if(request["status"]["targets"],
                                        [](const Json& row) { return row["state"] == "NotInjected"; }),
                  2);
    });
}

TEST(SeveralPods, OneForbiddenPodDeniesAll) {
    tell([](World& world) -> asio::awaitable<void> {
        Json only = kDebug;
        only[0]["resourceNames"] = {"web-1", "web-2"};
        co_await world.grant("bob", "debug-two", only);
        co_await world.create_request("bob", "r", kThreeWebs);
        const bool denied = co_await world.reaches("r", "Denied");
        EXPECT_TRUE(denied);
        EXPECT_EQ(world.injections(), 0U);
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["reason"], "NotAuthorized");
        EXPECT_FALSE(request["status"].contains("targets"));
    });
}

TEST(SeveralPods, AWorkloadIsItsNewestReadyPod) {
    tell([](World& world) -> asio::awaitable<void> {
        const Json owner = {{"apiVersion", "apps/v1"},
                            {"kind", "ReplicaSet"},
                            {"name", "shop-5d4"},
                            {"uid", "u"},
                            {"controller", true}};
        co_await world.make_pod("shop-5d4-old", {{"pod-template-hash", "5d4"}}, owner);
        co_await world.pass(seconds(10));
        co_await world.make_pod("shop-5d4-new", {{"pod-template-hash", "5d4"}}, owner);
        const Json workload = {{"kind", "Deployment"}, {"name", "shop"}};
        co_await world.create_request("alice", "r", {{"target", {{"podName", nullptr}, {"workload", workload}}}});
        co_await world.pass(seconds(2));
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["targets"].size(), 1U) << request.dump();
        EXPECT_EQ(request["status"]["targets"][0]["podName"], "shop-5d4-new");
    });
}

TEST(SeveralPods, NoMatchIsTargetNotFound) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.create_request(
            "alice", "r", {{"target", {{"podName", nullptr}, {"selector", {{"matchLabels", {{"app", "none"}}}}}}}});
        const bool denied = co_await world.reaches("r", "Denied");
        EXPECT_TRUE(denied);
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["reason"], "TargetNotFound");
    });
}

TEST(SeveralPods, APodThatGoesBeforeItsTurnGetsNothing) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.create_request("alice", "r", kThreeWebs);
        co_await world.pass(seconds(2));
        std::string first;
        std::string lost;
        for (const char* name : {"web-1", "web-2", "web-3"}) {
            const Json pod = co_await world.pod(name);
            (containers_in(pod) == 1 ? first : lost) = name;
        }
        const Json gone =
            co_await world.ask("admin", "DELETE", "/api/v1/namespaces/shop/pods/" + lost + "?gracePeriodSeconds=0");
        EXPECT_FALSE(gone.is_null());
        co_await world.show_running(first);
        co_await world.pass(seconds(1));
        const Json request = co_await world.request("r");
        EXPECT_EQ(world.injections(), 2U);
        EXPECT_EQ(row_of(request, lost)["state"], "NotInjected");
        EXPECT_EQ(row_of(request, lost)["reason"], "TargetGone");
    });
}

TEST(SeveralPods, APolicyThatTightensMeanwhileStopsTheOthers) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.create_request("alice", "r", kThreeWebs);
        co_await world.pass(seconds(2));
        co_await world.change_policy({{"images", {{"allow", {"other:*"}}}}});
        for (const char* name : {"web-1", "web-2", "web-3"}) {
            const Json pod = co_await world.pod(name);
            if (containers_in(pod) == 1) co_await world.show_running(name);
        }
        co_await world.pass(seconds(2));
        EXPECT_EQ(world.injections(), 1U);
        const Json request = co_await world.request("r");
        EXPECT_EQ(std::ranges::count_if(request["status"]["targets"],
                                        [](const Json& row) { return row["reason"] == "ImageNotAllowed"; }),
                  2);
    });
}

TEST(OnExpiry, TerminateEndsTheProcessesAndSaysSo) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"onExpiry", "Terminate"}});
        std::vector<std::string> execs;
        world.on_exec = [&](const kube::ExecRequest& request) {
            execs.push_back(request.pod + "/" + request.container);
            return ended(2);
        };
        co_await world.create_request("alice", "r", {{"deadlineSeconds", 60}});
        co_await world.pass(seconds(2));
        Json request = co_await world.request("r");
        EXPECT_TRUE(has_finalizer(request)) << "before the container is there";
        co_await world.show_running("web");
        EXPECT_TRUE(execs.empty());
        co_await world.pass(seconds(61));
        const bool expired = co_await world.reaches("r", "Expired");
        EXPECT_TRUE(expired);
        EXPECT_FALSE(execs.empty());
        EXPECT_TRUE(is_audited(world, "terminated"));
        request = co_await world.request("r");
        EXPECT_TRUE(has_finalizer(request)) << "it still runs";
        co_await world.show_ended("web", 143);
        co_await world.pass(seconds(1));
        request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Expired");
        EXPECT_TRUE(string_at(request, {"status", "message"}).contains("ended by onExpiry: Terminate"))
            << request["status"].dump();
        EXPECT_FALSE(has_finalizer(request));
    });
}

TEST(OnExpiry, TerminateThatCannotWorkSaysWhyAndStops) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"onExpiry", "Terminate"}});
        int execs = 0;
        world.on_exec = [&](const kube::ExecRequest&) -> kube::Result<kube::ExecResult> {
            ++execs;
            kube::Error error;
            error.kind = kube::ErrorKind::forbidden;
            error.http_status = 403;
            error.message = "pods \"web\" is forbidden";
            return std::unexpected(error);
        };
        co_await world.create_request("alice", "r", {{"deadlineSeconds", 60}});
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        for (int i = 0; i < 5; ++i) co_await world.pass(seconds(61));
        EXPECT_EQ(execs, 1);
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Expired");
        EXPECT_TRUE(string_at(request, {"status", "message"}).contains("still runs")) << request["status"].dump();
        EXPECT_TRUE(string_at(request, {"status", "message"}).contains("manifests/terminate"))
            << request["status"].dump();
        EXPECT_FALSE(is_audited(world, "terminated"));
    });
}

TEST(OnExpiry, EvictPodWaitsForTheBudget) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"onExpiry", "EvictPod"}});
        bool has_budget = false;
        int refused = 0;
        world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (has_budget || !request.target.contains("/eviction")) return std::nullopt;
            ++refused;
            kube::HttpResponse response;
            response.status = 429;
            response.headers.set("Content-Type", "application/json");
            response.headers.set("Retry-After", "10");
            response.body =
                R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests",)"
                R"("message":"Cannot evict pod as it would violate the pod's disruption budget.","code":429})";
            return response;
        };
        co_await world.create_request("alice", "r", {{"deadlineSeconds", 60}});
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        for (int i = 0; i < 70; ++i) co_await world.pass(seconds(1));
        EXPECT_GE(refused, 2);
        Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Expired");
        EXPECT_TRUE(string_at(request, {"status", "message"}).contains("disruption budget"))
            << request["status"].dump();
        has_budget = true;
        for (int i = 0; i < 70; ++i) co_await world.pass(seconds(1));
        const Json pod = co_await world.pod("web");
        EXPECT_TRUE(pod.is_null() || pod["metadata"].contains("deletionTimestamp")) << "evicted";
        EXPECT_TRUE(is_audited(world, "evicted"));
    });
}

TEST(Cancel, DeletingARequestEndsItsSessionByThePolicyAndLetsGo) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"onExpiry", "Terminate"}});
        int execs = 0;
        world.on_exec = [&](const kube::ExecRequest&) {
            ++execs;
            return ended(1);
        };
        co_await world.create_request("alice", "r");
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        const Json deleted = co_await world.ask("admin", "DELETE", kRequest);
        EXPECT_FALSE(deleted.is_null());
        co_await world.pass(seconds(1));
        EXPECT_EQ(execs, 1);
        Json request = co_await world.request("r");
        EXPECT_FALSE(request.is_null()) << "the finalizer holds it until the container has ended";
        co_await world.show_ended("web", 143);
        co_await world.pass(seconds(2));
        request = co_await world.request("r");
        EXPECT_TRUE(request.is_null()) << request.dump();
        EXPECT_TRUE(is_audited(world, "ended"));
        EXPECT_FALSE(is_audited(world, "cancelled"));
    });
}

TEST(Cancel, TheFinalizerAlwaysLetsGo) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"onExpiry", "Terminate"}});
        co_await world.create_request("alice", "r");  // nobody runs commands: every attempt fails
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        co_await world.ask("admin", "DELETE", kRequest);
        for (int i = 0; i < 65; ++i) co_await world.pass(seconds(1));
        const Json request = co_await world.request("r");
        EXPECT_TRUE(request.is_null()) << request.dump();
        EXPECT_TRUE(is_audited(world, "cancelled"));
    });
}

TEST(Cancel, WithoutAnythingToDoARequestGoesAtOnceAndTheRecordSaysWhatIsLeft) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.create_request("alice", "r");
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        Json request = co_await world.request("r");
        EXPECT_FALSE(has_finalizer(request));
        co_await world.ask("admin", "DELETE", kRequest);
        co_await world.pass(seconds(1));
        request = co_await world.request("r");
        EXPECT_TRUE(request.is_null());
        EXPECT_TRUE(is_audited(world, "cancelled"));
    });
}

TEST(AfterSession, EvictPodReplacesADebuggedPod) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"afterSession", "EvictPod"}});
        co_await world.create_request("alice", "r");
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        EXPECT_EQ(world.count("/eviction"), 0U);
        co_await world.show_ended("web", 0);
        co_await world.pass(seconds(2));
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["phase"], "Succeeded") << "the eviction does not change the end";
        EXPECT_FALSE(has_finalizer(request));
        EXPECT_EQ(world.count("/eviction"), 1U);
        EXPECT_TRUE(is_audited(world, "evicted"));
    });
}

TEST(AfterSession, NothingIsEvictedThatWasNotDebugged) {
    tell([](World& world) -> asio::awaitable<void> {
        co_await world.change_policy({{"afterSession", "EvictPod"}});
        co_await world.create_request("alice", "r", {{"image", "other:1"}});
        const bool denied = co_await world.reaches("r", "Denied");
        EXPECT_TRUE(denied);
        co_await world.pass(seconds(5));
        EXPECT_EQ(world.count("/eviction"), 0U);
        EXPECT_EQ(world.count("PATCH " + std::string(kRequest) + "?"), 0U) << "a denied request gets no finalizer";
    });
}

TEST(Output, TheEndOfTheLogIsKeptInCommandMode) {
    tell([](World& world) -> asio::awaitable<void> {
        world.intercept = [](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (!request.target.contains("/log?")) return std::nullopt;
            kube::HttpResponse response;
            response.headers.set("Content-Type", "text/plain");
            response.body = "one\n\x1b[31mtwo\n";
            return response;
        };
        co_await world.create_request("alice", "r",
                                      {{"mode", "Command"}, {"command", {"ls"}}, {"output", {{"tailLines", 5}}}});
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        co_await world.show_ended("web", 0);
        const bool done = co_await world.reaches("r", "Succeeded");
        EXPECT_TRUE(done);
        const Json request = co_await world.request("r");
        const std::string output = string_at(row_of(request, "web"), {"output"});
        EXPECT_TRUE(output.starts_with("one\n")) << output;
        EXPECT_FALSE(output.contains('\x1b')) << output;
    });
}

TEST(Output, ALogThatCannotBeReadDoesNotHoldUpTheRecord) {
    tell([](World& world) -> asio::awaitable<void> {
        world.intercept = [](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (!request.target.contains("/log?")) return std::nullopt;
            kube::HttpResponse response;
            response.status = 500;
            response.body = "the kubelet is away";
            return response;
        };
        co_await world.create_request("alice", "r",
                                      {{"mode", "Command"}, {"command", {"ls"}}, {"output", {{"tailLines", 5}}}});
        co_await world.pass(seconds(2));
        co_await world.show_running("web");
        co_await world.show_ended("web", 3);
        const bool failed = co_await world.reaches("r", "Failed");
        EXPECT_TRUE(failed);
        const Json request = co_await world.request("r");
        EXPECT_EQ(request["status"]["reason"], "NonZeroExit");
        EXPECT_TRUE(string_at(row_of(request, "web"), {"message"}).contains("its log could not be read"))
            << request["status"].dump();
    });
}

}  // namespace
}  // namespace endoscope::test
