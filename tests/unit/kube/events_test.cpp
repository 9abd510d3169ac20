#include "kube/runtime/events.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::minutes;

struct CountDrops final : EventObserver {
    void on_dropped(std::string_view why) override { ++counts[std::string(why)]; }
    std::map<std::string, int> counts;
};

struct Fixture {
    explicit Fixture(asio::any_io_executor executor)
        : server(executor, clock),
          client(server.transport(), clock, {.user_agent = "test", .field_manager = {}, .path_prefix = {}}),
          events(executor, client, clock,
                 {.controller = "endoscope.dev/operator", .instance = "host_1", .seed = 7, .observer = &observer}) {}
    test::ManualClock clock;
    test::ScriptedServer server;
    Client client;
    CountDrops observer;
    EventRecorder events;
    std::stop_source stop;
};

nlohmann::json body_of(const Fixture& f, std::size_t request) {
    return nlohmann::json::parse(f.server.received().at(request).body);
}

/// Lets time pass minute by minute, so that what becomes due is also written.
asio::awaitable<void> pass(Fixture& f, minutes time) {
    for (minutes passed{0}; passed < time; ++passed) {
        f.clock.advance(minutes(1));
        co_await test::settle();
    }
}

asio::awaitable<void> end(Fixture& f) {
    f.stop.request_stop();
    co_await test::settle();
    // What was tried in vain ends with the time for it.
    f.clock.advance(std::chrono::seconds(5));
    co_await test::settle();
}

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
    co_await test::settle();
    f.events.record(denied("two", "2"));
    co_await test::settle();
    for (int i = 0; i < 50; ++i) f.events.record(denied("note " + std::to_string(i), std::to_string(i)));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 2U) << "one create and one series, however many notes and versions";
    EXPECT_TRUE(f.server.requests()[0].starts_with("POST /apis/events.k8s.io/v1/namespaces/prod/events"));
    EXPECT_TRUE(f.server.requests()[1].starts_with("PATCH /apis/events.k8s.io/v1/namespaces/prod/events/r."));
    const auto created = body_of(f, 0);
    EXPECT_EQ(created["type"], "Warning");
    EXPECT_EQ(created["regarding"]["uid"], "u");
    EXPECT_EQ(created["note"], "one");
    EXPECT_EQ(created["eventTime"], "2026-01-02T03:04:05.000000Z");
    EXPECT_FALSE(created.contains("series"));
    EXPECT_EQ(body_of(f, 1)["series"]["count"], 2);
    EXPECT_EQ(body_of(f, 1)["series"]["lastObservedTime"], "2026-01-02T03:04:05.000000Z");
    co_await pass(f, minutes(5));
    EXPECT_EQ(f.server.requests().size(), 2U) << "later ones only count";
    co_await pass(f, minutes(1));
    EXPECT_EQ(f.server.requests().size(), 3U) << "silent for six minutes";
    EXPECT_EQ(body_of(f, 2), R"({"series":{"count":52,"lastObservedTime":"2026-01-02T03:04:05.000000Z"}})"_json);
    f.events.record(denied("news again"));
    co_await test::settle();
    EXPECT_TRUE(f.server.requests().back().starts_with("POST"));
    co_await end(f);
}
TEST(Events, EqualEventsBecomeASeriesThatIsWrittenOnceMoreWhenItEnds) {
    test::run_coro(folds_series());
}

asio::awaitable<void> refreshes() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 9; ++i) f.server.reply(201, "{}");
    test::spawn(executor, f.events.run(f.stop.get_token()));
    for (int minute = 0; minute < 65; ++minute) {
        f.events.record(denied("still"));
        co_await pass(f, minutes(1));
    }
    EXPECT_EQ(f.server.requests().size(), 4U) << "create, series, and every 30 minutes";
    EXPECT_GT(body_of(f, 3)["series"]["count"], body_of(f, 2)["series"]["count"]);
    co_await end(f);
    EXPECT_EQ(f.server.requests().size(), 5U);
    EXPECT_EQ(body_of(f, 4)["series"]["count"], 65) << "the last count is written at the end";
}
TEST(Events, ASeriesThatGoesOnIsWrittenEveryHalfHour) {
    test::run_coro(refreshes());
}

asio::awaitable<void> repeats_before_the_create() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(201, "{}");
    for (int i = 0; i < 3; ++i) f.events.record(denied("x"));
    test::spawn(executor, f.events.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 1U);
    EXPECT_EQ(body_of(f, 0)["series"]["count"], 3);
    co_await end(f);
}
TEST(Events, WhatWasRepeatedBeforeItWasCreatedIsCreatedAsASeries) {
    test::run_coro(repeats_before_the_create());
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
    EXPECT_NE(body_of(f, 2)["metadata"]["name"], body_of(f, 0)["metadata"]["name"]);
    EXPECT_EQ(body_of(f, 2)["series"]["count"], 2);
    EXPECT_EQ(f.events.dropped(), 0U);
    co_await end(f);
}
TEST(Events, AnEventThatExpiredOnTheServerIsWrittenAnew) {
    test::run_coro(recreates_expired());
}

Event about(const std::string& name, const std::string& reason = "ImageNotAllowed") {
    Event event = denied("x");
    event.regarding.name = name;
    event.regarding.uid = name;
    event.reason = reason;
    return event;
}

asio::awaitable<void> is_bounded() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 1500; ++i) f.events.record(about("r" + std::to_string(i)));
    EXPECT_EQ(f.events.dropped(), 500U);
    EXPECT_EQ(f.observer.counts["queue_full"], 500);
    co_return;
}
TEST(Events, TheQueueIsBounded) {
    test::run_coro(is_bounded());
}

asio::awaitable<void> guards_against_spam() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 100; ++i) f.server.reply(201, "{}");
    test::spawn(executor, f.events.run(f.stop.get_token()));
    for (int i = 0; i < 40; ++i) f.events.record(about("noisy", "Reason" + std::to_string(i)));
    f.events.record(about("quiet"));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 26U) << "25 of the one, and the other's";
    EXPECT_EQ(f.observer.counts["spam"], 15);
    co_await pass(f, minutes(5));
    f.events.record(about("noisy", "Later"));
    f.events.record(about("noisy", "TooSoon"));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 27U);
    co_await end(f);
}
TEST(Events, AnObjectMayCauseTwentyFiveAndThenOneInFiveMinutes) {
    test::run_coro(guards_against_spam());
}

asio::awaitable<void> retries() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 11; ++i) f.server.reply(500, R"({"kind":"Status","message":"no"})");
    f.server.reply(201, "{}");
    test::spawn(executor, f.events.run(f.stop.get_token()));
    f.events.record(denied("x"));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 1U);
    for (int i = 0; i < 11; ++i) {
        f.clock.advance(std::chrono::seconds(10));
        co_await test::settle();
    }
    EXPECT_EQ(f.server.requests().size(), 12U);
    EXPECT_EQ(f.events.dropped(), 0U);
    // The next one is given up after twelve times: the script is over, and everything is answered 500.
    f.events.record(about("other"));
    for (int i = 0; i < 20; ++i) {
        co_await test::settle();
        f.clock.advance(std::chrono::seconds(10));
    }
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 24U);
    EXPECT_EQ(f.observer.counts["unreachable"], 1);
    co_await end(f);
}
TEST(Events, AnApiServerThatIsAwayIsTriedTwelveTimes) {
    test::run_coro(retries());
}

asio::awaitable<void> refused(int status, std::string body) {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(status, body);
    f.server.reply(201, "{}");
    test::spawn(executor, f.events.run(f.stop.get_token()));
    f.events.record(denied("x"));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 1U) << "what is refused once is refused again";
    EXPECT_EQ(f.observer.counts["refused"], 1);
    f.events.record(denied("x"));
    co_await test::settle();
    EXPECT_EQ(f.server.requests().size(), 2U);
    EXPECT_TRUE(f.server.requests().back().starts_with("POST")) << "there is nothing yet that could be patched";
    co_await end(f);
}
TEST(Events, WhatTheServerRefusesIsDropped) {
    test::run_coro(refused(422, R"({"kind":"Status","reason":"Invalid","message":"no"})"));
    test::run_coro(refused(403, R"({"kind":"Status","reason":"Forbidden","message":"no"})"));
}
TEST(Events, ANamespaceThatGoesAwayTakesNoEventsAndThatIsQuiet) {
    testing::internal::CaptureStderr();
    test::run_coro(refused(403, R"({"kind":"Status","reason":"Forbidden","message":"terminating",
        "details":{"causes":[{"reason":"NamespaceTerminating","message":"m"}]}})"));
    EXPECT_FALSE(testing::internal::GetCapturedStderr().contains("event not written"));
}

asio::awaitable<void> stops_between() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    Event event = about(std::string(240, 'a') + "-" + std::string(10, 'b'));
    event.regarding.ns = "";
    event.note = std::string(1023, 'x') + "\xc3\xa9";
    event.reason = std::string(200, 'R');
    f.server.reply(201, "{}");
    f.events.record(event);
    f.stop.request_stop();
    co_await f.events.run(f.stop.get_token());
    const auto created = body_of(f, 0);
    EXPECT_TRUE(f.server.requests()[0].starts_with("POST /apis/events.k8s.io/v1/namespaces/default/events"));
    EXPECT_EQ(created["metadata"]["namespace"], "default") << "cluster-scoped";
    EXPECT_EQ(created["note"].get<std::string>().size(), 1023U);
    EXPECT_EQ(created["reason"].get<std::string>().size(), 128U);
    EXPECT_LE(created["metadata"]["name"].get<std::string>().size(), 253U);
}
TEST(Events, AreCutToWhatTheApiServerTakes) {
    test::run_coro(stops_between());
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

asio::awaitable<void> flush_is_bounded() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.events.record(about("one"));
    f.events.record(about("two"));
    test::spawn(executor, f.events.run(f.stop.get_token()));
    co_await test::settle();
    co_await end(f);
    EXPECT_EQ(f.observer.counts["shutdown"], 2) << "the server answers 500 only";
}
TEST(Events, TheFlushAtTheEndIsBounded) {
    test::run_coro(flush_is_bounded());
}

TEST(Events, NotesAreCutOnACharacterBoundary) {
    EXPECT_EQ(cut_utf8("abc", 3), "abc");
    EXPECT_EQ(cut_utf8("ab\xc3\xa9", 3), "ab");
    EXPECT_EQ(cut_utf8("\xf0\x9f\x94\x8d", 3), "");
    EXPECT_EQ(cut_utf8(std::string(2000, 'x'), 1024).size(), 1024U);
}

TEST(EventCorrelator, RemembersABoundedNumberOfSeriesAndTellsWhatFallsOut) {
    EventCorrelator correlator;
    const EventCorrelator::Instant now{SteadyTime(std::chrono::hours(1)), WallTime(std::chrono::hours(1))};
    const auto first = correlator.observe(about("first"), now).write;
    first->queued = false;
    first->written = 2;
    first->count = 5;
    EventCorrelator::Series evicted;
    for (int i = 0; i < 4096; ++i) {
        const auto decision = correlator.observe(about("r" + std::to_string(i)), now);
        EXPECT_TRUE(decision.write);
        if (decision.evicted) evicted = decision.evicted;
    }
    EXPECT_EQ(evicted, first) << "its count is still to be written";
    EXPECT_TRUE(correlator.observe(about("first"), now).write) << "forgotten";
}

TEST(EventCorrelator, ASweepTakesNoMoreThanThereIsRoomFor) {
    EventCorrelator correlator;
    EventCorrelator::Instant now{SteadyTime(std::chrono::hours(1)), WallTime(std::chrono::hours(1))};
    for (const char* name : {"a", "b", "c"}) {
        const auto series = correlator.observe(about(name), now).write;
        series->queued = false;
        series->written = 1;
        series->count = 3;
    }
    now.steady += minutes(6);
    EXPECT_EQ(correlator.sweep(now.steady, 2).size(), 2U);
    EXPECT_EQ(correlator.sweep(now.steady, 2).size(), 1U);
    EXPECT_TRUE(correlator.empty());
}

}  // namespace
}  // namespace kube
