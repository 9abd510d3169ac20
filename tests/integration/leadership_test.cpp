// Two replicas: both serve admission, one reconciles, and the other goes on where it stopped.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <memory>

namespace endoscope::test {
namespace {

constexpr const char* kLease = "/apis/coordination.k8s.io/v1/namespaces/endoscope-system/leases/endoscope";

class Leadership : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        leader_ = start("leader");
        ASSERT_TRUE(leader_->wait_until_ready()) << leader_->process().err();
        standby_ = start("standby");
        // Ready for the API server's calls, which `dev` takes over for itself; not for the scripts that wait for
        // `ready`.
        ASSERT_TRUE(eventually([&] { return standby_->healthy("/readyz"); })) << standby_->process().err();
        ASSERT_EQ(master(*leader_), 1);
        ASSERT_EQ(master(*standby_), 0);
    }
    void TearDown() override {
        for (auto* const process : {&leader_, &standby_}) {
            if (*process) EXPECT_EQ((*process)->stop(std::chrono::seconds(20)), 0) << (*process)->process().err();
        }
        EndoscopeTest::TearDown();
    }

    std::unique_ptr<OperatorProcess> start(const std::string& name) {
        static int number = 0;
        return std::make_unique<OperatorProcess>(
            plane_->kubeconfig("admin"), plane_->dir() + "/" + name + "-" + std::to_string(++number),
            std::vector<std::string>{"dev", "--leader-elect", "--leader-elect-lease-duration", "3s",
                                     "--leader-elect-renew-deadline", "2s", "--leader-elect-retry-period", "500ms"});
    }
    static double master(OperatorProcess& process) {
        return process.metric("leader_election_master_status", {{"name", "endoscope"}});
    }

    std::unique_ptr<OperatorProcess> leader_;
    std::unique_ptr<OperatorProcess> standby_;
};

TEST_F(Leadership, AStandbyServesAdmissionAndTakesOverWhenTheLeaderIsKilled) {
    ASSERT_TRUE(alice().create(request("before", {{"command", {"sleep", "8"}}})));
    ASSERT_TRUE(reaches("before", "Running"));
    EXPECT_FALSE(leader_->audit(ns_ + "/before").empty()) << "the leader reconciles";
    leader_->crash();
    leader_.reset();
    // Nobody leads, and still: who asks is known.
    ASSERT_TRUE(alice().create(request("between")));
    EXPECT_TRUE(standby_->wait_until_ready()) << standby_->process().err();
    EXPECT_EQ(master(*standby_), 1);
    EXPECT_EQ(outcome("between"), "Succeeded/Completed");
    EXPECT_EQ(outcome("before"), "Succeeded/Completed");
    EXPECT_EQ(containers_of("before"), 1U);
    EXPECT_EQ(containers_of("between"), 1U);
    EXPECT_EQ(standby_->metric("endoscope_debug_requests_total", {{"namespace", ns_}}), 2);
}

TEST_F(Leadership, ALeaderThatEndsWellHandsOver) {
    EXPECT_EQ(leader_->stop(std::chrono::seconds(20)), 0) << leader_->process().err();
    leader_.reset();
    EXPECT_TRUE(standby_->wait_until_ready()) << standby_->process().err();
    ASSERT_TRUE(alice().create(request("after")));
    EXPECT_EQ(outcome("after"), "Succeeded/Completed");
}

TEST_F(Leadership, ALeaderWhoseLeaseIsTakenEndsAndWritesNothingMore) {
    ASSERT_TRUE(admin().merge(
        kLease, {{"spec", {{"holderIdentity", "somebody"}, {"renewTime", "2026-01-01T00:00:00.000000Z"}}}}));
    EXPECT_EQ(leader_->process().wait(std::chrono::seconds(20)), 1) << leader_->process().err();
    leader_.reset();
    // Whoever took it does not renew it: the standby waits for its time and leads then.
    EXPECT_TRUE(standby_->wait_until_ready()) << standby_->process().err();
    ASSERT_TRUE(alice().create(request("after")));
    EXPECT_EQ(outcome("after"), "Succeeded/Completed");
}

TEST_F(Leadership, AFrozenLeaderDoesNotWriteWhenItThaws) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "4"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    leader_->process().signal(SIGSTOP);
    EXPECT_TRUE(standby_->wait_until_ready()) << standby_->process().err();
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const json recorded = stored("r");
    leader_->process().signal(SIGCONT);
    EXPECT_EQ(leader_->process().wait(std::chrono::seconds(20)), 1) << leader_->process().err();
    leader_.reset();
    EXPECT_EQ(stored("r"), recorded);
    EXPECT_EQ(containers_of("r"), 1U);
}

}  // namespace
}  // namespace endoscope::test
