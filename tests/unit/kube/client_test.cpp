#include "kube/client/client.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

ClientOptions options() {
    ClientOptions options;
    options.user_agent = "test/1";
    options.field_manager = "tester";
    return options;
}

HttpHeaders retry_after(const std::string& value) {
    HttpHeaders headers;
    headers.set("Retry-After", value);
    return headers;
}

ApiRequest get(std::string path) {
    ApiRequest request;
    request.path = std::move(path);
    return request;
}

ApiRequest post(bool idempotent) {
    ApiRequest request;
    request.method = "POST";
    request.path = "/things";
    request.body = "{}";
    request.idempotent = idempotent;
    return request;
}

/// Starts a call beside the caller, which then moves the clock.
asio::awaitable<void> call(Client& client, ApiRequest request, std::optional<Result<std::string>>& result,
                           std::stop_token stop = {}) {
    auto answer = co_await client.call(std::move(request), stop);
    result = std::move(answer);
}

asio::awaitable<void> reuses_connections() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    for (int i = 0; i < 3; ++i) server.reply(200, "{\"n\":" + std::to_string(i) + "}");
    for (int i = 0; i < 3; ++i) {
        const auto body = co_await client.call(get("/x"));
        EXPECT_TRUE(body);
        if (body) EXPECT_EQ(*body, "{\"n\":" + std::to_string(i) + "}");
    }
    EXPECT_EQ(server.connections(), 1);
    clock.advance(seconds(61));  // the API server would close it at 90 s
    server.reply(200, "{}");
    co_await client.call(get("/x"));
    EXPECT_EQ(server.connections(), 2);
    EXPECT_EQ(server.received()[0].headers.get("User-Agent"), "test/1");
}
TEST(Client, KeepsConnectionsUntilTheyGetOld) {
    test::run_coro(reuses_connections());
}

asio::awaitable<void> encodes_queries() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    ClientOptions with_prefix = options();
    with_prefix.path_prefix = "/k8s";
    Client client(server.transport(), clock, with_prefix, make_token_credentials(make_static_token("secret")));
    server.reply(200, "{}");
    server.reply(201, "{}");
    ApiRequest list = get("/pods");
    list.query = {{"fieldSelector", "metadata.name=a b&c"}};
    co_await client.call(std::move(list));
    co_await client.call(post(false));
    EXPECT_EQ(server.requests()[0], "GET /k8s/pods?fieldSelector=metadata.name%3Da%20b%26c");
    EXPECT_EQ(server.requests()[1], "POST /k8s/things?fieldManager=tester");
    EXPECT_EQ(server.received()[0].headers.get("Authorization"), "Bearer secret");
    EXPECT_EQ(server.received()[1].headers.get("Content-Type"), "application/json");
}
TEST(Client, EncodesQueriesAndNamesItsFieldManager) {
    test::run_coro(encodes_queries());
}

asio::awaitable<void> stale_connection() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.reply(200, "{}");
    co_await client.call(get("/x"));
    server.drop();            // the server had closed the idle connection
    server.reply(201, "{}");  // a fresh one serves the write
    const auto written = co_await client.call(post(false));
    EXPECT_TRUE(written);
    EXPECT_EQ(server.connections(), 2);
}
TEST(Client, AStaleConnectionIsNotAnError) {
    test::run_coro(stale_connection());
}

asio::awaitable<void> broken_connection() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.drop();
    const auto refused = co_await client.call(post(false));
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_EQ(refused.error().kind, ErrorKind::transport);
    EXPECT_EQ(server.requests().size(), 1U) << "a write that may have happened is not repeated";
    for (const bool read : {true, false}) {
        Client fresh(server.transport(), clock, options());  // without a pooled connection that could be stale
        server.drop();
        server.reply(200, "{}");
        std::optional<Result<std::string>> result;
        test::spawn(executor, call(fresh, read ? get("/x") : post(true), result));
        co_await test::settle();
        EXPECT_FALSE(result);
        clock.advance(seconds(1));
        co_await test::settle();
        EXPECT_TRUE(result && *result);
    }
}
TEST(Client, RepeatsOnlyWhatMayBeRepeated) {
    test::run_coro(broken_connection());
}

asio::awaitable<void> honours_retry_after() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.reply(429, "{}", retry_after("3"));
    server.reply(503, "{}", retry_after("1"));
    server.reply(200, "{}");
    std::optional<Result<std::string>> result;
    test::spawn(executor, call(client, post(false), result));
    co_await test::settle();
    clock.advance(std::chrono::milliseconds(2999));
    co_await test::settle();
    EXPECT_EQ(server.requests().size(), 1U);
    clock.advance(std::chrono::milliseconds(1));
    co_await test::settle();
    EXPECT_EQ(server.requests().size(), 2U);
    clock.advance(seconds(1));
    co_await test::settle();
    EXPECT_TRUE(result && *result);
}
TEST(Client, WaitsExactlyAsLongAsTheServerAsks) {
    test::run_coro(honours_retry_after());
}

asio::awaitable<void> gives_up() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.reply(500, R"({"kind":"Status","message":"boom"})");  // no Retry-After: told at once
    const auto failed = co_await client.call(get("/x"));
    EXPECT_FALSE(failed);
    if (!failed) EXPECT_EQ(failed.error().message, "boom");
    for (int i = 0; i < 20; ++i) server.reply(429, "{}", retry_after("1"));
    std::optional<Result<std::string>> result;
    test::spawn(executor, call(client, get("/x"), result));
    for (int i = 0; i < 15 && !result; ++i) {
        co_await test::settle();
        clock.advance(seconds(1));
    }
    EXPECT_TRUE(result && !*result && result->error().kind == ErrorKind::too_many_requests);
    EXPECT_EQ(server.requests().size(), 11U);
}
TEST(Client, RetriesAreBounded) {
    test::run_coro(gives_up());
}

asio::awaitable<void> deadline() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.stream_open({"{"});
    std::optional<Result<std::string>> result;
    test::spawn(executor, call(client, post(false), result));
    co_await test::settle();
    clock.advance(seconds(31));
    co_await test::settle();
    EXPECT_TRUE(result && !*result && result->error().kind == ErrorKind::timeout);
}
TEST(Client, ASilentServerIsGivenUp) {
    test::run_coro(deadline());
}

asio::awaitable<void> stops_at_once() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    for (const bool while_waiting : {true, false}) {
        if (while_waiting) {
            server.reply(429, "{}", retry_after("30"));
        } else {
            server.stream_open({"{"});
        }
        std::stop_source stop;
        std::optional<Result<std::string>> result;
        test::spawn(executor, call(client, get("/x"), result, stop.get_token()));
        co_await test::settle();
        EXPECT_FALSE(result);
        stop.request_stop();
        co_await test::settle();
        EXPECT_TRUE(result && !*result && result->error().kind == ErrorKind::cancelled);
    }
}
TEST(Client, AStopWinsOverEverything) {
    test::run_coro(stops_at_once());
}

TEST(TokenSource, AFileIsReadAgainAfterFiftySecondsOrARefusal) {
    test::ManualClock clock;
    Result<std::string> content = " one\n";
    int reads = 0;
    const auto token = make_file_token(clock, [&]() -> Result<std::string> {
        ++reads;
        return content;
    });
    EXPECT_EQ(token->token(), "one");
    content = "two";
    EXPECT_EQ(token->token(), "one");
    clock.advance(seconds(51));
    EXPECT_EQ(token->token(), "two");
    content = "three";
    token->reject(clock.steady_now());
    EXPECT_EQ(token->token(), "three");
    content = fail(ErrorKind::config, "gone");
    clock.advance(seconds(51));
    EXPECT_EQ(token->token(), "three") << "the last good token stays";
    content = " \n";
    clock.advance(seconds(51));
    EXPECT_EQ(token->token(), "three");
    EXPECT_EQ(reads, 5);
}

}  // namespace
}  // namespace kube
