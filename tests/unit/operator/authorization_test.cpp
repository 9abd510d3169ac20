// That nothing is done for somebody who may not, and that they learn nothing: the whole operator, call by call.
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

const Json kDebug = Json::parse(R"([{"apiGroups":[""],"resources":["pods/ephemeralcontainers"],"verbs":["patch"]}])");
const Json kUse = Json::parse(R"([{"apiGroups":["endoscope.dev"],"resources":["debugpolicies"],"verbs":["use"]}])");
constexpr const char* kReviews = "/subjectaccessreviews";
constexpr const char* kWeb = "/api/v1/namespaces/shop/pods/web";
constexpr const char* kPolicy = "/apis/endoscope.dev/v1alpha1/debugpolicies/shop";

Json may_impersonate(const std::string& user) {
    return Json::array(
        {{{"apiGroups", {""}}, {"resources", {"users"}}, {"resourceNames", {user}}, {"verbs", {"impersonate"}}}});
}

kube::HttpResponse reply(int status, std::string body) {
    kube::HttpResponse response;
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    response.body = std::move(body);
    return response;
}

kube::HttpResponse review(const std::string& status) {
    return reply(201,
                 R"({"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":)" + status + "}");
}

bool is_review(const kube::HttpRequest& request) {
    return request.target.contains(kReviews);
}

/// What somebody without the right gets to see, and what was done meanwhile.
struct Seen {
    std::string status;
    std::vector<std::string> calls;
};

/// How the Pod that is asked for can be.
using Change = std::function<asio::awaitable<void>(World&)>;
struct Variant {
    const char* what;
    Change change;
};

asio::awaitable<void> leave(World&) {
    co_return;
}
asio::awaitable<void> remove_pod(World& world) {
    const Json gone = co_await world.ask("admin", "DELETE", std::string(kWeb) + "?gracePeriodSeconds=0");
    EXPECT_FALSE(gone.is_null());
}
asio::awaitable<void> end_pod(World& world) {
    const Json ended =
        co_await world.ask("admin", "PATCH", std::string(kWeb) + "/status", {{"status", {{"phase", "Failed"}}}});
    EXPECT_FALSE(ended.is_null());
}

asio::awaitable<void> look(Change change, std::string authorization, Json spec, Seen& seen) {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    const Json policy = co_await world.ask("admin", "PATCH", kPolicy, {{"spec", {{"authorization", authorization}}}});
    EXPECT_FALSE(policy.is_null());
    co_await change(world);
    co_await world.start();
    const Json created = co_await world.create_request("bob", "r", spec);
    EXPECT_FALSE(created.is_null());
    const bool denied = co_await world.reaches("r", "Denied");
    EXPECT_TRUE(denied);
    const Json after = co_await world.request("r");
    seen.status = kube::dump_json(after["status"]);
    seen.calls = world.calls();
    EXPECT_EQ(world.injections(), 0U);
    co_await world.stop();
}

/// The same to whoever asks, whatever there is to be seen.
void expect_same(const std::string& authorization, const Json& spec, std::vector<Seen>& all) {
    const Variant variants[] = {{"there", leave}, {"missing", remove_pod}, {"over", end_pod}};
    for (const Variant& variant : variants) {
        SCOPED_TRACE(authorization + " " + variant.what + " " + spec.dump());
        run_coro(look(variant.change, authorization, spec, all.emplace_back()));
        EXPECT_EQ(all.back().status, all.front().status);
        EXPECT_EQ(all.back().calls, all.front().calls);
        EXPECT_TRUE(all.back().status.contains("NotAuthorized")) << all.back().status;
    }
}

TEST(Secrecy, PodsThatAreThereMissingOrOverAreTheSameToWhoMayNotDebugThem) {
    const Json specs[] = {{{"target", {{"container", "secret"}}}}, {{"onBehalfOf", {{"username", "x"}}}}};
    for (const std::string authorization : {"PodPermission", "UsePolicy"}) {
        for (const Json& spec : specs) {
            std::vector<Seen> all;
            expect_same(authorization, spec, all);
            for (const std::string& call : all.front().calls) EXPECT_FALSE(call.contains("/pods/web")) << call;
        }
    }
}

asio::awaitable<void> fail_closed(kube::HttpResponse answer) {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    co_await world.grant("alice", "debug", kDebug);
    co_await world.start();
    world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
        if (is_review(request)) return answer;
        return std::nullopt;
    };
    const Json created = co_await world.create_request("alice", "r");
    EXPECT_FALSE(created.is_null());
    for (int minute = 0; minute < 5; ++minute) co_await world.pass(std::chrono::minutes(1));
    Json now = co_await world.request("r");
    EXPECT_EQ(string_at(now, {"status", "phase"}), "") << "neither allowed nor denied: " << now["status"];
    EXPECT_GT(world.count(kReviews), 1U) << "it is tried again";
    EXPECT_EQ(world.count("/pods/web"), 0U);
    // And when the check works again, the request is none the worse for it.
    world.intercept = nullptr;
    const bool starts = co_await world.reaches("r", "Starting");
    now = co_await world.request("r");
    EXPECT_TRUE(starts) << now["status"];
    EXPECT_EQ(world.injections(), 1U);
    co_await world.stop();
}

TEST(FailClosed, ACheckThatFailsIsNeverAnAllowance) {
    const kube::HttpResponse answers[] = {
        reply(500, R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":500})"),
        reply(403, R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403})"),
        reply(201, "<html>allowed</html>"),
        review(R"({"allowed":true,"evaluationError":"webhook timed out"})"),
        reply(0, ""),  // and no answer at all
    };
    for (const kube::HttpResponse& answer : answers) {
        SCOPED_TRACE(std::to_string(answer.status) + " " + answer.body);
        run_coro(fail_closed(answer));
    }
}

TEST(FailClosed, ARightThatIsRevokedAfterAdmissionIsGone) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor);
        co_await world.furnish();
        co_await world.grant("alice", "debug", kDebug);
        co_await world.start();
        world.intercept = [](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (!is_review(request)) return std::nullopt;
            return reply(500, R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":500})");
        };
        const Json created = co_await world.create_request("alice", "r");
        EXPECT_FALSE(created.is_null());
        co_await world.pass(std::chrono::seconds(5));
        co_await world.revoke("debug");
        world.intercept = nullptr;
        const bool denied = co_await world.reaches("r", "Denied");
        const Json now = co_await world.request("r");
        EXPECT_TRUE(denied) << now["status"];
        EXPECT_EQ(string_at(now, {"status", "reason"}), "NotAuthorized");
        EXPECT_EQ(world.injections(), 0U);
        co_await world.stop();
    }());
}

/// An API server that has just started: it knows no roles, and so denies, until it is ready.
asio::awaitable<void> starting_server(int denials, bool ready) {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    co_await world.grant("alice", "debug", kDebug);
    co_await world.start();
    world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
        if (is_review(request) && denials-- > 0) return review(R"({"allowed":false})");
        if (request.target == "/readyz" && !ready) return reply(500, "[-]informer-sync failed: reason withheld");
        return std::nullopt;
    };
    const Json created = co_await world.create_request("alice", "r");
    EXPECT_FALSE(created.is_null());
    co_await world.pass(std::chrono::minutes(1));
    if (!ready) {
        const Json now = co_await world.request("r");
        EXPECT_EQ(string_at(now, {"status", "phase"}), "") << now["status"];
        EXPECT_EQ(world.count("/pods/web"), 0U);
        ready = true;
        denials = 0;
    }
    const bool starts = co_await world.reaches("r", "Starting");
    const Json now = co_await world.request("r");
    EXPECT_TRUE(starts) << now["status"];
    EXPECT_EQ(world.injections(), 1U);
    co_await world.stop();
}

TEST(FailClosed, ADenialOfAnApiServerThatIsNotReadyIsNone) {
    run_coro(starting_server(1000, false));
    run_coro(starting_server(1, true));  // it became ready between the two
}

TEST(FailClosed, AfterAConflictEverythingIsAskedAgain) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor);
        co_await world.furnish();
        co_await world.grant("alice", "debug", kDebug);
        co_await world.start();
        int conflicts = 0;
        bool is_revoked = false;
        world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            // Whoever asks again before the right is gone gets no answer yet.
            if (is_review(request) && conflicts > 0 && !is_revoked) {
                return reply(500, R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":500})");
            }
            if (!request.target.contains("/ephemeralcontainers") || request.target.contains("dryRun")) return {};
            ++conflicts;
            return reply(409, R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict",)"
                              R"("message":"the object has been modified","code":409})");
        };
        const Json created = co_await world.create_request("alice", "r");
        EXPECT_FALSE(created.is_null());
        for (int i = 0; i < 500 && conflicts == 0; ++i) co_await world.pass(std::chrono::milliseconds(1));
        EXPECT_EQ(conflicts, 1);
        co_await world.revoke("debug");
        is_revoked = true;
        const bool denied = co_await world.reaches("r", "Denied");
        const Json now = co_await world.request("r");
        EXPECT_TRUE(denied) << now["status"];
        EXPECT_EQ(string_at(now, {"status", "reason"}), "NotAuthorized");
        EXPECT_GE(world.count(kReviews), 2U);
        EXPECT_EQ(conflicts, 1) << "without the right it is not even tried";
        co_await world.stop();
    }());
}

struct OnBehalf {
    const char* what;
    bool may_speak;             ///< `tool` may impersonate bob.
    std::string authorization;  ///< Of the policy.
    std::string holder;         ///< Who holds the right to debug.
    std::string expected;       ///< Phase and reason.
};

asio::awaitable<void> ask_for_bob(OnBehalf row) {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    const Json policy =
        co_await world.ask("admin", "PATCH", kPolicy, {{"spec", {{"authorization", row.authorization}}}});
    EXPECT_FALSE(policy.is_null());
    if (row.may_speak) co_await world.grant_everywhere("tool", "speak", may_impersonate("bob"));
    co_await world.grant(row.holder, "debug", row.authorization == "UsePolicy" ? kUse : kDebug);
    co_await world.start();
    const Json created = co_await world.create_request("tool", "r", {{"onBehalfOf", {{"username", "bob"}}}});
    EXPECT_FALSE(created.is_null()) << row.what;
    const bool reached = co_await world.reaches("r", row.expected.substr(0, row.expected.find('/')));
    const Json now = co_await world.request("r");
    EXPECT_TRUE(reached) << row.what << now["status"];
    const std::string reason = string_at(now, {"status", "reason"});
    EXPECT_EQ(string_at(now, {"status", "phase"}) + "/" + reason, row.expected) << row.what;
    EXPECT_EQ(world.injections(), reason == "NotAuthorized" ? 0U : 1U) << row.what;
    // The author, then, if they may, the one they speak for; whoever is denied is asked for a second time.
    const std::size_t people = row.may_speak ? 2 : 1;
    EXPECT_EQ(world.count(kReviews), people + (reason == "NotAuthorized" ? 1U : 0U)) << row.what;
    for (const std::string& line : world.audit()) {
        EXPECT_TRUE(line.contains(R"("requester":"tool")") && line.contains(R"("onBehalfOf":"bob")")) << line;
    }
    EXPECT_FALSE(world.audit().empty());
    co_await world.stop();
}

TEST(OnBehalfOf, TakesTheRightToSpeakForThemAndTheirOwnRight) {
    const OnBehalf rows[] = {
        {"both", true, "PodPermission", "bob", "Starting/WaitingForStart"},
        {"by the policy", true, "UsePolicy", "bob", "Starting/WaitingForStart"},
        {"may not speak", false, "PodPermission", "bob", "Denied/NotAuthorized"},
        {"may not speak, and has the right", false, "PodPermission", "tool", "Denied/NotAuthorized"},
        {"speaks for who has no right", true, "PodPermission", "tool", "Denied/NotAuthorized"},
        {"the same by the policy", true, "UsePolicy", "tool", "Denied/NotAuthorized"},
    };
    for (const OnBehalf& row : rows) run_coro(ask_for_bob(row));
}

TEST(OnBehalfOf, TheirSessionsAreCountedTogetherWhoeverAsked) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor);
        co_await world.furnish();
        const Json limits = {{"spec", {{"limits", {{"maxActivePerRequester", 1}}}}}};
        const Json policy = co_await world.ask("admin", "PATCH", kPolicy, limits);
        EXPECT_FALSE(policy.is_null());
        for (const std::string user : {"alice", "bob"}) {
            co_await world.grant_everywhere("tool", "speak-for-" + user, may_impersonate(user));
            co_await world.grant(user, "debug-" + user, kDebug);
        }
        co_await world.start();
        co_await world.create_request("tool", "first", {{"onBehalfOf", {{"username", "bob"}}}});
        const bool first = co_await world.reaches("first", "Starting");
        EXPECT_TRUE(first);
        co_await world.create_request("bob", "by-himself");
        co_await world.create_request("tool", "for-another", {{"onBehalfOf", {{"username", "alice"}}}});
        const bool denied = co_await world.reaches("by-himself", "Denied");
        EXPECT_TRUE(denied);
        const Json now = co_await world.request("by-himself");
        EXPECT_EQ(string_at(now, {"status", "reason"}), "LimitExceeded");
        const bool another = co_await world.reaches("for-another", "Starting");
        EXPECT_TRUE(another);
        co_await world.stop();
    }());
}

}  // namespace
}  // namespace endoscope::test
