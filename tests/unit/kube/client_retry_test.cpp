#include "tests/support/captured_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/unit/kube/client_calls.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::call;
using test::get;
using test::options;
using test::post;
using test::retry_after;

/// What an observer was told, one line for each call.
class Recorder final : public RequestObserver {
  public:
    void on_request(std::string_view method, std::string_view, std::string_view code, Duration) override {
        add(method, "request", code);
    }
    void on_retry(std::string_view method, std::string_view, std::string_view code) override {
        add(method, "retry", code);
    }
    void on_request_size(std::string_view method, std::string_view, std::size_t bytes) override {
        add(method, "sent", std::to_string(bytes));
    }
    void on_response_size(std::string_view method, std::string_view, std::size_t bytes) override {
        add(method, "received", std::to_string(bytes));
    }
    void on_rate_limited(std::string_view method, std::string_view, Duration waited) override {
        add(method, "waited", std::to_string(std::chrono::duration_cast<milliseconds>(waited).count()));
    }
    std::string told;

  private:
    void add(std::string_view method, std::string_view what, std::string_view value) {
        told.append(method).append(" ").append(what).append(" ").append(value).append("\n");
    }
};

struct Fixture {
    explicit Fixture(asio::any_io_executor executor_in, ClientOptions with = options())
        : executor(executor_in), server(executor, clock), client(server.transport(), clock, with) {}

    /// Starts a call and lets it go as far as it can.
    asio::awaitable<void> start(ApiRequest request) {
        result.reset();
        test::spawn(executor, call(client, std::move(request), result, stop.get_token()));
        co_await test::settle();
    }
    asio::awaitable<void> pass(Duration time) {
        clock.advance(time);
        co_await test::settle();
    }
    bool failed_with(ErrorKind kind) const { return result && !*result && result->error().kind == kind; }

    asio::any_io_executor executor;
    test::ManualClock clock;
    test::ScriptedServer server;
    Client client;
    std::stop_source stop;
    std::optional<Result<std::string>> result;
};

asio::awaitable<void> idle_connections() {
    ClientOptions short_lived = options();
    short_lived.max_idle = seconds(60);
    Fixture f(co_await asio::this_coro::executor, short_lived);
    f.server.reply(200, "{}");
    co_await f.client.call(get("/x"));
    EXPECT_EQ(f.client.idle_connections(), 1U);
    co_await f.pass(seconds(59));
    EXPECT_EQ(f.client.idle_connections(), 1U);
    f.server.reply(200, "{}");
    co_await f.client.call(get("/x"));
    co_await f.pass(seconds(59));
    EXPECT_EQ(f.client.idle_connections(), 1U) << "it was used in between";
    co_await f.pass(seconds(1));
    EXPECT_EQ(f.client.idle_connections(), 0U) << "nothing asks for it, and it is closed all the same";
    EXPECT_EQ(f.server.connections(), 1);
}
TEST(ClientRetry, AnIdleConnectionIsClosedWithoutAnotherCall) {
    test::run_coro(idle_connections());
}

asio::awaitable<void> stale_connection() {
    Fixture f(co_await asio::this_coro::executor);
    for (const bool read : {true, false}) {
        f.server.reply(200, "{}");
        co_await f.client.call(get("/x"));
        f.server.drop();            // the server had closed the idle connection
        f.server.reply(200, "{}");  // a fresh one serves the request
        const auto body = co_await f.client.call(read ? get("/x") : post(true));
        EXPECT_TRUE(body);
    }
    EXPECT_EQ(f.server.connections(), 3);
}
TEST(ClientRetry, AStaleConnectionIsNotAnError) {
    test::run_coro(stale_connection());
}

asio::awaitable<void> stale_connection_and_write() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(200, "{}");
    co_await f.client.call(get("/x"));
    f.server.drop();
    const auto written = co_await f.client.call(post(false));
    EXPECT_FALSE(written);
    if (!written) EXPECT_EQ(written.error().kind, ErrorKind::transport);
    EXPECT_EQ(f.server.requests().size(), 2U);
}
TEST(ClientRetry, AWriteThatMayHaveHappenedIsNotRepeatedOnAStaleConnectionEither) {
    test::run_coro(stale_connection_and_write());
}

asio::awaitable<void> stale_only_once() {
    ClientOptions one_attempt = options();
    one_attempt.max_attempts = 1;
    Fixture f(co_await asio::this_coro::executor, one_attempt);
    f.server.reply(200, "{}");
    co_await f.client.call(get("/x"));
    f.server.drop();
    f.server.drop();
    f.server.reply(200, "{}");
    const auto body = co_await f.client.call(get("/x"));
    EXPECT_FALSE(body);
    EXPECT_EQ(f.server.requests().size(), 3U);
}
TEST(ClientRetry, AFreshConnectionIsNeverStale) {
    test::run_coro(stale_only_once());
}

asio::awaitable<void> broken_connection() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.drop();
    const auto refused = co_await f.client.call(post(false));
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_EQ(refused.error().kind, ErrorKind::transport);
    EXPECT_EQ(f.server.requests().size(), 1U) << "a write that may have happened is not repeated";
    for (const bool read : {true, false}) {
        Fixture fresh(f.executor);  // without a pooled connection that could be stale
        fresh.server.drop();
        fresh.server.reply(200, "{}");
        co_await fresh.start(read ? get("/x") : post(true));
        EXPECT_FALSE(fresh.result);
        co_await fresh.pass(seconds(1));
        EXPECT_TRUE(fresh.result && *fresh.result);
    }
}
TEST(ClientRetry, RepeatsOnlyWhatMayBeRepeated) {
    test::run_coro(broken_connection());
}

asio::awaitable<void> honours_retry_after() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(429, "{}", retry_after("3"));
    f.server.reply(503, "{}", retry_after("1"));
    f.server.reply(200, "{}");
    co_await f.start(post(false));
    co_await f.pass(milliseconds(2999));
    EXPECT_EQ(f.server.requests().size(), 1U) << "never earlier than asked";
    co_await f.pass(milliseconds(301));
    EXPECT_EQ(f.server.requests().size(), 2U) << "and at most a tenth later";
    co_await f.pass(milliseconds(1100));
    EXPECT_TRUE(f.result && *f.result);
}
TEST(ClientRetry, WaitsAsLongAsTheServerAsksAndHardlyLonger) {
    test::run_coro(honours_retry_after());
}

TEST(RetryPolicy, OnlyWholeSecondsThatAreNotTooMany) {
    RetryPolicy policy(1);
    Error error;
    error.kind = ErrorKind::server;
    for (const int status : {429, 500, 503, 504}) {
        error.http_status = status;
        error.retry_after.reset();
        EXPECT_FALSE(policy.delay(error, true)) << status;
        error.retry_after = seconds(60);
        EXPECT_TRUE(policy.delay(error, false)) << status;
        error.retry_after = seconds(61);
        EXPECT_FALSE(policy.delay(error, true)) << status;
        error.retry_after = seconds(0);
        EXPECT_EQ(policy.delay(error, false), Duration::zero()) << status;
    }
    for (const int status : {400, 404, 409, 422}) {
        error.http_status = status;
        EXPECT_FALSE(policy.delay(error, true)) << status;
    }
}

TEST(RetryPolicy, JitterOnlyDelays) {
    RetryPolicy policy(1);
    Error error;
    error.http_status = 429;
    error.retry_after = seconds(10);
    Duration least = seconds(100);
    Duration most{};
    for (int i = 0; i < 200; ++i) {
        const auto delay = policy.delay(error, false);
        ASSERT_TRUE(delay);
        least = std::min(least, *delay);
        most = std::max(most, *delay);
    }
    EXPECT_GE(least, seconds(10));
    EXPECT_LE(most, seconds(11));
    EXPECT_GT(most - least, milliseconds(500));
}

asio::awaitable<void> gives_up() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(500, R"({"kind":"Status","message":"boom"})");  // no Retry-After: told at once
    const auto failed = co_await f.client.call(get("/x"));
    EXPECT_FALSE(failed);
    if (!failed) EXPECT_EQ(failed.error().message, "boom");
    for (int i = 0; i < 20; ++i) f.server.reply(429, "{}", retry_after("1"));
    co_await f.start(get("/x"));
    for (int i = 0; i < 15 && !f.result; ++i) co_await f.pass(milliseconds(1100));
    EXPECT_TRUE(f.failed_with(ErrorKind::too_many_requests));
    EXPECT_EQ(f.server.requests().size(), 11U);
}
TEST(ClientRetry, RetriesAreBounded) {
    test::run_coro(gives_up());
}

asio::awaitable<void> tells_the_attempt_before() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(429, R"({"kind":"Status","message":"busy"})", retry_after("1"));
    f.server.reply(403, R"({"kind":"Status","message":"no"})");
    co_await f.start(get("/x"));
    co_await f.pass(milliseconds(1100));
    EXPECT_TRUE(f.failed_with(ErrorKind::forbidden));
    if (f.result && !*f.result) EXPECT_EQ(f.result->error().message, "no; the attempt before: busy");
    f.server.reply(429, R"({"kind":"Status","message":"busy"})", retry_after("30"));
    co_await f.start(get("/x"));
    f.stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(f.failed_with(ErrorKind::cancelled));
    if (f.result && !*f.result) EXPECT_EQ(f.result->error().message, "GET /x: stopped; the attempt before: busy");
}
TEST(ClientRetry, TheFinalErrorTellsTheAttemptBefore) {
    test::run_coro(tells_the_attempt_before());
}

asio::awaitable<void> shutting_down_server() {
    Fixture f(co_await asio::this_coro::executor);
    HttpHeaders leaving = retry_after("5");
    leaving.set("Connection", "close");
    f.server.reply(429, "{}", std::move(leaving));
    f.server.reply(200, "{}");
    co_await f.start(get("/x"));
    EXPECT_EQ(f.client.idle_connections(), 0U);
    co_await f.pass(milliseconds(5500));
    EXPECT_TRUE(f.result && *f.result);
    EXPECT_EQ(f.server.connections(), 2);
}
TEST(ClientRetry, AServerThatShutsDownIsLeftAndTriedAgain) {
    test::run_coro(shutting_down_server());
}

asio::awaitable<void> rate_limited() {
    ClientOptions slow = options();
    slow.qps = 0.5;
    slow.burst = 1;
    Recorder recorder;
    slow.observer = &recorder;
    Fixture f(co_await asio::this_coro::executor, slow);
    f.server.reply(429, "{}", retry_after("0"));
    f.server.reply(200, "{}");
    test::CapturedLog captured(log::Level::info);
    co_await f.start(post(false));
    co_await f.pass(seconds(0));  // what `Retry-After` asks for
    EXPECT_EQ(f.server.requests().size(), 1U) << "the retry waits for a token as well";
    co_await f.pass(seconds(2));
    EXPECT_TRUE(f.result && *f.result);
    EXPECT_EQ(recorder.told,
              "POST waited 0\nPOST request 429\nPOST sent 2\nPOST retry 429\n"
              "POST waited 2000\nPOST request 200\nPOST sent 2\nPOST received 2\n");
    EXPECT_TRUE(captured.text().contains("held back by the client's own rate limit method=POST path=/things"));
    co_await f.start(get("/x"));
    EXPECT_FALSE(f.result);
    f.server.stream({"{}\n"});
    auto watch = co_await f.client.watch(get("/x"), seconds(60), {});
    EXPECT_TRUE(watch) << "watches are exempt";
    ApiRequest lease = get("/lease");
    lease.priority = RequestPriority::exempt;
    f.server.reply(200, "{}");
    const auto renewed = co_await f.client.call(std::move(lease));
    EXPECT_TRUE(renewed);
    f.stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(f.failed_with(ErrorKind::cancelled));
}
TEST(ClientRetry, EveryAttemptPassesTheRateLimit) {
    test::run_coro(rate_limited());
}

asio::awaitable<void> a_write_that_was_sent_is_not_called_cancelled() {
    Fixture f(co_await asio::this_coro::executor);
    bool may = false;
    auto write = post(true);
    write.may_send = [&may] { return may; };
    co_await f.start(write);
    EXPECT_TRUE(f.failed_with(ErrorKind::cancelled)) << "nothing was sent";
    may = true;
    f.server.drop();
    co_await f.start(write);
    may = false;
    co_await f.pass(seconds(3));
    EXPECT_TRUE(f.failed_with(ErrorKind::transport)) << "the first attempt may have been carried out";
    EXPECT_EQ(f.server.requests().size(), 1U);
    co_await test::settle();
}

asio::awaitable<void> a_write_on_a_stale_connection_is_not_called_cancelled() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(200, "{}");
    co_await f.client.call(get("/x"));
    f.server.drop();  // perhaps after it was carried out
    int asked = 0;
    auto write = post(true);
    write.may_send = [&asked] { return ++asked == 1; };
    const auto written = co_await f.client.call(write);
    EXPECT_EQ(f.server.requests().size(), 2U);
    EXPECT_EQ(asked, 2);
    EXPECT_FALSE(written);
    if (!written) EXPECT_EQ(written.error().kind, ErrorKind::transport);
}
TEST(ClientRetry, AWriteOnAStaleConnectionIsNotCalledCancelled) {
    test::run_coro(a_write_on_a_stale_connection_is_not_called_cancelled());
}

TEST(ClientRetry, AWriteThatWasSentIsNotCalledCancelled) {
    test::run_coro(a_write_that_was_sent_is_not_called_cancelled());
}

}  // namespace
}  // namespace kube
