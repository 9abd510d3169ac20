// What a user who applies a DebugRequest gets.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <set>

namespace endoscope::test {
namespace {

class Outcome : public EndoscopeTest {};

TEST_F(Outcome, AllowedLeadsToExactlyOneContainerAndSucceeded) {
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const json containers = injected("web");
    ASSERT_EQ(containers.size(), 1U);
    const json& container = containers[0];
    const json status = stored("r")["status"];
    EXPECT_EQ(container["name"], status["targets"][0]["containerName"]);
    EXPECT_TRUE(container["name"].get<std::string>().starts_with("dbg-"));
    EXPECT_EQ(container["image"], kImage);
    EXPECT_EQ(container["targetContainerName"], "nginx");
    EXPECT_EQ(container["securityContext"]["runAsNonRoot"], true);
    EXPECT_EQ(containers_of("r"), 1U);
    EXPECT_EQ(status["policy"]["name"], ns_);
    EXPECT_EQ(status["targets"][0]["podUID"], admin().get(pod_path("web"))["metadata"]["uid"]);
    EXPECT_EQ(status["targets"][0]["exitCode"], 0);
    EXPECT_EQ(status["observedGeneration"], 1);
    EXPECT_EQ(condition("r", "Ready"), "True");
}

TEST_F(Outcome, WithoutRbacNobodyLearnsWhetherThePodExists) {
    ASSERT_TRUE(bob().create(request("there")));
    ASSERT_TRUE(bob().create(request("nowhere", {{"target", {{"podName", "nope"}}}})));
    EXPECT_EQ(outcome("there"), "Denied/NotAuthorized");
    EXPECT_EQ(outcome("nowhere"), "Denied/NotAuthorized");
    std::string expected = message("there");
    const std::size_t at = expected.find("\"web\"");
    ASSERT_NE(at, std::string::npos) << expected;
    EXPECT_EQ(message("nowhere"), expected.replace(at, 5, "\"nope\""));
    EXPECT_TRUE(injected("web").empty());
    // alice's right covers every Pod of the namespace, so she may know.
    ASSERT_TRUE(alice().create(request("alices", {{"target", {{"podName", "nope"}}}})));
    EXPECT_EQ(outcome("alices"), "Denied/TargetNotFound");
}

TEST_F(Outcome, AnImageThatIsNotAllowedIsDenied) {
    ASSERT_TRUE(alice().create(request("r", {{"image", "docker.io/nicolaka/netshoot:v1"}})));
    EXPECT_EQ(outcome("r"), "Denied/ImageNotAllowed");
    EXPECT_TRUE(message("r").contains("docker.io/nicolaka/netshoot:v1")) << message("r");
    EXPECT_EQ(condition("r", "Stalled"), "True");
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(Outcome, WithoutAPolicyEverythingIsDenied) {
    ASSERT_TRUE(admin().remove(policy_path(ns_)));
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Denied/NoPolicy");
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(Outcome, APolicyAppliedJustBeforeTheRequestCounts) {
    // The policy's own verdict shows that it was seen, and needs no container.
    for (int i = 0; i < 30; ++i) {
        ASSERT_TRUE(admin().remove(policy_path(ns_)));
        ASSERT_TRUE(admin().create(policy()));
        const std::string name = "r" + std::to_string(i);
        ASSERT_TRUE(alice().create(request(name, {{"image", "busybox:1"}})));
        EXPECT_EQ(outcome(name), "Denied/ImageNotAllowed") << name;
    }
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(admin().remove(policy_path(ns_)));
        ASSERT_TRUE(admin().create(policy()));
        const std::string name = "good" + std::to_string(i);
        ASSERT_TRUE(alice().create(request(name)));
        EXPECT_EQ(outcome(name), "Succeeded/Completed") << name;
    }
}

TEST_F(Outcome, APodCreatedJustBeforeTheRequestIsNeverReportedMissing) {
    for (int i = 0; i < 10; ++i) {
        const std::string name = "new" + std::to_string(i);
        ASSERT_TRUE(admin().create(pod(name)));
        ASSERT_TRUE(alice().create(request(name, {{"target", {{"podName", name}}}})));
        ASSERT_TRUE(eventually([&] { return !phase(name).empty(); })) << name;
        EXPECT_NE(status(name, "reason"), "TargetNotFound") << name;
    }
}

TEST_F(Outcome, TheRightToUseAPolicyIsEnoughWhereThePolicySaysSo) {
    const std::string name = add_policy("byuse", {{"authorization", "UsePolicy"}});
    ASSERT_TRUE(carol().create(request("carols", {{"image", image_of("byuse", "tools:1")}})));
    ASSERT_TRUE(bob().create(request("bobs", {{"image", image_of("byuse", "tools:1")}})));
    EXPECT_EQ(outcome("carols"), "Succeeded/Completed");
    EXPECT_EQ(stored("carols")["status"]["policy"]["name"], name);
    EXPECT_EQ(outcome("bobs"), "Denied/NotAuthorized");
    // It is a right on that policy, not on Pods: what the other policy allows is not hers.
    ASSERT_TRUE(carol().create(request("elsewhere")));
    EXPECT_EQ(outcome("elsewhere"), "Denied/ImageNotAllowed");
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(Outcome, TwoRequestsForOnePodGetOneContainerEach) {
    ASSERT_TRUE(alice().create(request("first", {{"command", {"sleep", "1"}}})));
    ASSERT_TRUE(alice().create(request("second", {{"command", {"sleep", "1"}}})));
    EXPECT_EQ(outcome("first"), "Succeeded/Completed");
    EXPECT_EQ(outcome("second"), "Succeeded/Completed");
    EXPECT_EQ(injected("web").size(), 2U);
    EXPECT_EQ(containers_of("first"), 1U);
    EXPECT_EQ(containers_of("second"), 1U);
}

TEST_F(Outcome, ABurstCannotOverbookALimit) {
    add_policy("narrow", {{"limits", {{"maxPerPod", 2}}}});
    const json spec = {{"image", image_of("narrow", "tools:1")}, {"command", {"sleep", "20"}}};
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(alice().create(request("r" + std::to_string(i), spec)));
    std::multiset<std::string> ends;
    for (int i = 0; i < 6; ++i) {
        const std::string name = "r" + std::to_string(i);
        EXPECT_TRUE(eventually([&] { return phase(name) == "Running" || phase(name) == "Denied"; })) << name;
        ends.insert(phase(name) + "/" + status(name, "reason"));
    }
    EXPECT_EQ(ends.count("Running/Started"), 2U);
    EXPECT_EQ(ends.count("Denied/LimitExceeded"), 4U);
    EXPECT_EQ(injected("web").size(), 2U);
}

TEST_F(Outcome, ACommandsExitCodeIsItsResult) {
    ASSERT_TRUE(alice().create(request("good", {{"command", {"/bin/sh", "-c", "exit 0"}}})));
    ASSERT_TRUE(alice().create(request("bad", {{"command", {"/bin/sh", "-c", "exit 3"}}})));
    // A shell's exit code says nothing about the session.
    const json shell = {{"mode", "Interactive"}, {"command", {"/bin/sh", "-c", "sleep 0.2; exit 1"}}};
    ASSERT_TRUE(alice().create(request("shell", shell)));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Failed/NonZeroExit");
    EXPECT_EQ(stored("bad")["status"]["targets"][0]["exitCode"], 3);
    EXPECT_EQ(outcome("shell"), "Succeeded/SessionEnded");
    EXPECT_EQ(stored("shell")["status"]["targets"][0]["exitCode"], 1);
}

}  // namespace
}  // namespace endoscope::test
