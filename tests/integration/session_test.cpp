// From the injection to the end of the container, whichever end that is.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

namespace endoscope::test {
namespace {

class Session : public EndoscopeTest {
  protected:
    double overdue() { return op().metric("endoscope_debug_sessions_overdue", {{"namespace", ns_}}); }
};

TEST_F(Session, ContainersThatNeverStartEndWithTheirReason) {
    add_policy("quick", {{"limits", {{"startDeadlineSeconds", 2}}}});
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"missing", "Failed/ImagePullFailed"},         {"never-starts", "Failed/StartDeadlineExceeded"},
        {"bad-config", "Failed/ContainerConfigError"}, {"bad-start", "Failed/StartFailed"},
        {"bad-start-error", "Failed/StartFailed"},     {"invalid-name", "Failed/InvalidImageName"},
    };
    for (const auto& [image, expected] : rows)
        ASSERT_TRUE(alice().create(request(image, {{"image", image_of("quick", image + ":1")}})));
    for (const auto& [image, expected] : rows) {
        EXPECT_EQ(outcome(image), expected) << image;
        EXPECT_EQ(condition(image, "Started"), "False") << image;
        EXPECT_EQ(condition(image, "Ready"), "False") << image;
        EXPECT_EQ(containers_of(image), 1U) << image;
    }
}

TEST_F(Session, ADeadlineIsReportedAndAnEndIsClaimedOnlyWhenSeen) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "4"}}, {"deadlineSeconds", 1}})));
    EXPECT_EQ(outcome("r"), "Expired/DeadlineExceeded");
    EXPECT_EQ(condition("r", "ContainerStillRunning"), "True");
    EXPECT_FALSE(stored("r")["status"].contains("finishedAt"));
    EXPECT_TRUE(eventually([&] { return overdue() == 1; }));
    EXPECT_TRUE(eventually([&] { return condition("r", "ContainerStillRunning") == "False"; }));
    EXPECT_EQ(phase("r"), "Expired");
    EXPECT_TRUE(stored("r")["status"].contains("finishedAt"));
    EXPECT_TRUE(eventually([&] { return overdue() == 0; }));
    EXPECT_EQ(op().metric("endoscope_debug_requests_total", {{"namespace", ns_}, {"reason", "DeadlineExceeded"}}), 1);
}

TEST_F(Session, APodThatGoesTakesTheSessionWithIt) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "60"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    ASSERT_TRUE(admin().remove(pod_path("web") + "?gracePeriodSeconds=0"));
    EXPECT_EQ(outcome("r"), "Failed/TargetGone");
}

TEST_F(Session, APodCreatedAgainByThatNameIsAnotherPod) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "60"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    ASSERT_TRUE(admin().remove(pod_path("web") + "?gracePeriodSeconds=0"));
    ASSERT_TRUE(eventually([&] { return admin().is_absent(pod_path("web")); }));
    run_pod("web");
    EXPECT_EQ(outcome("r"), "Failed/TargetGone");
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(Session, TheSameRequestCreatedAnewFindsItsContainer) {
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const std::string ended = stored("r")["status"]["finishedAt"];
    ASSERT_TRUE(alice().remove(path("r")));
    // creationTimestamp has whole seconds, and only a container from before it is an earlier one's: wait until the
    // API server's clock, seen on what it would create, has moved on.
    ASSERT_TRUE(eventually([&] {
        const auto rehearsed = alice().rehearse(request("clock"));
        return rehearsed && (*rehearsed)["metadata"]["creationTimestamp"].get<std::string>() > ended;
    }));
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/AlreadySatisfied");
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(Session, ARequestDeletedWhileItsContainerRunsIsLetGo) {
    const auto active = [&] { return op().metric("endoscope_debug_sessions_active", {{"namespace", ns_}}); };
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "60"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    EXPECT_TRUE(eventually([&] { return active() == 1; }));
    ASSERT_TRUE(alice().remove(path("r")));
    EXPECT_TRUE(eventually([&] { return active() == 0; }));
    EXPECT_TRUE(admin().is_absent(path("r")));
    EXPECT_FALSE(op().has_series("endoscope_debug_session_info", {{"namespace", ns_}}));
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(Session, TamperedStatusIsPutRightAndInjectsNothing) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "60"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    const json truth = stored("r")["status"];
    for (const json& forged : {json{{"phase", "Pending"}, {"targets", nullptr}}, json{{"phase", "Succeeded"}},
                               json{{"phase", nullptr}}, json{{"message", "all is well"}}}) {
        ASSERT_TRUE(admin().merge(path("r") + "/status", {{"status", forged}}));
        EXPECT_TRUE(eventually([&] { return stored("r")["status"] == truth; })) << forged << stored("r")["status"];
    }
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(Session, ApplyingTheSameAgainChangesNothing) {
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const auto version = [&](const std::string& where) {
        return kube::string_at(admin().get(where), {"metadata", "resourceVersion"});
    };
    const std::string before = version(path("r"));
    const std::string pod_before = version(pod_path("web"));
    ASSERT_TRUE(alice().merge(path("r"), {{"spec", request("r")["spec"]}}));
    // A later request is through, so anything that the update set off would be as well.
    run_pod("other");
    ASSERT_TRUE(alice().create(request("after", {{"target", {{"podName", "other"}}}})));
    EXPECT_EQ(outcome("after"), "Succeeded/Completed");
    EXPECT_EQ(version(path("r")), before);
    EXPECT_EQ(version(pod_path("web")), pod_before);
}

}  // namespace
}  // namespace endoscope::test
