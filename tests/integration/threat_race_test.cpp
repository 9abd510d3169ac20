// What changes between admission and injection (docs/security.md, H7): the operator is cut off from the API server
// while its webhooks go on to answer, so that a request is admitted and waits.
#include "kube/base/json.hpp"
#include "tests/integration/relayed_fixture.hpp"

namespace endoscope::test {
namespace {

class ThreatRace : public RelayedTest {
  protected:
    void SetUp() override {
        RelayedTest::SetUp();
        start_and_wait();
        ASSERT_TRUE(admin().merge(path_of_namespace(), {{"metadata", {{"labels", {{"tier", "test"}}}}}}));
        const json by_label = {{"names", nullptr}, {"selector", {{"matchLabels", {{"tier", "test"}}}}}};
        ASSERT_TRUE(admin().merge(policy_path(ns_), {{"spec", {{"namespaces", by_label}}}}));
        // With nothing changed it is allowed, also after the operator was cut off.
        admit("before");
        relay_->open();
        ASSERT_EQ(outcome("before"), "Succeeded/Completed");
        admit("r");
    }
    std::string path_of_namespace() const { return "/api/v1/namespaces/" + ns_; }
    /// alice creates a request that the operator does not get to see.
    void admit(const std::string& name) {
        relay_->shut();
        const auto created = alice().create(request(name));
        ASSERT_TRUE(created) << created.error().message;
        ASSERT_TRUE((*created)["spec"].contains("requester"));
    }
    void expect_denied_now(const std::string& reason) {
        relay_->open();
        EXPECT_EQ(outcome("r"), "Denied/" + reason);
        EXPECT_EQ(containers_of("r"), 0U);
    }
};

TEST_F(ThreatRace, H7ARightThatWasRevokedIsGone) {
    ASSERT_TRUE(admin().remove("/apis/rbac.authorization.k8s.io/v1/namespaces/" + ns_ + "/rolebindings/alice"));
    ASSERT_TRUE(eventually([&] { return !alice().request("GET", path("r")).has_value(); })) << "in force";
    expect_denied_now("NotAuthorized");
}

TEST_F(ThreatRace, H7APolicyThatWasNarrowedCounts) {
    ASSERT_TRUE(admin().merge(policy_path(ns_), {{"spec", {{"images", {{"deny", {"**"}}}}}}}));
    expect_denied_now("ImageDenied");
}

TEST_F(ThreatRace, H7APolicyThatWasDeletedCounts) {
    ASSERT_TRUE(admin().remove(policy_path(ns_)));
    expect_denied_now("NoPolicy");
}

TEST_F(ThreatRace, H7ANamespaceThatWasRelabelledCounts) {
    ASSERT_TRUE(admin().merge(path_of_namespace(), {{"metadata", {{"labels", {{"tier", "production"}}}}}}));
    expect_denied_now("NoPolicy");
}

TEST_F(ThreatRace, H7APodThatWasReplacedIsJudgedAnew) {
    ASSERT_TRUE(admin().remove(pod_path("web") + "?gracePeriodSeconds=0"));
    ASSERT_TRUE(eventually([&] { return admin().is_absent(pod_path("web")); }));
    run_pod("web", {{"hostPID", true}});
    expect_denied_now("TargetHostPID");
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(ThreatRace, H7ARequestThatWasDeletedAndReplacedIsJudgedByItsOwnStamp) {
    ASSERT_TRUE(alice().remove(path("r")));
    ASSERT_TRUE(bob().create(request("r")));
    expect_denied_now("NotAuthorized");
    EXPECT_EQ(stored("r")["spec"]["requester"]["username"], "bob");
}

}  // namespace
}  // namespace endoscope::test
