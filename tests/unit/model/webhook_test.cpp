#include "fixture.hpp"
#include "tests/model/encoding.hpp"
#include "tests/support/memory_stream.hpp"

#include <boost/asio/this_coro.hpp>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::ManualClock;
using kube::test::run_coro;
using kube::test::settle;
using kube::test::spawn;

/// A webhook in memory: answers each review with what `answer` makes of its request; silent when that is null.
class Hook {
  public:
    Hook(asio::any_io_executor executor, kube::Clock& clock)
        : silence(executor), executor_(std::move(executor)), clock_(clock) {}

    TransportFactory transports() {
        return [this](const std::string& host, unsigned short port,
                      const kube::TlsClientConfig& tls) -> kube::Result<std::shared_ptr<kube::Transport>> {
            EXPECT_EQ(host, "127.0.0.1");
            EXPECT_EQ(port, 9443);
            EXPECT_EQ(tls.ca_pem, "CA");
            return std::make_shared<kube::test::MemoryTransport>([this] { return connect(); });
        };
    }
    std::function<Json(const Json& request)> answer;
    std::vector<Json> requests;
    std::vector<std::string> targets;
    int status = 200;
    std::stop_source stop;
    kube::Signal silence;  ///< Notified to end a review that is never answered.

  private:
    kube::Result<std::unique_ptr<kube::ByteStream>> connect() {
        auto pair = kube::test::make_memory_stream_pair(executor_);
        spawn(executor_, serve(std::move(pair.second)));
        return std::move(pair.first);
    }
    asio::awaitable<void> serve(std::unique_ptr<kube::test::MemoryStream> stream) {
        const kube::HttpHandler handler = [this](const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
            return review(exchange, writer);
        };
        co_await kube::serve_http(clock_, *stream, handler, {}, stop.get_token());
    }
    asio::awaitable<void> review(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
        targets.push_back(exchange.request.target);
        const Json review = Json::parse(exchange.request.body);
        requests.push_back(review["request"]);
        const Json response = answer(review["request"]);
        if (response.is_null()) {
            co_await silence.wait();
            co_return;
        }
        kube::HttpResponse out;
        out.status = status;
        out.body =
            Json{{"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"response", response}}.dump();
        (void)co_await writer.respond(std::move(out));
    }

    asio::any_io_executor executor_;
    kube::Clock& clock_;
};

Json configuration(bool mutating, const std::string& policy = "Fail") {
    Json out = Json::parse(R"({"apiVersion":"admissionregistration.k8s.io/v1","metadata":{"name":"w"},"webhooks":[{
        "name":"w.example.org","sideEffects":"None","admissionReviewVersions":["v1"],"timeoutSeconds":5,
        "clientConfig":{"url":"https://127.0.0.1:9443/x","caBundle":"Q0E="},
        "rules":[{"operations":["CREATE","UPDATE"],"apiGroups":["example.org"],"apiVersions":["v1"],
                  "resources":["things"]}]}]})");
    out["kind"] = mutating ? "MutatingWebhookConfiguration" : "ValidatingWebhookConfiguration";
    out["webhooks"][0]["failurePolicy"] = policy;
    return out;
}

std::string table(bool mutating) {
    return std::string("/apis/admissionregistration.k8s.io/v1/") +
           (mutating ? "mutatingwebhookconfigurations" : "validatingwebhookconfigurations");
}

/// A server with one webhook and the CRD of the fixture.
struct Setup {
    explicit Setup(const asio::any_io_executor& executor) : hook(executor, clock), api(executor, clock, settings()) {}
    ApiServerSettings settings() {
        ApiServerSettings out;
        out.transports = hook.transports();
        return out;
    }
    asio::awaitable<void> install(bool mutating, std::string policy = "Fail") {
        co_await ask(api, "POST", kCrds, crd());
        auto made = co_await ask(api, "POST", table(mutating), configuration(mutating, policy));
        EXPECT_EQ(made.code, 201) << made.message();
    }
    /// Ends what runs beside the test, before what it uses dies.
    asio::awaitable<void> finish() {
        hook.stop.request_stop();
        hook.silence.notify_all();
        co_await settle();
        co_await api.join();
        co_await settle();
    }
    ManualClock clock;
    Hook hook;
    ApiServer api;
};

Json allow(const Json& request) {
    return {{"uid", request["uid"]}, {"allowed", true}};
}

asio::awaitable<void> mutation() {
    Setup setup(co_await asio::this_coro::executor);
    co_await setup.install(true);
    setup.hook.answer = [](const Json& request) {
        Json out = allow(request);
        out["patchType"] = "JSONPatch";
        out["patch"] = base64_encode(R"([{"op":"add","path":"/spec/mode","value":"B"}])");
        out["warnings"] = Json::array({"look \"here\""});
        return out;
    };
    auto made = co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_EQ(made.code, 201) << made.message();
    EXPECT_EQ(made.body["spec"]["mode"], "B");
    EXPECT_EQ(made.http.headers.get("Warning"), R"(299 - "look \"here\"")");
    EXPECT_EQ(setup.hook.requests.size(), 1U);
    const Json request = setup.hook.requests.empty() ? Json::object() : setup.hook.requests[0];
    EXPECT_EQ(setup.hook.targets.front(), "/x?timeout=5s");
    EXPECT_EQ(string_at(request, {"operation"}), "CREATE");
    EXPECT_EQ(string_at(request, {"userInfo", "username"}), "admin");
    EXPECT_NE(find_at(request, {"userInfo", "extra"}), nullptr);
    EXPECT_EQ(string_at(request, {"object", "spec", "mode"}), "A") << "defaults come before webhooks";
    EXPECT_TRUE(request["oldObject"].is_null());
    EXPECT_FALSE(request["object"]["metadata"].contains("uid"));
    setup.hook.answer = [](const Json& r) {
        Json out = allow(r);
        out["patchType"] = "JSONPatch";
        out["patch"] = base64_encode(R"([{"op":"remove","path":"/nope"}])");
        return out;
    };
    auto broken = co_await ask(setup.api, "POST", kThings, thing("b"));
    EXPECT_EQ(broken.code, 500);
    co_await setup.finish();
}

TEST(Webhooks, MutationsAreAppliedAndWarningsPassedOn) {
    run_coro(mutation());
}

asio::awaitable<void> verdicts() {
    Setup setup(co_await asio::this_coro::executor);
    co_await setup.install(false);
    setup.hook.answer = [](const Json& request) {
        return Json{{"uid", request["uid"]}, {"allowed", false}, {"status", {{"code", 422}, {"message", "no"}}}};
    };
    auto denied = co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_EQ(denied.code, 422);
    EXPECT_EQ(denied.message(), R"(admission webhook "w.example.org" denied the request: no)");
    setup.hook.answer = [](const Json& request) { return Json{{"uid", request["uid"]}, {"allowed", false}}; };
    auto silent = co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_EQ(silent.code, 400);
    EXPECT_EQ(silent.message(), R"(admission webhook "w.example.org" denied the request without explanation)");
    setup.hook.answer = [](const Json&) { return Json{{"uid", "other"}, {"allowed", true}}; };
    auto wrong_uid = co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_EQ(wrong_uid.code, 500);
    EXPECT_NE(wrong_uid.message().find(R"(failed calling webhook "w.example.org")"), std::string::npos);
    setup.hook.answer = [](const Json& request) {
        Json out = allow(request);
        out["patchType"] = "JSONPatch";
        out["patch"] = base64_encode("[]");
        return out;
    };
    auto patching = co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_EQ(patching.code, 500) << "a validating webhook must not patch";
    setup.hook.answer = allow;
    setup.hook.status = 500;
    auto failed = co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_EQ(failed.code, 500);
    co_await setup.finish();
}

TEST(Webhooks, MistakesInAnswersBlockTheRequest) {
    run_coro(verdicts());
}

asio::awaitable<void> create_into(ApiServer& api, std::string name, Answer& out) {
    out = co_await ask(api, "POST", kThings, thing(name));
}

asio::awaitable<void> time_out(std::string policy, int expected) {
    const auto executor = co_await asio::this_coro::executor;
    Setup setup(executor);
    co_await setup.install(false, policy);
    setup.hook.answer = [](const Json&) { return Json(nullptr); };
    Answer answer;
    spawn(executor, create_into(setup.api, "a", answer));
    co_await settle();
    EXPECT_EQ(answer.code, 0) << "nothing before the time-out";
    setup.clock.advance(std::chrono::seconds(5));
    co_await settle();
    EXPECT_EQ(answer.code, expected) << answer.message();
    if (expected == 500) {
        EXPECT_NE(answer.message().find("context deadline exceeded"), std::string::npos);
    }
    co_await setup.finish();
}

TEST(Webhooks, SilenceFollowsTheFailurePolicy) {
    run_coro(time_out("Fail", 500));
    run_coro(time_out("Ignore", 201));
}

asio::awaitable<void> selection() {
    Setup setup(co_await asio::this_coro::executor);
    co_await setup.install(false);
    setup.hook.answer = allow;
    co_await ask(setup.api, "PATCH", table(false) + "/w",
                 Json::parse(R"([{"op":"add","path":"/webhooks/0/namespaceSelector",
                                  "value":{"matchLabels":{"kubernetes.io/metadata.name":"other"}}}])"),
                 kJsonPatch);
    co_await ask(setup.api, "POST", kThings, thing("a"));
    EXPECT_TRUE(setup.hook.requests.empty());
    co_await ask(setup.api, "PATCH", table(false) + "/w",
                 Json::parse(R"([{"op":"add","path":"/webhooks/0/namespaceSelector","value":{}}])"), kJsonPatch);
    co_await ask(setup.api, "PATCH", kThings + "/a/status", Json::parse(R"({"status":{"phase":"x"}})"), kMerge);
    EXPECT_TRUE(setup.hook.requests.empty()) << "a subresource needs a rule of its own";
    co_await ask(setup.api, "PATCH", kThings + "/a", Json::parse(R"({"metadata":{"labels":{"a":"b"}}})"), kMerge);
    EXPECT_EQ(setup.hook.requests.size(), 1U);
    EXPECT_EQ(setup.hook.requests.empty() ? "" : string_at(setup.hook.requests[0], {"oldObject", "metadata", "name"}),
              "a");
    Json unsafe = configuration(false);
    unsafe["webhooks"][0]["matchConditions"] = Json::parse(R"([{"name":"x","expression":"true"}])");
    unsafe["metadata"]["name"] = "cel";
    auto refused = co_await ask(setup.api, "POST", table(false), unsafe);
    EXPECT_NE(refused.message().find("does not evaluate CEL"), std::string::npos);
    co_await setup.finish();
}

TEST(Webhooks, RulesAndSelectorsChooseTheRequests) {
    run_coro(selection());
}

}  // namespace
}  // namespace model::test
