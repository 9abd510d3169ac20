#include "tests/support/captured_log.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/unit/kube/reflector_fixture.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <set>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;
using test::event;
using test::kGone;
using test::object;
using test::page;
using Fixture = test::ReflectorFixture;

asio::awaitable<void> follows_changes() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "1"), object("b", "2")}, "10", "next"));
    f.server.reply(200, page({object("c", "3")}, "10"));
    f.server.stream(
        {event("ADDED", "d", "11"), event("MODIFIED", "a", "12") + event("DELETED", "b", "13"),
         R"({"type":"BOOKMARK","object":{"kind":"Thing","metadata":{"resourceVersion":"20","creationTimestamp":null},"spec":null}})"
         "\n",
         R"({"type":"ADDED","object":)"});  // cut short: dropped, and resumed
    f.server.stream_open({event("ADDED", "e", "21")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    f.clock.advance(seconds(2));
    co_await test::settle();
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_EQ(f.store.size(), 4U);
    EXPECT_EQ(f.value("ns/a"), "12");
    EXPECT_EQ(f.value("ns/b"), "none");
    EXPECT_EQ(f.value("ns/e"), "21");
    EXPECT_EQ(f.reflector.relists(), 1U);
    EXPECT_EQ(f.server.requests()[0], "GET /things?limit=500&resourceVersion=0");
    EXPECT_EQ(f.server.requests()[1], "GET /things?limit=500&continue=next");
    EXPECT_TRUE(f.server.requests()[2].contains("watch=1&allowWatchBookmarks=true&resourceVersion=10"));
    EXPECT_TRUE(f.server.requests()[3].contains("resourceVersion=20")) << "a bookmark moves the position";
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, ListsInPagesWatchesAndResumes) {
    test::run_coro(follows_changes());
}

asio::awaitable<void> begins_with_a_consistent_read() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor, nullptr, true);
    f.server.reply(200, page({object("a", "1")}, "10", "next"));
    f.server.reply(200, page({object("b", "2")}, "10"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.server.requests()[0], "GET /things?limit=500");
    EXPECT_EQ(f.server.requests()[1], "GET /things?limit=500&continue=next");
    EXPECT_TRUE(f.server.requests()[2].contains("&resourceVersion=10"));
    EXPECT_EQ(f.store.size(), 2U);
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, BeginsWithAConsistentReadWhenAskedTo) {
    test::run_coro(begins_with_a_consistent_read());
}

asio::awaitable<void> relists_when_expired() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "1"), object("b", "2")}, "10"));
    f.server.stream({std::string(kGone)});
    f.server.reply(200, page({object("a", "30")}, "31"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.server.requests()[2], "GET /things?limit=500") << "a quorum read, at once";
    EXPECT_EQ(f.value("ns/a"), "30");
    EXPECT_EQ(f.changes.back(), "ns/b 2>-") << "what a list does not hold is deleted, with its last state";
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, AnExpiredWatchListsAnew) {
    test::run_coro(relists_when_expired());
}

asio::awaitable<void> readers_see_whole_states() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "1"), object("b", "2")}, "10"));
    f.server.stream({std::string(kGone)});
    f.server.stream_open({R"({"metadata":{"resourceVersion":"31"},"items":[)" + object("a", "30") + ","});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.store.size(), 2U) << "half a list replaces nothing";
    EXPECT_EQ(f.value("ns/a"), "1");
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, ReplacementIsAtomic) {
    test::run_coro(readers_see_whole_states());
}

asio::awaitable<void> survives_nonsense() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(503, "upstream connect error");
    f.server.reply(200, "not json at all");
    f.server.reply(200, page({}, "10"));
    f.server.stream({"{]\n"});
    f.server.reply(403, R"({"kind":"Status","reason":"Forbidden","message":"no"})");
    f.server.reply(200, R"({"metadata":{"resourceVersion":"12"},"items":null})");
    f.server.stream_open({R"({"type":"SOMETHING","object":{}})"
                          "\n",
                          event("ADDED", "a", "13")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    for (int i = 0; i < 40 && f.value("ns/a") == "none"; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(2));
    }
    co_await test::settle();
    EXPECT_EQ(f.value("ns/a"), "13");
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, SurvivesRefusalsAndNonsense) {
    test::run_coro(survives_nonsense());
}

asio::awaitable<void> notices_a_dead_peer() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({}, "10"));
    f.server.stream_open({});  // never says another word
    f.server.stream_open({event("ADDED", "a", "11")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    f.clock.advance(seconds(616));
    co_await test::settle();
    EXPECT_EQ(f.value("ns/a"), "11");
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, ASilentWatchIsReplacedAfterItsTimeout) {
    test::run_coro(notices_a_dead_peer());
}

asio::awaitable<void> every_page() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    constexpr int kObjects = 1253;
    std::set<std::string> expected;
    for (int first = 0; first < kObjects; first += 500) {
        std::vector<std::string> items;
        for (int i = first; i < std::min(first + 500, kObjects); ++i) {
            items.push_back(object("o" + std::to_string(i), "5"));
            expected.insert("ns/o" + std::to_string(i));
        }
        // Items are older than the list, in no order; the watch starts from the list's own version.
        f.server.reply(200, page(items, "10", first + 500 < kObjects ? "t" + std::to_string(first) : ""));
    }
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    std::set<std::string> keys;
    for (const std::string& change : f.changes) keys.insert(change.substr(0, change.find(' ')));
    EXPECT_EQ(keys, expected);
    EXPECT_EQ(f.store.size(), 1253U);
    EXPECT_EQ(f.server.requests()[2], "GET /things?limit=500&continue=t500");
    EXPECT_TRUE(f.server.requests()[3].contains("resourceVersion=10&"));
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, NoPageIsLostAndTheWatchStartsAtTheListsVersion) {
    test::run_coro(every_page());
}

asio::awaitable<void> token_expires() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "1")}, "10", "token"));
    f.server.reply(410, R"({"kind":"Status","code":410,"reason":"Expired","message":"token expired"})");
    f.server.reply(200, page({object("a", "2"), object("b", "3")}, "20"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.server.requests()[2], "GET /things") << "all in one piece, once and at once";
    EXPECT_EQ(f.value("ns/a"), "2");
    EXPECT_EQ(f.changes.size(), 2U) << "nothing of the list that broke off was told";
    EXPECT_TRUE(f.server.requests()[3].contains("resourceVersion=20&"));
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, FullListIfThePageTokenExpires) {
    test::run_coro(token_expires());
}

asio::awaitable<void> another_server_is_behind() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "90")}, "100"));
    f.server.reply(500, "{}");  // the watch
    f.server.reply(504, R"({"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version: 100, )"
                        R"(current: 50","details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}})");
    f.server.reply(200, page({object("a", "101")}, "102"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    f.clock.advance(seconds(2));
    co_await test::settle();
    EXPECT_EQ(f.server.requests()[2], "GET /things?resourceVersion=100") << "never older than what was seen";
    EXPECT_EQ(f.server.requests()[3], "GET /things?limit=500") << "the most recent state there is";
    EXPECT_EQ(f.value("ns/a"), "101");
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, NeverGoesBackAndFullListIfTooLarge) {
    test::run_coro(another_server_is_behind());
}

asio::awaitable<void> handler_throws() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    int others = 0;
    f.store.on_change([](const std::string& key, const auto&, const auto&) {
        if (key == "ns/bad") throw std::runtime_error("bug");
    });
    f.store.on_change([&others](const std::string&, const auto&, const auto&) { ++others; });
    f.server.reply(200, page({object("bad", "1"), object("a", "2")}, "10"));
    f.server.stream_open({event("MODIFIED", "bad", "11"), event("MODIFIED", "a", "12")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_EQ(others, 4) << "one handler's bug keeps nothing from the others";
    EXPECT_EQ(f.value("ns/bad"), "11");
    EXPECT_EQ(f.reflector.resource_version(), "12");
    EXPECT_EQ(f.observer.sink_errors, 2);
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, GoesOnWhenAHandlerThrows) {
    test::run_coro(handler_throws());
}

asio::awaitable<void> health() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(403, R"({"kind":"Status","reason":"Forbidden","message":"no"})");
    f.server.reply(200, page({object("a", "2")}, "10"));
    f.server.stream({std::string(kGone)});
    f.server.reply(200, page({object("a", "2")}, "30"));
    f.server.stream_open({event("MODIFIED", "a", "31")});
    test::CapturedLog captured(log::Level::info);
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_FALSE(f.observer.synced);
    EXPECT_EQ(f.observer.contacts, 0);
    f.clock.advance(seconds(2));
    co_await test::settle();
    EXPECT_TRUE(f.observer.synced);
    EXPECT_EQ(f.observer.lists, 3);
    EXPECT_EQ(f.observer.contacts, 5) << "two lists, two watches, one event";
    EXPECT_EQ(f.observer.errors, "forbidden gone ");
    const std::string log = captured.text();
    EXPECT_TRUE(log.contains("warn reflector: list failed; retrying resource=things kind=forbidden")) << log;
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, TellsItsHealth) {
    test::run_coro(health());
}

asio::awaitable<void> refused_for_a_minute() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    for (int i = 0; i < 100; ++i) f.server.reply(i % 2 == 0 ? 403 : 404, "{}");
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    for (int i = 0; i < 60; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(1));
    }
    EXPECT_GE(f.server.requests().size(), 3U);
    EXPECT_LE(f.server.requests().size(), 7U);
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, BacksOffWhileItIsForbidden) {
    test::run_coro(refused_for_a_minute());
}

asio::awaitable<void> skips_what_is_no_object() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({}, "10"));
    f.server.stream_open({R"({"type":"ADDED","object":{"kind":"Status","message":"?"}})"
                          "\n",
                          event("ADDED", "a", "12")});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_EQ(f.store.size(), 1U);
    EXPECT_EQ(f.reflector.resource_version(), "12");
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, SkipsEventsThatHoldNoObjectOfTheCollection) {
    test::run_coro(skips_what_is_no_object());
}

asio::awaitable<void> run_and_note(Reflector& reflector, std::stop_token stop, bool& ended) {
    co_await reflector.run(stop);
    ended = true;
}

asio::awaitable<void> stops_anywhere() {
    const auto executor = co_await asio::this_coro::executor;
    const std::vector<std::function<void(Fixture&)>> places = {
        [](Fixture& f) { f.server.stream_open({R"({"metadata":{"resourceVersion":"1"},"items":[)"}); },  // in a list
        [](Fixture& f) { f.server.reply(403, "{}"); },                                                   // backing off
        [](Fixture& f) {
            f.server.reply(200, page({}, "10"));
            f.server.stream_open({event("ADDED", "a", "11")});  // in a watch
        },
    };
    for (const auto& place : places) {
        Fixture f(executor);
        place(f);
        bool ended = false;
        test::spawn(executor, run_and_note(f.reflector, f.stop.get_token(), ended));
        co_await test::settle();
        EXPECT_FALSE(ended);
        f.stop.request_stop();
        co_await test::settle();
        EXPECT_TRUE(ended) << "without any time passing";
        EXPECT_EQ(f.observer.errors.find("cancelled"), std::string::npos);
    }
}
TEST(Reflector, AStopEndsItWhereverItIs) {
    test::run_coro(stops_anywhere());
}

asio::awaitable<void> limits_the_wait() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    test::spawn(executor, f.reflector.run(f.stop.get_token()));  // every list is answered 500
    std::optional<Result<void>> result;
    test::spawn(executor, f.wait_for_sync(std::chrono::minutes(2), result));
    for (int i = 0; i < 119; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(1));
    }
    EXPECT_FALSE(result);
    for (int i = 0; i < 3; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(1));
    }
    co_await test::settle();
    EXPECT_TRUE(result && !*result && result->error().message.contains("things"));
    f.server.reply(200, page({}, "10"));
    f.server.stream_open({});
    result.reset();
    test::spawn(executor, f.wait_for_sync(std::chrono::minutes(2), result));
    for (int i = 0; i < 70; ++i) {
        co_await test::settle();
        f.clock.advance(seconds(1));
    }
    EXPECT_TRUE(result && *result);
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, TheWaitForSyncIsLimited) {
    test::run_coro(limits_the_wait());
}

/// Keeps the text of what it is given.
class Keeper final : public ReflectorSink {
  public:
    void begin_replace() override {}
    void replace_item(const nlohmann::json& object) override { seen.push_back(object.dump()); }
    void replace_remove(const nlohmann::json&) override {}
    void end_replace() override {}
    void upsert(const nlohmann::json& object) override { seen.push_back(object.dump()); }
    void remove(const nlohmann::json& object) override { seen.push_back(object.dump()); }
    std::vector<std::string> seen;
};

asio::awaitable<void> drops_managed_fields(bool drop) {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    Keeper keeper;
    ReflectorOptions options;
    options.path = "/things";
    options.drop_managed_fields = drop;
    Reflector reflector(f.client, f.clock, keeper, options);
    const std::string with = R"({"metadata":{"managedFields":[{"manager":"m"}],"name":"a","resourceVersion":"1"}})";
    f.server.reply(200, page({with}, "10"));
    f.server.stream_open({R"({"type":"MODIFIED","object":)" + with + "}\n"});
    test::spawn(executor, reflector.run(f.stop.get_token()));
    co_await test::settle();
    const std::string without = R"({"metadata":{"managedFields":null,"name":"a","resourceVersion":"1"}})";
    EXPECT_EQ(keeper.seen, (std::vector<std::string>(2, drop ? without : with)));
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, DropsManagedFieldsForASinkThatSaysSo) {
    test::run_coro(drops_managed_fields(true));
    test::run_coro(drops_managed_fields(false));
}

asio::awaitable<void> send_large_list(HttpResponseWriter& writer, int items) {
    HttpHeaders headers;
    headers.set("Content-Type", "application/json");
    co_await writer.begin(200, std::move(headers));
    co_await writer.write(R"({"metadata":{"resourceVersion":"10"},"items":[)");
    const std::string filler(1 << 20, 'x');
    for (int i = 0; i < items; ++i) {
        const std::string name = std::to_string(i);
        co_await writer.write((i == 0 ? "" : ",") + (R"({"metadata":{"name":")" + name + R"("},"data":")") + filler +
                              "\"}");
        co_await test::settle();  // the peer reads meanwhile
    }
    co_await writer.write("]}");
}

asio::awaitable<void> large_list() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    constexpr int kMegabytes = 9;  // Beast takes eight unless told otherwise
    f.server.on_next(
        [](const HttpExchange&, HttpResponseWriter& writer) { return send_large_list(writer, kMegabytes); });
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    for (int i = 0; i < 2 * kMegabytes && !f.reflector.synced(); ++i) co_await test::settle();
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_EQ(f.store.size(), 9U);
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, AListMayBeLargerThanEightMegabytes) {
    test::run_coro(large_list());
}

asio::awaitable<void> current_while_watched() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "1")}, "10"));
    f.server.drop();
    f.server.stream_open({});
    EXPECT_FALSE(f.reflector.is_current());
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_TRUE(f.reflector.synced());
    EXPECT_FALSE(f.reflector.is_current()) << "the watch broke";
    while (f.server.requests().size() < 3) {
        f.clock.advance(seconds(1));
        co_await test::settle();
    }
    co_await test::settle();
    EXPECT_FALSE(f.reflector.is_current()) << "what was missed may be on its way";
    f.clock.advance(std::chrono::milliseconds(999));
    EXPECT_FALSE(f.reflector.is_current());
    f.clock.advance(std::chrono::milliseconds(1));
    EXPECT_TRUE(f.reflector.is_current());
    f.stop.request_stop();
    co_await test::settle();
    EXPECT_FALSE(f.reflector.is_current());
}
TEST(Reflector, IsCurrentWhileAWatchTellsWhatChanges) {
    test::run_coro(current_while_watched());
}

asio::awaitable<void> current_after_a_list() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture f(executor);
    f.server.reply(200, page({object("a", "1")}, "10"));
    f.server.stream({std::string(kGone)});
    f.server.reply(200, page({object("a", "30")}, "31"));
    f.server.stream_open({});
    test::spawn(executor, f.reflector.run(f.stop.get_token()));
    co_await test::settle();
    EXPECT_TRUE(f.reflector.is_current()) << "nothing was missed: it was listed";
    f.stop.request_stop();
    co_await test::settle();
}
TEST(Reflector, IsCurrentAtOnceAfterAList) {
    test::run_coro(current_after_a_list());
}

}  // namespace
}  // namespace kube
