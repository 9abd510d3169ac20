#include "kube/runtime/metrics_auth.hpp"

#include "kube/base/json.hpp"
#include "kube/runtime/reviews.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

constexpr const char* kAlice =
    R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"alice","uid":"7","groups":["dev"],"extra":{"k":["v"]}}}})";
constexpr const char* kNobody = R"({"kind":"TokenReview","status":{"user":{}}})";
constexpr const char* kAllowed = R"({"kind":"SubjectAccessReview","status":{"allowed":true}})";
constexpr const char* kRefused = R"({"kind":"SubjectAccessReview","status":{"allowed":false}})";

struct Fixture {
    explicit Fixture(asio::any_io_executor executor)
        : server(executor, clock),
          client(server.transport(), clock, {.user_agent = "test", .field_manager = {}, .path_prefix = {}}),
          authorizer(executor, client, clock, 7),
          executor_(executor) {}
    static HttpRequest scrape(const std::string& token) {
        HttpRequest request;
        request.target = "/metrics?x=y";
        if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
        return request;
    }
    asio::awaitable<int> check(std::string token) {
        const HttpRequest request = scrape(token);
        const int status = co_await authorizer.check(request, stop.get_token());
        co_return status;
    }
    static asio::awaitable<void> check_into(Fixture& self, std::string token, int& status) {
        status = co_await self.check(token);
    }
    void start(const std::string& token, int& status) { test::spawn(executor_, check_into(*this, token, status)); }

    test::ManualClock clock;
    test::ScriptedServer server;
    Client client;
    RequestAuthorizer authorizer;
    std::stop_source stop;

  private:
    asio::any_io_executor executor_;
};

asio::awaitable<void> allows() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(201, kAlice);
    f.server.reply(201, kAllowed);
    EXPECT_EQ(co_await f.check("t"), 200);
    EXPECT_EQ(f.server.requests(),
              (std::vector<std::string>{"POST /apis/authentication.k8s.io/v1/tokenreviews",
                                        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"}));
    const auto token = parse_json(f.server.received()[0].body);
    EXPECT_EQ((*token)["spec"]["token"], "t");
    const auto access = parse_json(f.server.received()[1].body);
    EXPECT_EQ(
        (*access)["spec"],
        R"({"user":"alice","uid":"7","groups":["dev"],"extra":{"k":["v"]},"nonResourceAttributes":{"path":"/metrics","verb":"get"}})"_json);
}
TEST(MetricsAuth, AKnownCallerWithTheRightPasses) {
    test::run_coro(allows());
}

asio::awaitable<void> refuses() {
    Fixture f(co_await asio::this_coro::executor);
    EXPECT_EQ(co_await f.check(""), 401);
    EXPECT_EQ(f.server.requests().size(), 0U);
    f.server.reply(201, kNobody);
    EXPECT_EQ(co_await f.check("stranger"), 401);
    EXPECT_EQ(co_await f.check("stranger"), 401);
    EXPECT_EQ(f.server.requests().size(), 1U) << "who guesses tokens does not reach the API server each time";
    f.server.reply(201, kAlice);
    f.server.reply(201, kRefused);
    EXPECT_EQ(co_await f.check("t"), 403);
}
TEST(MetricsAuth, StrangersAndCallersWithoutTheRightDoNotPass) {
    test::run_coro(refuses());
}

asio::awaitable<void> caches() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(201, kAlice);
    f.server.reply(201, kRefused);
    EXPECT_EQ(co_await f.check("t"), 403);
    f.clock.advance(seconds(29));
    EXPECT_EQ(co_await f.check("t"), 403);
    EXPECT_EQ(f.server.requests().size(), 2U);
    f.clock.advance(seconds(1));
    f.server.reply(201, kAllowed);
    EXPECT_EQ(co_await f.check("t"), 200) << "a refusal is believed for 30 s";
    EXPECT_EQ(f.server.requests().size(), 3U);
    f.clock.advance(seconds(30));
    f.server.reply(201, kAlice);
    EXPECT_EQ(co_await f.check("t"), 200);
    EXPECT_EQ(f.server.requests().size(), 4U) << "a token for one minute, the allowance for five";
    f.clock.advance(seconds(59));
    EXPECT_EQ(co_await f.check("t"), 200);
    EXPECT_EQ(f.server.requests().size(), 4U);
    f.clock.advance(seconds(1));
    f.server.reply(201, kNobody);
    EXPECT_EQ(co_await f.check("t"), 401) << "revoked";
}
TEST(MetricsAuth, AnswersAreBelievedForTheirTime) {
    test::run_coro(caches());
}

asio::awaitable<void> shares() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(201, kAlice);
    f.server.reply(201, kAllowed);
    std::array<int, 20> statuses{};
    for (int& status : statuses) f.start("t", status);
    co_await test::settle();
    for (const int status : statuses) EXPECT_EQ(status, 200);
    EXPECT_EQ(f.server.requests().size(), 2U);
}
TEST(MetricsAuth, ScrapesAtTheSameTimeShareOneReview) {
    test::run_coro(shares());
}

asio::awaitable<void> fails_closed() {
    Fixture f(co_await asio::this_coro::executor);
    for (const char* nonsense : {"", "{", "[]", R"({"kind":"TokenReview","status":{"authenticated":true}})",
                                 R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":""}}})"}) {
        f.server.reply(201, nonsense);
        EXPECT_EQ(co_await f.check("t"), 500) << nonsense;
    }
    f.server.reply(403, R"({"kind":"Status","reason":"Forbidden","message":"no right to create tokenreviews"})");
    EXPECT_EQ(co_await f.check("t"), 500);
    f.server.reply(201, kAlice);
    f.server.reply(201, "{}");
    EXPECT_EQ(co_await f.check("t"), 500);
    f.server.reply(201, kAllowed);
    EXPECT_EQ(co_await f.check("t"), 200) << "a failure is not remembered";
}
TEST(MetricsAuth, WhatCannotBeFoundOutIsNoPermission) {
    test::run_coro(fails_closed());
}

asio::awaitable<void> retries() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(500, R"({"kind":"Status","message":"no"})");
    f.server.reply(500, R"({"kind":"Status","message":"no"})");
    f.server.reply(201, kAlice);
    f.server.reply(201, kAllowed);
    int status = 0;
    f.start("t", status);
    for (int i = 0; i < 10 && status == 0; ++i) {
        co_await test::settle();
        f.clock.advance(std::chrono::milliseconds(500));
    }
    EXPECT_EQ(status, 200);
    // From here on every answer is 500.
    status = 0;
    f.start("other", status);
    for (int i = 0; i < 20 && status == 0; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(1));
    }
    EXPECT_EQ(status, 500);
    EXPECT_EQ(f.server.requests().size(), 9U) << "five attempts";
}
TEST(MetricsAuth, AFailingReviewIsTriedAgain) {
    test::run_coro(retries());
}

asio::awaitable<void> times_out() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.stream_open({"{"});
    int status = 0;
    f.start("t", status);
    co_await test::settle();
    f.clock.advance(std::chrono::milliseconds(9999));
    co_await test::settle();
    EXPECT_EQ(status, 0);
    f.clock.advance(std::chrono::milliseconds(1));
    co_await test::settle();
    EXPECT_EQ(status, 500);
}
TEST(MetricsAuth, AReviewTakesTenSecondsAtMost) {
    test::run_coro(times_out());
}

asio::awaitable<void> answers_metrics(const HttpExchange&, HttpResponseWriter& writer) {
    HttpResponse response;
    response.body = "metrics";
    co_await writer.respond(std::move(response));
}
asio::awaitable<void> over_http() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(201, kAlice);
    f.server.reply(201, kAllowed);
    const auto authorizer = std::make_shared<RequestAuthorizer>(executor, f.client, f.clock);
    auto [client, server] = test::make_memory_stream_pair(executor);
    co_await client->write(
        "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
        "GET /metrics HTTP/1.1\r\nHost: h\r\nAuthorization: bearer t\r\n\r\n");
    client->shut_down_write();
    co_await serve_http(f.clock, *server, require_authorization(authorizer, answers_metrics), {}, {});
    const std::string answers = co_await client->read_to_end();
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 401 ")) << answers;
    EXPECT_TRUE(answers.contains("WWW-Authenticate: Bearer\r\n")) << answers;
    EXPECT_TRUE(answers.contains("HTTP/1.1 200 ")) << answers;
    EXPECT_TRUE(answers.ends_with("metrics")) << answers;
}
TEST(MetricsAuth, StandsBeforeAHandler) {
    test::run_coro(over_http());
}

TEST(BearerToken, IsReadFromItsHeaderOnly) {
    const auto token = [](const std::string& value) {
        HttpHeaders headers;
        headers.set("Authorization", value);
        return std::string(bearer_token(headers));
    };
    EXPECT_EQ(token("Bearer abc"), "abc");
    EXPECT_EQ(token("bearer  abc "), "abc");
    for (const char* value : {"", "Bearer", "Bearer ", "Bearer   ", "Basic abc", "Bearerabc", "Token abc"}) {
        EXPECT_EQ(token(value), "") << value;
    }
    EXPECT_EQ(bearer_token(HttpHeaders()), "");
}

TEST(ReviewCache, IsBoundedAndForgets) {
    ReviewCache<int> cache;
    const SteadyTime now(std::chrono::hours(1));
    for (int i = 0; i < 2000; ++i) cache.insert(std::to_string(i), i, now + seconds(10));
    EXPECT_EQ(cache.find("0", now), nullptr);
    ASSERT_NE(cache.find("1999", now), nullptr);
    EXPECT_EQ(*cache.find("1999", now), 1999);
    EXPECT_EQ(cache.find("1999", now + seconds(10)), nullptr);
}

}  // namespace
}  // namespace kube
