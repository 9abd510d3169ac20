#include "tests/support/run_coro.hpp"
#include "tests/unit/kube/reflector_fixture.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;
using test::event;
using test::kGone;
using test::object;
using test::page;
using Fixture = test::ReflectorFixture;

std::string end_of_initial_events(const std::string& version) {
    return R"({"type":"BOOKMARK","object":{"kind":"Thing","metadata":{"resourceVersion":")" + version +
           R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})"
           "\n";
}

asio::awaitable<void> one_stream() {
    const auto executor = co_await asio::this_coro::executor;
    const auto support = std::make_shared<WatchListSupport>();
    Fixture f(executor, support);
    f.server.on_next([](const HttpExchange&, HttpResponseWriter& writer) -> asio::awaitable<void> {
        co_await writer.begin(200, {});
        co_await writer.write(event("ADDED", "b", "9") + event("ADDED", "a", "3") + event("ADDED", "gone", "4"));
        co_await writer.write(event("MODIFIED", "a", "8") + event("DELETED", "gone", "10"));
        co_await writer.write(end_of_initial_events("10"));
        co_await writer.write(event("MODIFIED", "b", "11"));
    });
    f.server.stream_open({event("ADDED", "c", "12")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_EQ(f.value("ns/a"), "8");
    EXPECT_EQ(f.value("ns/b"), "11");
    EXPECT_EQ(f.value("ns/gone"), "none");
    EXPECT_EQ(f.changes.size(), 4U);
    EXPECT_TRUE(f.server.requests()[0].starts_with(
        "GET /things?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
        "resourceVersion=&timeoutSeconds="));
    EXPECT_TRUE(f.server.requests()[1].contains("watch=1&allowWatchBookmarks=true&resourceVersion=11&"))
        << "a resumed watch does not ask for the state again";
    EXPECT_EQ(f.value("ns/c"), "12");
    EXPECT_FALSE(support->refused);
    f.stop.request_stop();
    co_await test::settle();
}
TEST(WatchList, TheStateIsTheBeginningOfTheWatch) {
    test::run_coro(one_stream());
}

asio::awaitable<void> swaps_at_the_bookmark() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor, std::make_shared<WatchListSupport>());
    f.server.stream(
        {event("ADDED", "a", "1"), event("ADDED", "b", "2"), end_of_initial_events("5"), std::string(kGone)});
    f.server.stream_open({event("ADDED", "a", "9")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.value("ns/a"), "1") << "half a state replaces nothing";
    EXPECT_EQ(f.value("ns/b"), "2");
    EXPECT_TRUE(f.server.requests()[1].contains("sendInitialEvents=true"));
    f.stop.request_stop();
    co_await test::settle();
}
TEST(WatchList, HalfAStateReplacesNothing) {
    test::run_coro(swaps_at_the_bookmark());
}

asio::awaitable<void> refused(int status) {
    const auto executor = co_await asio::this_coro::executor;
    const auto support = std::make_shared<WatchListSupport>();
    Fixture f(executor, support);
    f.server.reply(status, "{}");
    f.server.reply(200, page({object("a", "1")}, "10"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.server.requests()[1], "GET /things?limit=500&resourceVersion=0") << status;
    EXPECT_EQ(f.value("ns/a"), "1");
    Fixture other(executor, support);
    test::spawn(executor, other.reflector.run(other.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(other.server.requests()[0], "GET /things?limit=500&resourceVersion=0") << "met once for all reflectors";
    f.stop.request_stop();
    other.stop.request_stop();
    co_await test::settle();
}
TEST(WatchList, AServerThatRefusesIsListed) {
    for (const int status : {400, 415, 422}) test::run_coro(refused(status));
}

asio::awaitable<void> bookmark_missing() {
    const auto executor = co_await asio::this_coro::executor;
    const auto support = std::make_shared<WatchListSupport>();
    Fixture f(executor, support);
    f.server.stream_open({event("ADDED", "a", "1")});
    f.server.reply(200, page({object("a", "1")}, "10"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    f.clock.advance(seconds(29));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 1U);
    f.clock.advance(seconds(1));
    co_await test::settle();
    EXPECT_TRUE(support->refused);
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_EQ(f.server.requests()[1], "GET /things?limit=500&resourceVersion=0");
    f.stop.request_stop();
    co_await test::settle();
}
TEST(WatchList, AServerThatNeverEndsTheInitialEventsIsListed) {
    test::run_coro(bookmark_missing());
}

asio::awaitable<void> broken_off() {
    const auto executor = co_await asio::this_coro::executor;
    const auto support = std::make_shared<WatchListSupport>();
    Fixture f(executor, support);
    f.server.stream({event("ADDED", "a", "1")});  // the server shuts down
    f.server.reply(429, "{}");
    f.server.reply(403, "{}");
    f.server.stream_open({event("ADDED", "a", "1"), end_of_initial_events("5")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    for (int i = 0; i < 12; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(1));
    }
    EXPECT_EQ(f.server.requests().size(), 4U);
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_FALSE(support->refused) << "none of this speaks against the feature";
    f.stop.request_stop();
    co_await test::settle();
}
TEST(WatchList, WhatBreaksOffIsBegunAnewAfterABackoff) {
    test::run_coro(broken_off());
}

}  // namespace
}  // namespace kube
