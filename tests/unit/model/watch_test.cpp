#include "fixture.hpp"

#include <boost/asio/this_coro.hpp>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::ManualClock;
using kube::test::run_coro;
using kube::test::settle;
using kube::test::spawn;

/// A watch that runs beside the test; `types` reads what it has got so far, as TYPE:name.
struct Watching {
    kube::test::RecordingWriter writer;
    std::stop_source stop;
    kube::HttpExchange exchange;
    bool ended = false;

    std::vector<std::string> types() const {
        std::vector<std::string> out;
        for (const std::string& line : split(writer.answer.body, '\n')) {
            if (line.empty()) continue;
            const Json event = Json::parse(line);
            out.push_back(string_at(event, {"type"}) + ":" + string_at(event, {"object", "metadata", "name"}));
        }
        return out;
    }
};

asio::awaitable<void> run_watch(ApiServer& api, Watching& watching) {
    co_await api.handle(watching.exchange, watching.writer);
    watching.ended = true;
}

void start(asio::any_io_executor executor, ApiServer& api, Watching& watching, const std::string& target) {
    watching.exchange.request.target = target;
    watching.exchange.stop = watching.stop.get_token();
    watching.exchange.peer = kube::PeerCertificate{"admin", {"system:masters"}};
    spawn(executor, run_watch(api, watching));
}

asio::awaitable<void> selectors() {
    ManualClock clock;
    const auto executor = co_await asio::this_coro::executor;
    ApiServer api(executor, clock);
    co_await ask(api, "POST", kPods, pod("old"));
    Watching all;
    Watching labelled;
    Watching named;
    start(executor, api, all, kPods + "?watch=1&resourceVersion=0");
    start(executor, api, labelled, kPods + "?watch=1&labelSelector=k%3Dv");
    start(executor, api, named, kPods + "?watch=1&fieldSelector=metadata.name%3Db");
    co_await settle();
    co_await ask(api, "POST", kPods, pod("a"));
    co_await ask(api, "PATCH", kPods + "/a", Json::parse(R"({"metadata":{"labels":{"k":"v"}}})"), kMerge);
    co_await ask(api, "PATCH", kPods + "/a", Json::parse(R"({"metadata":{"labels":{"k":null}}})"), kMerge);
    co_await ask(api, "POST", kPods, pod("b"));
    co_await ask(api, "DELETE", kPods + "/b?gracePeriodSeconds=0");
    co_await settle();
    EXPECT_EQ(all.types(), (std::vector<std::string>{"ADDED:old", "ADDED:a", "MODIFIED:a", "MODIFIED:a", "ADDED:b",
                                                     "MODIFIED:b", "DELETED:b"}));
    EXPECT_EQ(labelled.types(), (std::vector<std::string>{"ADDED:a", "DELETED:a"}));
    EXPECT_EQ(named.types(), (std::vector<std::string>{"ADDED:b", "MODIFIED:b", "DELETED:b"}));
    for (Watching* one : {&all, &labelled, &named}) one->stop.request_stop();
    co_await settle();
    EXPECT_TRUE(all.ended && labelled.ended && named.ended);
}

TEST(Watch, SelectorsTurnChangesIntoAdditionsAndDeletions) {
    run_coro(selectors());
}

asio::awaitable<void> time_passes() {
    ManualClock clock;
    const auto executor = co_await asio::this_coro::executor;
    ApiServer api(executor, clock);
    Watching watching;
    start(executor, api, watching, kPods + "?watch=1&allowWatchBookmarks=true&timeoutSeconds=130");
    co_await settle();
    clock.advance(std::chrono::seconds(59));
    co_await settle();
    EXPECT_TRUE(watching.types().empty());
    clock.advance(std::chrono::seconds(2));
    co_await settle();
    EXPECT_EQ(watching.types().size(), 1U);
    clock.advance(std::chrono::seconds(60));
    co_await settle();
    clock.advance(std::chrono::seconds(8));
    co_await settle();
    EXPECT_EQ(watching.types().size(), 3U) << "one shortly before the end";
    EXPECT_FALSE(watching.ended);
    clock.advance(std::chrono::seconds(2));
    co_await settle();
    EXPECT_TRUE(watching.ended);
}

TEST(Watch, BookmarksAndTheTimeoutFollowTheClock) {
    run_coro(time_passes());
}

asio::awaitable<void> expiry() {
    ManualClock clock;
    const auto executor = co_await asio::this_coro::executor;
    ApiServer api(executor, clock);
    co_await ask(api, "POST", kPods, pod("a"));
    api.cluster().storage.compact(api.cluster().storage.version());
    Watching late;
    start(executor, api, late, kPods + "?watch=1&resourceVersion=2");
    co_await settle();
    EXPECT_TRUE(late.ended);
    EXPECT_EQ(late.writer.answer.status, 200);
    const Json error = Json::parse(late.writer.answer.body);
    EXPECT_EQ(error["type"], "ERROR");
    EXPECT_EQ(error["object"]["code"], 410);
    EXPECT_EQ(error["object"]["reason"], "Expired");
    Watching future;
    start(executor, api, future, kPods + "?watch=1&resourceVersion=99999999&timeoutSeconds=5");
    co_await settle();
    EXPECT_TRUE(future.types().empty());
    clock.advance(std::chrono::seconds(5));
    co_await settle();
    EXPECT_TRUE(future.ended);
}

TEST(Watch, AnOldVersionIsAnErrorLineAndAFutureOneIsSilent) {
    run_coro(expiry());
}

}  // namespace
}  // namespace model::test
