#include "controller/pod_follower.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

namespace asio = boost::asio;
using kube::test::settle;

PodView seen(const std::string& name, const std::string& version = "5", const std::string& uid = "") {
    PodView pod;
    pod.namespace_name = "shop";
    pod.name = name;
    pod.uid = uid.empty() ? "uid-" + name : uid;
    pod.resource_version = version;
    return pod;
}

std::string pod_json(const std::string& name, const std::string& version, const std::string& uid = "") {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
           R"(","namespace":"shop","resourceVersion":")" + version + R"(","uid":")" +
           (uid.empty() ? "uid-" + name : uid) + R"("},"spec":{"containers":[{"name":"app","image":"i"}]}})";
}

std::string event(const std::string& type, const std::string& object) {
    return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

/// A follower of a scripted server, with a limit of one watch by name.
struct Followed {
    explicit Followed(asio::any_io_executor executor)
        : server(executor, clock),
          client(server.transport(), clock, kube::ClientOptions()),
          follower(executor, client, clock, [this](const std::string& key) { notified.push_back(key); }, nullptr, 1) {}
    std::string version_of(const std::string& key) const {
        const auto pod = follower.pod(key);
        return pod ? pod->resource_version : "gone";
    }
    kube::test::ManualClock clock;
    kube::test::ScriptedServer server;
    kube::Client client;
    std::vector<std::string> notified;
    PodFollower follower;
};

asio::awaitable<void> beyond_the_limit_pods_share_a_watch() {
    Followed f(co_await asio::this_coro::executor);
    f.server.stream_open({event("MODIFIED", pod_json("a", "6"))});
    f.follower.follow("shop/1", seen("a"));
    co_await settle();
    EXPECT_EQ(f.version_of("shop/1"), "6");

    f.server.stream_open({event("MODIFIED", pod_json("b", "7")), event("MODIFIED", pod_json("nobody-asked", "8"))});
    f.follower.follow("shop/2", seen("b"));
    co_await settle();
    EXPECT_EQ(f.version_of("shop/2"), "7");

    // Joins a watch that has passed what happened to it meanwhile: it is read once.
    f.server.reply(200, pod_json("c", "9"));
    f.follower.follow("shop/3", seen("c", "8"));
    co_await settle();
    EXPECT_EQ(f.version_of("shop/3"), "9");

    EXPECT_EQ(f.follower.watches(), 2U);
    const auto& requests = f.server.requests();
    EXPECT_EQ(requests.size(), 3U);
    EXPECT_NE(requests.at(0).find("fieldSelector=metadata.name%3Da"), std::string::npos);
    EXPECT_EQ(requests.at(1).find("fieldSelector"), std::string::npos);
    EXPECT_EQ(requests.at(2), "GET /api/v1/namespaces/shop/pods/c");

    f.follower.unfollow("shop/2");
    EXPECT_EQ(f.follower.watches(), 2U) << "the other Pod still needs it";
    f.follower.unfollow("shop/3");
    EXPECT_EQ(f.follower.watches(), 1U);
    co_await f.follower.stop();
    co_await settle();
}

TEST(PodFollower, BeyondTheLimitPodsShareAWatch) {
    kube::test::run_coro(beyond_the_limit_pods_share_a_watch());
}

asio::awaitable<void> what_was_read_is_not_undone_by_a_watch_that_is_behind() {
    Followed f(co_await asio::this_coro::executor);
    f.server.stream_open({event("MODIFIED", pod_json("a", "6"))});
    f.follower.follow("shop/1", seen("a"));
    f.follower.update("shop/1", std::make_shared<const PodView>(seen("a", "12")));
    co_await settle();
    EXPECT_EQ(f.version_of("shop/1"), "12");
    f.follower.update("shop/1", nullptr);
    EXPECT_EQ(f.version_of("shop/1"), "gone");
    // Whoever is told looks again, so that telling what is known would go round in circles.
    const std::size_t told = f.notified.size();
    f.follower.update("shop/1", nullptr);
    EXPECT_EQ(f.notified.size(), told);
    f.follower.update("shop/1", std::make_shared<const PodView>(seen("a", "13")));
    f.follower.update("shop/1", std::make_shared<const PodView>(seen("a", "13")));
    EXPECT_EQ(f.notified.size(), told + 1);
    co_await f.follower.stop();
    co_await settle();
}

TEST(PodFollower, WhatWasReadIsNotUndoneByAWatchThatIsBehind) {
    kube::test::run_coro(what_was_read_is_not_undone_by_a_watch_that_is_behind());
}

asio::awaitable<void> the_end_of_a_former_pod_is_not_that_of_its_successor() {
    Followed f(co_await asio::this_coro::executor);
    f.server.stream_open({event("DELETED", pod_json("a", "6", "former")), event("MODIFIED", pod_json("a", "7"))});
    f.follower.follow("shop/1", seen("a"));
    co_await settle();
    EXPECT_EQ(f.version_of("shop/1"), "7");
    co_await f.follower.stop();
    co_await settle();
}

TEST(PodFollower, TheEndOfAFormerPodIsNotThatOfItsSuccessor) {
    kube::test::run_coro(the_end_of_a_former_pod_is_not_that_of_its_successor());
}

}  // namespace
}  // namespace endoscope::controller
