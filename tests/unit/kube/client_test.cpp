#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/unit/kube/client_calls.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;
using test::call;
using test::get;
using test::options;
using test::post;
using test::retry_after;

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
    EXPECT_EQ(server.received()[0].headers.get("Accept-Encoding"), "") << "nothing here can unpack";
    EXPECT_EQ(server.received()[1].headers.get("Content-Type"), "application/json");
}
TEST(Client, EncodesQueriesAndNamesItsFieldManager) {
    test::run_coro(encodes_queries());
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
