// The calls that end a session, against an API server. What is sent exactly is in tests/unit/controller.
#include "controller/cluster.hpp"

#include "controller/log_tail.hpp"
#include "kube/base/json.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/unit/operator/world.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace endoscope::test {
namespace {

namespace asio = boost::asio;
using controller::Cluster;
using kube::string_at;
using kube::test::run_coro;

constexpr const char* kWeb = "/api/v1/namespaces/shop/pods/web";
constexpr const char* kBudgets = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets";
constexpr const char* kRequests = "/apis/endoscope.dev/v1alpha1/namespaces/shop/debugrequests";

asio::awaitable<void> logs() {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    Cluster cluster(world.client());
    const auto early = co_await cluster.read_log("shop", "web", "app", 2, {});
    EXPECT_FALSE(early) << "the kubelet has not been heard of yet";
    if (!early) EXPECT_EQ(early.error().kind, kube::ErrorKind::bad_request);
    const Json state = {{"name", "app"}, {"state", {{"running", Json::object()}}}};
    const Json running = co_await world.ask("admin", "PATCH", std::string(kWeb) + "/status",
                                            {{"status", {{"containerStatuses", Json::array({state})}}}});
    const Json noted = co_await world.ask(
        "admin", "PATCH", kWeb, {{"metadata", {{"annotations", {{"model.endoscope.dev/log", "a\nb\r\n\033[1mc\n"}}}}}});
    EXPECT_FALSE(running.is_null() || noted.is_null());
    const auto log = co_await cluster.read_log("shop", "web", "app", 2, {});
    EXPECT_TRUE(log);
    if (log) EXPECT_EQ(controller::log_tail(*log, 2), "b\n\\x1b[1mc");
    const auto unknown = co_await cluster.read_log("shop", "web", "other", 2, {});
    EXPECT_FALSE(unknown);
    if (!unknown) EXPECT_EQ(unknown.error().message, "container other is not valid for pod web");
    const auto absent = co_await cluster.read_log("shop", "none", "app", 2, {});
    EXPECT_FALSE(absent);
    if (!absent) EXPECT_EQ(absent.error().kind, kube::ErrorKind::not_found);
    co_await world.stop();
}
TEST(ClusterCalls, TheEndOfALogIsRead) {
    run_coro(logs());
}

void expect_refused(const kube::Result<void>& evicted, kube::ErrorKind kind, const std::string& part) {
    EXPECT_FALSE(evicted) << part;
    if (evicted) return;
    EXPECT_EQ(evicted.error().kind, kind) << evicted.error().message;
    EXPECT_TRUE(evicted.error().message.contains(part)) << evicted.error().message;
}

Json budget(const std::string& name) {
    return {{"apiVersion", "policy/v1"},
            {"kind", "PodDisruptionBudget"},
            {"metadata", {{"name", name}}},
            {"spec", {{"minAvailable", 1}, {"selector", Json::object()}}}};
}

asio::awaitable<void> evictions() {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    Cluster cluster(world.client());
    const Json web = co_await world.ask("admin", "GET", kWeb);
    const std::string uid = string_at(web, {"metadata", "uid"});
    const auto absent = co_await cluster.evict("shop", "none", uid, {});
    expect_refused(absent, kube::ErrorKind::not_found, "\"none\" not found");
    const auto other = co_await cluster.evict("shop", "web", "another", {});
    expect_refused(other, kube::ErrorKind::conflict, "the UID in the precondition (another) does not match");

    for (const char* name : {"one", "two"}) {
        const Json made = co_await world.ask("admin", "POST", kBudgets, budget(name));
        EXPECT_FALSE(made.is_null());
    }
    const auto several = co_await cluster.evict("shop", "web", uid, {});
    expect_refused(several, kube::ErrorKind::server, "more than one PodDisruptionBudget");
    const Json one_less = co_await world.ask("admin", "DELETE", std::string(kBudgets) + "/two");
    EXPECT_FALSE(one_less.is_null());
    const auto unknown = co_await cluster.evict("shop", "web", uid, {});
    expect_refused(unknown, kube::ErrorKind::too_many_requests, "disruption budget");
    if (!unknown) EXPECT_EQ(unknown.error().retry_after, std::chrono::seconds(10));
    const std::string status = std::string(kBudgets) + "/one/status";
    const Json looked_at = co_await world.ask("admin", "PATCH", status, {{"status", {{"observedGeneration", 1}}}});
    EXPECT_FALSE(looked_at.is_null());
    const auto used_up = co_await cluster.evict("shop", "web", uid, {});
    expect_refused(used_up, kube::ErrorKind::too_many_requests, "disruption budget");
    if (!used_up) {
        EXPECT_EQ(used_up.error().retry_after, std::nullopt);
        EXPECT_EQ(used_up.error().causes.size(), 1U);
    }
    const Json before = co_await world.ask("admin", "GET", kWeb);
    EXPECT_EQ(string_at(before, {"metadata", "deletionTimestamp"}), "");

    const Json allowed = co_await world.ask("admin", "PATCH", status, {{"status", {{"disruptionsAllowed", 1}}}});
    EXPECT_FALSE(allowed.is_null());
    world.forget_calls();
    const auto evicted = co_await cluster.evict("shop", "web", uid, {});
    EXPECT_TRUE(evicted);
    EXPECT_EQ(world.count("/eviction"), 1U);
    const Json after = co_await world.ask("admin", "GET", kWeb);
    EXPECT_NE(string_at(after, {"metadata", "deletionTimestamp"}), "");
    const auto again = co_await cluster.evict("shop", "web", uid, {});
    EXPECT_TRUE(again) << "one that is terminating is evicted already";
    co_await world.stop();
}
TEST(ClusterCalls, AnEvictionKeepsToTheBudget) {
    run_coro(evictions());
}

/// The request as the cache has it.
asio::awaitable<std::shared_ptr<const controller::StoredRequest>> stored(World& world) {
    const Json object = co_await world.request("r");
    co_return std::make_shared<const controller::StoredRequest>(
        controller::read_request(controller::cache_request(object)));
}

asio::awaitable<void> finalizers() {
    World world(co_await asio::this_coro::executor);
    co_await world.furnish();
    Cluster cluster(world.client());
    const std::string ours(api::kFinalizer);
    // Nothing reconciles here, so that no key seals what admission would see.
    for (const char* kind : {"mutating", "validating"}) {
        const std::string hooks =
            std::string("/apis/admissionregistration.k8s.io/v1/") + kind + "webhookconfigurations/endoscope";
        const Json removed = co_await world.ask("admin", "DELETE", hooks);
        EXPECT_FALSE(removed.is_null()) << kind;
    }
    const Json created = co_await world.create_request("alice", "r");
    EXPECT_FALSE(created.is_null());
    const std::string path = std::string(kRequests) + "/r";
    const Json held =
        co_await world.ask("admin", "PATCH", path, {{"metadata", {{"finalizers", Json::array({"example.org/x"})}}}});
    EXPECT_FALSE(held.is_null());
    const auto before = co_await stored(world);
    const auto version = co_await cluster.set_finalizer(before, before->resource_version, before->finalizers, true, {});
    EXPECT_TRUE(version);
    const auto added = co_await stored(world);
    EXPECT_TRUE(added->has_finalizer);
    EXPECT_EQ(added->finalizers, (std::vector<std::string>{"example.org/x", ours}));
    if (version) EXPECT_EQ(*version, added->resource_version);
    if (added->parsed && before->parsed) EXPECT_EQ(added->parsed->spec, before->parsed->spec);

    const auto late = co_await cluster.set_finalizer(before, before->resource_version, before->finalizers, false, {});
    EXPECT_FALSE(late) << "from a state that is past";
    if (!late) EXPECT_EQ(late.error().kind, kube::ErrorKind::conflict);

    const Json marked = co_await world.ask("admin", "DELETE", path);
    EXPECT_NE(string_at(marked, {"metadata", "deletionTimestamp"}), "");
    const auto deleted = co_await stored(world);
    EXPECT_TRUE(deleted->deleting);
    const auto removed =
        co_await cluster.set_finalizer(deleted, deleted->resource_version, deleted->finalizers, false, {});
    EXPECT_TRUE(removed);
    const auto left = co_await stored(world);
    EXPECT_EQ(left->finalizers, std::vector<std::string>{"example.org/x"});
    const Json released = co_await world.ask("admin", "PATCH", path, {{"metadata", {{"finalizers", Json::array()}}}});
    EXPECT_FALSE(released.is_null());
    const auto gone = co_await cluster.set_finalizer(left, left->resource_version, left->finalizers, false, {});
    EXPECT_FALSE(gone);
    if (!gone) EXPECT_EQ(gone.error().kind, kube::ErrorKind::not_found);
    co_await world.stop();
}
TEST(ClusterCalls, TheFinalizerComesAndGoesBesideOthers) {
    run_coro(finalizers());
}

}  // namespace
}  // namespace endoscope::test
