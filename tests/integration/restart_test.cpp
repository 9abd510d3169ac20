// The operator as a process: crashes and restarts.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <algorithm>
#include <functional>
#include <thread>

namespace endoscope::test {
namespace {

/// Under the sanitizers, which look for leaks at the end.
constexpr std::chrono::seconds kExitTime{3};

class Restart : public EndoscopeTest {
  protected:
    bool container_ended(const std::string& name) {
        const json pod = admin().get(pod_path("web"));
        const json* const statuses = kube::find_at(pod, {"status", "ephemeralContainerStatuses"});
        if (statuses == nullptr || containers_of(name) == 0) return false;
        return std::ranges::all_of(*statuses, [](const json& one) { return one["state"].contains("terminated"); });
    }
};

TEST_F(Restart, ACrashAtAnyMomentInjectsOnceAndLosesNothing) {
    struct Moment {
        std::string name;
        std::function<bool(const std::string&)> reached;
    };
    const std::vector<Moment> moments = {
        {"created", [](const std::string&) { return true; }},
        {"patched", [&](const std::string& name) { return containers_of(name) > 0; }},
        {"running", [&](const std::string& name) { return phase(name) == "Running"; }},
    };
    for (const Moment& moment : moments) {
        ASSERT_TRUE(alice().create(request(moment.name, {{"command", {"sleep", "1"}}})));
        // Without a pause: the moment may be over in a few milliseconds.
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!moment.reached(moment.name)) ASSERT_LT(std::chrono::steady_clock::now(), end) << moment.name;
        crash_and_restart();
        EXPECT_EQ(outcome(moment.name), "Succeeded/Completed") << moment.name;
        EXPECT_EQ(containers_of(moment.name), 1U) << moment.name;
    }
    EXPECT_EQ(injected("web").size(), moments.size());
}

TEST_F(Restart, CrashesSpreadOverALifeInjectOnceAndLoseNothing) {
    const std::vector<int> delays_ms = {3, 8, 15, 25, 40, 80, 150, 300};
    for (const int delay_ms : delays_ms) {
        const std::string name = "after" + std::to_string(delay_ms);
        ASSERT_TRUE(alice().create(request(name)));
        std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
        crash_and_restart();
        EXPECT_EQ(outcome(name), "Succeeded/Completed") << name;
        EXPECT_EQ(containers_of(name), 1U) << name;
    }
    EXPECT_EQ(injected("web").size(), delays_ms.size());
}

TEST_F(Restart, APlaceThatACrashLeftUnrecordedIsNotGivenAwayAgain) {
    add_policy("one", {{"limits", {{"maxActivePerNamespace", 1}}}});
    const json spec = {{"image", image_of("one", "tools:1")}, {"command", {"sleep", "20"}}};
    run_pod("other");
    json rival = spec;
    rival["target"] = {{"podName", "other"}};
    // Sealed as by any creation, but not stored yet.
    const auto sealed = alice().rehearse(request("a", rival));
    ASSERT_TRUE(sealed) << sealed.error().message;
    ASSERT_TRUE(alice().create(request("z", spec)));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (containers_of("z") == 0) ASSERT_LT(std::chrono::steady_clock::now(), end);
    op().crash();
    // Were the status written already, the cache would know; as if the crash had come a moment earlier.
    ASSERT_TRUE(admin().merge(path("z") + "/status", {{"status", nullptr}}));
    // The rival is there when the operator starts, and comes first by its name: nothing but what the earlier run
    // injected stands in its way.
    ASSERT_TRUE(admin().remove(kMutating) && admin().remove(kValidating));
    json stored_rival = *sealed;
    for (const char* field : {"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"}) {
        stored_rival["metadata"].erase(field);
    }
    // The API server goes on calling a removed webhook, which nobody answers now, until it has seen the removal.
    ASSERT_TRUE(eventually([&] { return admin().create(stored_rival).has_value(); }));
    start_operator();
    EXPECT_EQ(outcome("a"), "Denied/LimitExceeded");
    EXPECT_TRUE(reaches("z", "Running"));
    EXPECT_TRUE(injected("other").empty());
}

TEST_F(Restart, WhatACrashLeftUnrecordedIsFollowedWhateverThePolicySaysNow) {
    const std::string name = add_policy("gone", json::object());
    const json spec = {{"image", image_of("gone", "tools:1")}, {"command", {"sleep", "3"}}};
    ASSERT_TRUE(alice().create(request("r", spec)));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (containers_of("r") == 0) ASSERT_LT(std::chrono::steady_clock::now(), end);
    op().crash();
    ASSERT_TRUE(admin().merge(path("r") + "/status", {{"status", nullptr}}));
    ASSERT_TRUE(admin().remove(policy_path(name)));
    start_operator();
    EXPECT_EQ(outcome("r"), "Succeeded/Completed") << "a denial would be untrue: the container is there";
    EXPECT_EQ(containers_of("r"), 1U);
}

TEST_F(Restart, AnEndThatNobodySawIsRecordedAfterwards) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"/bin/sh", "-c", "sleep 1; exit 7"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    op().crash();
    EXPECT_TRUE(eventually([&] { return container_ended("r"); }));
    EXPECT_EQ(phase("r"), "Running");
    start_operator();
    EXPECT_EQ(outcome("r"), "Failed/NonZeroExit");
    EXPECT_EQ(stored("r")["status"]["targets"][0]["exitCode"], 7);
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(Restart, AnOverdueSessionStaysOverdue) {
    const auto overdue = [&] { return op().metric("endoscope_debug_sessions_overdue", {{"namespace", ns_}}); };
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "infinity"}}, {"deadlineSeconds", 1}})));
    EXPECT_EQ(outcome("r"), "Expired/DeadlineExceeded");
    crash_and_restart();
    EXPECT_TRUE(eventually([&] { return overdue() == 1; }));
    EXPECT_EQ(phase("r"), "Expired");
    EXPECT_EQ(condition("r", "ContainerStillRunning"), "True");
    EXPECT_EQ(injected("web").size(), 1U);
    ASSERT_TRUE(admin().remove(pod_path("web") + "?gracePeriodSeconds=0"));
    EXPECT_TRUE(eventually([&] { return overdue() == 0; }));
    EXPECT_TRUE(eventually([&] { return condition("r", "ContainerStillRunning") == "False"; }));
}

TEST_F(Restart, FinishedRequestsAreLeftAlone) {
    ASSERT_TRUE(alice().create(request("good")));
    ASSERT_TRUE(bob().create(request("bad")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    const json good = stored("good");
    const json bad = stored("bad");
    crash_and_restart();
    ASSERT_TRUE(alice().create(request("after")));
    EXPECT_EQ(outcome("after"), "Succeeded/Completed");
    EXPECT_EQ(stored("good"), good);
    EXPECT_EQ(stored("bad"), bad);
}

TEST_F(Restart, ReadyMeansThatTheNextRequestIsStamped) {
    for (int i = 0; i < 5; ++i) {
        end_operator();
        start_operator();
        const std::string name = "r" + std::to_string(i);
        const auto created = alice().create(request(name));
        ASSERT_TRUE(created) << created.error().message;
        EXPECT_TRUE((*created)["spec"].contains("requester")) << "the webhooks were not in force";
        EXPECT_EQ(outcome(name), "Succeeded/Completed");
    }
}

TEST_F(Restart, SigtermDuringASessionLeavesTheRestForTheNextStart) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "2"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    EXPECT_EQ(op().stop(kExitTime), 0) << op().process().err();
    EXPECT_TRUE(admin().is_absent(kMutating));
    EXPECT_TRUE(admin().is_absent(kValidating));
    EXPECT_EQ(phase("r"), "Running");
    start_operator();
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(Restart, SigtermLeavesWebhooksThatPointElsewhere) {
    json configuration = admin().get(kMutating);
    configuration["webhooks"][0]["clientConfig"]["url"] = "https://127.0.0.1:1/somebody-else";
    ASSERT_TRUE(admin().request("PUT", kMutating, configuration));
    EXPECT_EQ(op().stop(kExitTime), 0) << op().process().err();
    EXPECT_EQ(admin().get(kMutating)["webhooks"][0]["clientConfig"]["url"], "https://127.0.0.1:1/somebody-else");
    EXPECT_TRUE(admin().is_absent(kValidating));
    start_operator();
}

}  // namespace
}  // namespace endoscope::test
