#include "kube/runtime/events.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::minutes;

struct Fixture {
    explicit Fixture(asio::any_io_executor executor)
        : server(executor, clock),
          client(server.transport(), clock, {.user_agent = "test", .field_manager = {}, .path_prefix = {}}),
          events(executor, client, clock, "endoscope.dev/operator", "host_1") {}
    test::ManualClock clock;
    test::ScriptedServer server;
    Client client;
    EventRecorder events;
    std::stop_source stop;
};

Event denied(const std::string& note, const std::string& version = "1") {
    Event event;
    event.regarding = {.api_version = "endoscope.dev/v1alpha1",
                       .kind = "DebugRequest",
                       .ns = "prod",
                       .name = "r",
                       .uid = "u",
                       .resource_version = version,
                       .field_path = {}};
    event.type = EventType::warning;
    event.reason = "ImageNotAllowed";
    event.action = "Judge";
    event.note = note;
    return event;
}

asio::awaitable<void> folds_series() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 5; ++i) f.server.reply(201, "{}");
    test::spawn(executor, f.events.run(f.stop.get_token()));
    f.events.record(denied("one", "1"));
    f.events.record(denied("two", "2"));
    for (int i = 0; i < 50; ++i) f.events.record(denied("note " + std::to_string(i), std::to_string(i)));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 2U) << "one create and one series, however many notes and versions";
    EXPECT_TRUE(f.server.requests()[0].starts_with("POST /apis/events.k8s.io/v1/namespaces/prod/events"));
    EXPECT_TRUE(f.server.requests()[1].starts_with("PATCH /apis/events.k8s.io/v1/namespaces/prod/events/r."));
    const auto created = nlohmann::json::parse(f.server.received()[0].body);
    EXPECT_EQ(created["type"], "Warning");
    EXPECT_EQ(created["regarding"]["uid"], "u");
    EXPECT_EQ(created["eventTime"].get<std::string>().size(), std::string("2026-01-02T03:04:05.000000Z").size());
    f.clock.advance(minutes(2));
    f.events.record(denied("later"));
    co_await test::settle();
    EXPECT_EQ(nlohmann::json::parse(f.server.received().back().body)["series"]["count"], 53);
    f.clock.advance(minutes(7));
    f.events.record(denied("news again"));
    co_await test::settle();
    EXPECT_TRUE(f.server.requests().back().starts_with("POST"));
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Events, EqualEventsBecomeASeries) {
    test::run_coro(folds_series());
}

asio::awaitable<void> recreates_expired() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(201, "{}");
    f.server.reply(404, R"({"kind":"Status","reason":"NotFound","message":"gone"})");
    f.server.reply(201, "{}");
    test::spawn(executor, f.events.run(f.stop.get_token()));
    f.events.record(denied("one"));
    co_await test::settle();
    f.events.record(denied("two"));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 3U);
    EXPECT_TRUE(f.server.requests().back().starts_with("POST"));
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Events, AnEventThatExpiredOnTheServerIsWrittenAnew) {
    test::run_coro(recreates_expired());
}

asio::awaitable<void> is_bounded() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 1500; ++i) f.events.record(denied("x"));
    EXPECT_EQ(f.events.dropped(), 500U);
    co_return;
}
TEST(Events, TheQueueIsBounded) {
    test::run_coro(is_bounded());
}

asio::awaitable<void> flushes() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(201, "{}");
    f.events.record(denied("last words"));
    f.stop.request_stop();
    co_await f.events.run(f.stop.get_token());
    EXPECT_EQ(f.server.requests().size(), 1U);
}
TEST(Events, WhatIsQueuedAtAStopIsStillWritten) {
    test::run_coro(flushes());
}

TEST(Events, NotesAreCutOnACharacterBoundary) {
    EXPECT_EQ(cut_utf8("abc", 3), "abc");
    EXPECT_EQ(cut_utf8("ab\xc3\xa9", 3), "ab");
    EXPECT_EQ(cut_utf8("\xf0\x9f\x94\x8d", 3), "");
    EXPECT_EQ(cut_utf8(std::string(2000, 'x'), 1024).size(), 1024U);
}

}  // namespace
}  // namespace kube
