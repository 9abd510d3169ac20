// An API server that is away for a while, and one that has forgotten: afterwards nothing is lost and nothing is done
// twice.
#include "kube/base/json.hpp"
#include "tests/integration/relayed_fixture.hpp"

#include <algorithm>
#include <map>
#include <thread>

namespace endoscope::test {
namespace {

/// From the moment the API server is there again.
constexpr std::chrono::seconds kRecovery{30};
constexpr std::chrono::seconds kFrozen{20};
constexpr std::chrono::seconds kAway{10};

class Recovery : public RelayedTest {
  protected:
    void run_to_the_end(const std::string& name) {
        ASSERT_TRUE(alice().create(request(name)));
        EXPECT_EQ(outcome(name), "Succeeded/Completed");
    }
    /// A session that is over a little later.
    void begin_session(const std::string& name, const char* length) {
        ASSERT_TRUE(alice().create(request(name, {{"command", {"sleep", length}}})));
        ASSERT_TRUE(reaches(name, "Running"));
    }
    bool all_ended() {
        const json pod = admin().get(pod_path("web"));
        const json* const statuses = kube::find_at(pod, {"status", "ephemeralContainerStatuses"});
        return statuses != nullptr &&
               std::ranges::all_of(*statuses, [](const json& one) { return one["state"].contains("terminated"); });
    }
    double lists(const std::string& resource) {
        return through().metric("endoscope_reflector_relists_total", {{"resource", resource}});
    }
    /// Within `kRecovery` from now a new request is taken, and it and `names` have ended well; each got one container
    /// and was counted once.
    void expect_recovery(std::vector<std::string> names) {
        const auto end = std::chrono::steady_clock::now() + kRecovery;
        const auto left = [end] {
            return std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        };
        ASSERT_TRUE(eventually([&] { return alice().create(request("after")).has_value(); }, left()));
        names.emplace_back("after");
        for (const std::string& name : names) {
            EXPECT_EQ(outcome(name, left()), "Succeeded/Completed") << name;
            EXPECT_EQ(containers_of(name), 1U) << name;
        }
        EXPECT_EQ(injected("web").size(), names.size());
        const auto count = [&] { return through().metric("endoscope_debug_requests_total", {{"namespace", ns_}}); };
        // It is counted just after it was written.
        EXPECT_TRUE(eventually([&] { return count() >= static_cast<double>(names.size()); }));
        EXPECT_EQ(count(), static_cast<double>(names.size()));
        for (const std::string& name : names) {
            const auto lines = through().audit(ns_ + "/" + name);
            EXPECT_EQ(std::ranges::count_if(lines, [](const json& line) { return line["event"] == "ended"; }), 1)
                << name;
        }
    }
};

TEST_F(Recovery, FromAFrozenApiServer) {
    start_and_wait();
    begin_session("running", "2");
    ASSERT_TRUE(alice().create(request("before")));
    plane_->freeze_api_server();
    // The connection is made, and the request is sent; nobody reads it.
    kube::Result<json> during;
    std::thread asking([&] { during = alice().create(request("during")); });
    std::this_thread::sleep_for(kFrozen);
    EXPECT_TRUE(through().healthy("/healthz")) << "an API server that is away is no reason to be restarted";
    plane_->thaw_api_server();
    asking.join();
    EXPECT_TRUE(during) << during.error().message;
    expect_recovery({"running", "before", "during"});
}

TEST_F(Recovery, FromConnectionsThatBreakAndAreRefused) {
    start_and_wait();
    begin_session("running", "2");
    ASSERT_TRUE(alice().create(request("before")));
    relay_->shut();
    // Admission goes on: it needs nothing of the API server.
    ASSERT_TRUE(alice().create(request("during")));
    std::this_thread::sleep_for(kAway);
    EXPECT_TRUE(all_ended());
    EXPECT_EQ(phase("running"), "Running") << "nobody could see the end";
    EXPECT_TRUE(through().healthy("/healthz"));
    relay_->open();
    expect_recovery({"running", "before", "during"});
}

TEST_F(Recovery, FromAKilledApiServer) {
    if (!plane_->is_real()) GTEST_SKIP() << "the model API server keeps nothing over a restart";
    start_and_wait();
    begin_session("running", "3");
    ASSERT_TRUE(alice().create(request("before")));
    plane_->restart_api_server();
    expect_recovery({"running", "before"});
}

TEST_F(Recovery, FromForgottenHistory) {
    start_and_wait();
    run_to_the_end("deleted");
    begin_session("running", "2");
    std::map<std::string, double> before;
    for (const char* resource : {"debugrequests", "namespaces", "pods"}) before[resource] = lists(resource);
    through().process().signal(SIGSTOP);
    relay_->shut();
    // None of it can be told by a watch any more.
    ASSERT_TRUE(admin().remove(path("deleted")));
    ASSERT_TRUE(admin().merge("/api/v1/namespaces/" + ns_, {{"metadata", {{"labels", {{"a", "b"}}}}}}));
    ASSERT_TRUE(eventually([&] { return all_ended(); }));
    plane_->forget_history();
    relay_->open();
    through().process().signal(SIGCONT);
    for (const auto& [resource, count] : before) {
        EXPECT_TRUE(eventually([&] { return lists(resource) > count; }, kRecovery)) << resource;
    }
    // Not of each: an API server that has just started may refuse a watch in other ways, which lead to a list, too.
    EXPECT_GE(through().metric("endoscope_reflector_watch_errors_total", {{"reason", "gone"}}), 1);
    EXPECT_TRUE(reaches("running", "Succeeded", kRecovery));
    // A list that began may still have been refused.
    const auto is_gone = [&] { return through().metric("endoscope_debug_requests", {{"namespace", ns_}}) == 1; };
    EXPECT_TRUE(eventually(is_gone, kRecovery)) << "the deleted one";
    EXPECT_EQ(containers_of("running"), 1U);
    EXPECT_EQ(through().metric("endoscope_debug_requests_total", {{"namespace", ns_}}), 2);
}

TEST_F(Recovery, FromAnApiServerThatComesLaterThanTheOperator) {
    relay_->shut();
    start();
    ASSERT_TRUE(eventually([&] { return through().process().err().contains("waiting for the API server"); }));
    EXPECT_TRUE(eventually([&] { return through().healthy("/healthz"); }));
    EXPECT_FALSE(through().healthy("/readyz"));
    std::this_thread::sleep_for(kAway);
    relay_->open();
    EXPECT_TRUE(through().wait_until_ready()) << through().process().err();
    expect_recovery({});
}

}  // namespace
}  // namespace endoscope::test
