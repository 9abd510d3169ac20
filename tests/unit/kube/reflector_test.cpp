#include "kube/runtime/reflector.hpp"

#include "kube/base/json.hpp"
#include "kube/runtime/store.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

std::string object(const std::string& name, const std::string& version) {
    return R"({"metadata":{"name":")" + name + R"(","namespace":"ns","resourceVersion":")" + version + R"("}})";
}

std::string event(const std::string& type, const std::string& name, const std::string& version) {
    return R"({"type":")" + type + R"(","object":)" + object(name, version) + "}\n";
}

std::string page(const std::vector<std::string>& items, const std::string& version, const std::string& token = "") {
    std::string text =
        R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + token + R"("},"items":[)";
    for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ",") + items[i];
    return text + "]}";
}

constexpr std::string_view kGone =
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}})"
    "\n";

/// A store of resourceVersions, its reflector, and a record of what handlers were told.
struct Fixture {
    explicit Fixture(asio::any_io_executor executor)
        : server(executor, clock),
          client(server.transport(), clock, {.user_agent = "test", .field_manager = {}, .path_prefix = {}}),
          store(
              [](const nlohmann::json& o) {
                  return std::pair(object_key(o), string_at(o, {"metadata", "resourceVersion"}));
              },
              object_key),
          reflector(client, clock, store,
                    {.name = "things", .path = "/things", .selectors = {}, .seed = 1, .resume_from = {}}) {
        store.on_change([this](const std::string& key, const auto& before, const auto& after) {
            changes.push_back(key + " " + (before ? *before : "-") + ">" + (after ? *after : "-"));
        });
    }
    std::string value(const std::string& key) const {
        const auto found = store.get(key);
        return found ? *found : "none";
    }

    test::ManualClock clock;
    test::ScriptedServer server;
    Client client;
    Store<std::string> store;
    Reflector reflector;
    std::vector<std::string> changes;
    std::stop_source stop;
};

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

}  // namespace
}  // namespace kube
