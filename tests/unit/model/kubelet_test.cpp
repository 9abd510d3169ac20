#include "tests/model/pretend_kubelet.hpp"

#include <gtest/gtest.h>

namespace model {
namespace {

using std::chrono::milliseconds;

class Kubelet : public ::testing::Test {
  protected:
    Kubelet() {
        pod = Json::parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u","generation":2},
            "spec":{"nodeName":"node","restartPolicy":"Always","containers":[{"name":"nginx","image":"nginx"}]}})");
    }
    void debug(const Json& container) { pod["spec"]["ephemeralContainers"] = Json::array({container}); }
    /// Lets time pass and takes over what the kubelet reports.
    KubeletStep after(int ms) {
        now += milliseconds(ms);
        KubeletStep step = kubelet.step(pod, now);
        if (step.status) pod["status"] = *step.status;
        return step;
    }
    Json state() const {
        const Json& list = array_at(pod, {"status", "ephemeralContainerStatuses"});
        return list.empty() ? Json() : list[0]["state"];
    }
    std::string waiting() const { return string_at(state(), {"waiting", "reason"}); }

    PretendKubelet kubelet{KubeletSettings{}};
    Json pod;
    kube::WallTime now{std::chrono::seconds(1'767'323'045)};
};

TEST_F(Kubelet, StartsRunsAndEndsADebugContainer) {
    debug({{"name", "d"}, {"image", "busybox"}, {"command", {"sleep", "1"}}});
    after(0);
    EXPECT_EQ(waiting(), "ContainerCreating");
    EXPECT_EQ(pod["status"]["phase"], "Pending");
    after(100);
    EXPECT_TRUE(state().contains("running"));
    EXPECT_EQ(pod["status"]["phase"], "Running");
    const KubeletStep quiet = after(500);
    EXPECT_FALSE(quiet.status.has_value());
    EXPECT_EQ(quiet.check_again, kube::Duration(milliseconds(500)));
    after(500);
    EXPECT_EQ(state()["terminated"]["exitCode"], 0);
    EXPECT_EQ(state()["terminated"]["reason"], "Completed");
    EXPECT_FALSE(after(10).status.has_value());
}

TEST_F(Kubelet, ExitCodesComeFromTheCommand) {
    debug({{"name", "d"}, {"image", "busybox"}, {"command", {"/bin/sh", "-c", "sleep 0.5; exit 3"}}});
    after(0);
    after(100);
    EXPECT_TRUE(state().contains("running"));
    after(500);
    EXPECT_EQ(state()["terminated"]["exitCode"], 3);
    EXPECT_EQ(state()["terminated"]["reason"], "Error");
}

TEST_F(Kubelet, AShellRunsForTheDefaultTime) {
    debug({{"name", "d"}, {"image", "busybox"}, {"command", {"/bin/sh"}}, {"stdin", true}});
    after(0);
    after(100);
    after(1999);
    EXPECT_TRUE(state().contains("running"));
    after(1);
    EXPECT_EQ(state()["terminated"]["exitCode"], 0);
}

TEST_F(Kubelet, ImagesChooseHowItFails) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"r/missing:1", "ErrImagePull"},        {"r/Upper:1", "InvalidImageName"},
        {"http://x", "InvalidImageName"},       {"r/bad-config:1", "CreateContainerConfigError"},
        {"r/bad-start:1", "RunContainerError"}, {"r/never-starts:1", "ContainerCreating"}};
    for (const auto& [image, reason] : cases) {
        pod.erase("status");
        kubelet.forget("u");
        debug({{"name", "d"}, {"image", image}});
        after(0);
        after(100);
        EXPECT_EQ(waiting(), reason) << image;
    }
    pod.erase("status");
    kubelet.forget("u");
    debug({{"name", "d"}, {"image", "r/missing:1"}});
    after(0);
    after(100);
    after(200);
    EXPECT_EQ(waiting(), "ImagePullBackOff");
    pod.erase("status");
    kubelet.forget("u");
    debug({{"name", "d"}, {"image", "r/bad-start-error:1"}});
    after(0);
    after(100);
    EXPECT_EQ(state()["terminated"]["exitCode"], 128);
}

TEST_F(Kubelet, BindsAndRemoves) {
    pod["spec"].erase("nodeName");
    EXPECT_TRUE(after(0).bind);
    pod["spec"]["nodeName"] = "node";
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    EXPECT_FALSE(after(0).remove);
    EXPECT_TRUE(after(100).remove);
}

}  // namespace
}  // namespace model
