// What a user who applies a DebugRequest gets.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

namespace endoscope::test {
namespace {

using kube::string_at;

TEST_F(EndoscopeTest, AllowedLeadsToExactlyOneContainerAndSucceeded) {
    ASSERT_TRUE(cluster_->alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const json containers = injected("web");
    ASSERT_EQ(containers.size(), 1U);
    const json& container = containers[0];
    EXPECT_EQ(container["name"], stored("r")["status"]["targets"][0]["containerName"]);
    EXPECT_TRUE(container["name"].get<std::string>().starts_with("dbg-"));
    EXPECT_EQ(container["image"], kImage);
    EXPECT_EQ(container["targetContainerName"], "nginx");
    EXPECT_EQ(container["securityContext"]["runAsNonRoot"], true);
    EXPECT_EQ(container["env"], json::parse(R"([{"name":"ENDOSCOPE_REQUEST","value":")" + ns_ + R"(/r"}])"));
    const json status = stored("r")["status"];
    EXPECT_EQ(status["policy"]["name"], ns_);
    EXPECT_EQ(status["targets"][0]["exitCode"], 0);
    EXPECT_EQ(status["observedGeneration"], 1);
}

TEST_F(EndoscopeTest, WithoutRbacNobodyLearnsWhetherThePodExists) {
    ASSERT_TRUE(cluster_->bob().create(request("there")));
    ASSERT_TRUE(cluster_->bob().create(request("nowhere", {{"target", {{"podName", "nope"}}}})));
    EXPECT_EQ(outcome("there"), "Denied/NotAuthorized");
    EXPECT_EQ(outcome("nowhere"), "Denied/NotAuthorized");
    std::string expected = message("there");
    expected.replace(expected.find("\"web\""), 5, "\"nope\"");
    EXPECT_EQ(message("nowhere"), expected);
    EXPECT_TRUE(injected("web").empty());
    ASSERT_TRUE(cluster_->alice().create(request("alices", {{"target", {{"podName", "nope"}}}})));
    // alice's right covers every Pod of the namespace, so she may know.
    EXPECT_EQ(outcome("alices"), "Denied/TargetNotFound");
}

TEST_F(EndoscopeTest, AnImageThatIsNotAllowedIsDenied) {
    ASSERT_TRUE(cluster_->alice().create(request("r", {{"image", "docker.io/nicolaka/netshoot:v1"}})));
    EXPECT_EQ(outcome("r"), "Denied/ImageNotAllowed");
    EXPECT_TRUE(message("r").contains("docker.io/nicolaka/netshoot:v1"));
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(EndoscopeTest, WithoutAPolicyEverythingIsDenied) {
    ASSERT_TRUE(cluster_->admin().remove("/apis/endoscope.dev/v1alpha1/debugpolicies/" + ns_));
    ASSERT_TRUE(cluster_->alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Denied/NoPolicy");
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(EndoscopeTest, APolicyAppliedJustBeforeTheRequestCounts) {
    const std::string policies = "/apis/endoscope.dev/v1alpha1/debugpolicies/" + ns_;
    for (int i = 0; i < 15; ++i) {
        ASSERT_TRUE(cluster_->admin().remove(policies));
        ASSERT_TRUE(cluster_->admin().create(policy()));
        const std::string name = "r" + std::to_string(i);
        ASSERT_TRUE(cluster_->alice().create(request(name)));
        ASSERT_TRUE(eventually([&] { return !phase(name).empty(); }));
        EXPECT_NE(reason(name), "NoPolicy");
    }
}

TEST_F(EndoscopeTest, AForgedRequesterIsOverwrittenAndCannotBeChangedLater) {
    const json forged = {{"username", "admin"}, {"groups", {"system:masters"}}, {"seal", "v1.x.y"}};
    ASSERT_TRUE(cluster_->bob().create(request("r", {{"requester", forged}})));
    EXPECT_EQ(stored("r")["spec"]["requester"]["username"], "bob");
    EXPECT_EQ(outcome("r"), "Denied/NotAuthorized");
    const json before = stored("r")["spec"]["requester"];
    cluster_->bob().request("PATCH", path("r"), {{"spec", {{"requester", {{"username", "admin"}}}}}},
                            "application/merge-patch+json");
    cluster_->admin().request("PATCH", path("r"), {{"spec", {{"requester", nullptr}}}}, "application/merge-patch+json");
    EXPECT_EQ(stored("r")["spec"]["requester"], before);
    const auto changed = cluster_->bob().request("PATCH", path("r"), {{"spec", {{"image", "busybox:1"}}}},
                                                 "application/merge-patch+json");
    ASSERT_FALSE(changed);
    EXPECT_TRUE(changed.error().message.contains("spec is immutable")) << changed.error().message;
}

TEST_F(EndoscopeTest, MistakesAreRefusedWithTheirField) {
    const std::vector<std::pair<json, std::string>> mistakes = {
        {{{"image", "Bad//Image"}}, "spec.image"},
        {{{"image", "a@sha256:12"}}, "spec.image"},
        {{{"target", {{"podName", nullptr}}}}, "spec.target"},
        {{{"mode", "Shell"}}, "spec.mode"},
        {{{"deadlineSeconds", 0}}, "spec.deadlineSeconds"},
        {{{"reason", "a\nb"}}, "spec.reason"},
        {{{"profile", "Not A Profile"}}, "spec.profile"},
        {{{"onBehalfOf", {{"username", "carol"}}}}, "spec.onBehalfOf"},
        {{{"target", {{"podName", nullptr}, {"selector", {{"matchLabels", {{"a", "b"}}}}}}}}, "spec.target.selector"},
    };
    for (const auto& [spec, field] : mistakes) {
        const auto created = cluster_->alice().create(request("bad", spec));
        ASSERT_FALSE(created) << spec.dump();
        EXPECT_TRUE(created.error().message.contains(field)) << created.error().message;
    }
}

TEST_F(EndoscopeTest, TargetsThatCannotBeDebuggedAreRefusedEachWithItsReason) {
    run_pod("hostpid", {{"hostPID", true}});
    run_pod("hostnet", {{"hostNetwork", true}});
    run_pod("privileged",
            {{"containers", {{{"name", "nginx"}, {"image", "nginx:1"}, {"securityContext", {{"privileged", true}}}}}}});
    const std::vector<std::tuple<std::string, json, std::string>> rows = {
        {"pid", {{"target", {{"podName", "hostpid"}}}}, "Denied/TargetHostPID"},
        {"net", {{"target", {{"podName", "hostnet"}}}}, "Denied/TargetHostNetwork"},
        {"priv", {{"target", {{"podName", "privileged"}}}}, "Denied/TargetPrivileged"},
        {"container", {{"target", {{"container", "sidecar"}}}}, "Denied/ContainerNotFound"},
        {"profile", {{"profile", "sysadmin"}}, "Denied/ProfileNotAllowed"},
        {"deadline", {{"deadlineSeconds", 100000}}, "Denied/DeadlineTooLong"},
        {"env", {{"env", {{{"name", "TERM"}, {"value", "x"}}}}}, "Denied/EnvNotAllowed"},
    };
    for (const auto& [name, spec, expected] : rows) {
        ASSERT_TRUE(cluster_->alice().create(request(name, spec))) << name;
        EXPECT_EQ(outcome(name), expected);
    }
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(EndoscopeTest, ACommandsExitCodeIsItsResult) {
    ASSERT_TRUE(cluster_->alice().create(request("fails", {{"command", {"/bin/sh", "-c", "exit 3"}}})));
    EXPECT_EQ(outcome("fails"), "Failed/NonZeroExit");
    EXPECT_EQ(stored("fails")["status"]["targets"][0]["exitCode"], 3);
    // A shell's exit code says nothing about the session.
    ASSERT_TRUE(cluster_->alice().create(
        request("shell", {{"mode", "Interactive"}, {"command", {"/bin/sh", "-c", "sleep 0.2; exit 1"}}})));
    EXPECT_EQ(outcome("shell"), "Succeeded/SessionEnded");
}

TEST_F(EndoscopeTest, ContainersThatNeverStartEndWithTheirReason) {
    ASSERT_TRUE(cluster_->admin().request("PATCH", "/apis/endoscope.dev/v1alpha1/debugpolicies/" + ns_,
                                          {{"spec", {{"limits", {{"startDeadlineSeconds", 2}}}}}},
                                          "application/merge-patch+json"));
    const std::string base = "registry.cn-beijing.aliyuncs.com/dotbalo/";
    const std::vector<std::tuple<std::string, std::string, std::string>> rows = {
        {"pull", base + "missing:1", "Failed/ImagePullFailed"},
        {"never", base + "never-starts:1", "Failed/StartDeadlineExceeded"},
        {"config", base + "bad-config:1", "Failed/ContainerConfigError"},
        {"run", base + "bad-start:1", "Failed/StartFailed"},
        {"error", base + "bad-start-error:1", "Failed/StartFailed"},
    };
    // The cached policy must be the changed one before a request is judged by it.
    pause_shortly();
    for (const auto& [name, image, expected] : rows)
        ASSERT_TRUE(cluster_->alice().create(request(name, {{"image", image}})));
    for (const auto& [name, image, expected] : rows) EXPECT_EQ(outcome(name), expected) << image;
}

TEST_F(EndoscopeTest, ADeadlineIsReportedAndAnEndIsClaimedOnlyWhenSeen) {
    const std::string overdue = "endoscope_debug_sessions_overdue{namespace=\"" + ns_ + "\"}";
    ASSERT_TRUE(cluster_->alice().create(request("r", {{"command", {"sleep", "4"}}, {"deadlineSeconds", 1}})));
    EXPECT_EQ(outcome("r"), "Expired/DeadlineExceeded");
    const auto still_running = [&] {
        for (const json& condition : stored("r")["status"]["conditions"]) {
            if (condition["type"] == "ContainerStillRunning") return condition["status"].get<std::string>();
        }
        return std::string("absent");
    };
    EXPECT_EQ(still_running(), "True");
    EXPECT_FALSE(stored("r")["status"].contains("finishedAt"));
    EXPECT_EQ(op().metric(overdue), 1);
    EXPECT_TRUE(eventually([&] { return still_running() == "False"; }));
    EXPECT_EQ(phase("r"), "Expired");
    EXPECT_TRUE(eventually([&] { return op().metric(overdue) == 0; }));
    EXPECT_EQ(op().metric("endoscope_debug_requests_total{namespace=\"" + ns_ +
                          "\",phase=\"Expired\",reason=\"DeadlineExceeded\"}"),
              1);
}

TEST_F(EndoscopeTest, APodThatGoesTakesTheSessionWithIt) {
    ASSERT_TRUE(cluster_->alice().create(request("r", {{"command", {"sleep", "60"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    ASSERT_TRUE(cluster_->admin().remove(pod_path("web") + "?gracePeriodSeconds=0"));
    EXPECT_EQ(outcome("r"), "Failed/TargetGone");
}

TEST_F(EndoscopeTest, TheSameRequestCreatedAnewFindsItsContainer) {
    ASSERT_TRUE(cluster_->alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    ASSERT_TRUE(cluster_->alice().remove(path("r")));
    // creationTimestamp has whole seconds, and only a container from before it is an earlier one's.
    ASSERT_TRUE(eventually([&] { return stored("r").is_null(); }));
    const auto start = std::chrono::steady_clock::now();
    eventually([&] { return std::chrono::steady_clock::now() - start > std::chrono::milliseconds(1200); });
    ASSERT_TRUE(cluster_->alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/AlreadySatisfied");
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(EndoscopeTest, TamperedStatusIsPutRightAndInjectsNothing) {
    ASSERT_TRUE(cluster_->alice().create(request("r", {{"command", {"sleep", "30"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    for (const json& forged : {json{{"phase", "Pending"}, {"targets", nullptr}}, json{{"phase", "Succeeded"}},
                               json{{"message", "all is well"}}}) {
        ASSERT_TRUE(cluster_->admin().request("PATCH", path("r") + "/status", {{"status", forged}},
                                              "application/merge-patch+json"));
        EXPECT_TRUE(eventually([&] { return phase("r") == "Running" && message("r").contains("runs until"); }))
            << forged;
    }
    EXPECT_EQ(injected("web").size(), 1U);
}

}  // namespace
}  // namespace endoscope::test
