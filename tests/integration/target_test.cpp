// Pods and settings that are refused by default, each with its reason.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

namespace endoscope::test {
namespace {

class Target : public EndoscopeTest {
  protected:
    json at(const std::string& pod_name) const { return {{"target", {{"podName", pod_name}}}}; }
    json container(const json& spec) const {
        json one = {{"name", "nginx"}, {"image", "nginx:1"}};
        one.update(spec);
        return json::array({one});
    }
};

TEST_F(Target, PodsThatReachIntoTheNodeAreRefused) {
    run_pod("hostpid", {{"hostPID", true}});
    run_pod("hostnet", {{"hostNetwork", true}});
    run_pod("hostipc", {{"hostIPC", true}});
    run_pod("privileged", {{"containers", container({{"securityContext", {{"privileged", true}}}})}});
    const std::vector<std::pair<std::string, std::string>> rows = {{"hostpid", "Denied/TargetHostPID"},
                                                                   {"hostnet", "Denied/TargetHostNetwork"},
                                                                   {"hostipc", "Denied/TargetHostIPC"},
                                                                   {"privileged", "Denied/TargetPrivileged"}};
    for (const auto& [name, expected] : rows) ASSERT_TRUE(alice().create(request(name, at(name)))) << name;
    for (const auto& [name, expected] : rows) {
        EXPECT_EQ(outcome(name), expected);
        EXPECT_TRUE(injected(name).empty());
    }
}

TEST_F(Target, PodsThatAreNotRunningAreRefused) {
    json terminating = pod("terminating");
    terminating["metadata"]["finalizers"] = {"example.com/hold"};
    ASSERT_TRUE(admin().create(terminating));
    json mirror = pod("static", {{"nodeName", "model-node"}});
    mirror["metadata"]["annotations"] = {{"kubernetes.io/config.mirror", "abc"}};
    ASSERT_TRUE(admin().create(mirror));
    ASSERT_TRUE(
        admin().create(pod("ended", {{"restartPolicy", "Never"}, {"containers", container({{"command", {"true"}}})}})));
    ASSERT_TRUE(admin().create(pod("pending", {{"containers", container({{"image", "nginx/never-starts:1"}})}})));
    const auto has_phase = [&](const std::string& name, const std::string& wanted) {
        return eventually([&] { return kube::string_at(admin().get(pod_path(name)), {"status", "phase"}) == wanted; });
    };
    ASSERT_TRUE(has_phase("terminating", "Running"));
    ASSERT_TRUE(has_phase("static", "Running"));
    ASSERT_TRUE(has_phase("ended", "Succeeded"));
    ASSERT_TRUE(has_phase("pending", "Pending"));
    ASSERT_TRUE(
        eventually([&] { return !kube::string_at(admin().get(pod_path("pending")), {"spec", "nodeName"}).empty(); }));
    ASSERT_TRUE(admin().remove(pod_path("terminating")));
    const std::vector<std::pair<std::string, std::string>> rows = {{"terminating", "Denied/TargetTerminating"},
                                                                   {"static", "Denied/TargetStatic"},
                                                                   {"ended", "Denied/TargetTerminated"},
                                                                   {"pending", "Denied/TargetNotRunning"}};
    for (const auto& [name, expected] : rows) ASSERT_TRUE(alice().create(request(name, at(name)))) << name;
    for (const auto& [name, expected] : rows) {
        EXPECT_EQ(outcome(name), expected);
        EXPECT_TRUE(injected(name).empty());
    }
    EXPECT_TRUE(admin().merge(pod_path("terminating"), {{"metadata", {{"finalizers", nullptr}}}}));
}

TEST_F(Target, WhatThePolicyDoesNotListIsRefused) {
    add_policy("asks", {{"reason", {{"pattern", "^INC-[0-9]+"}}}});
    const std::vector<std::tuple<std::string, json, std::string>> rows = {
        {"container", {{"target", {{"container", "sidecar"}}}}, "Denied/ContainerNotFound"},
        {"profile", {{"profile", "sysadmin"}}, "Denied/ProfileNotAllowed"},
        {"deadline", {{"deadlineSeconds", 100000}}, "Denied/DeadlineTooLong"},
        {"env", {{"env", {{{"name", "TERM"}, {"value", "x"}}}}}, "Denied/EnvNotAllowed"},
        {"root", {{"runAs", {{"user", 0}}}}, "Denied/RunAsNotAllowed"},
        {"reason", {{"reason", "because"}, {"image", image_of("asks", "tools:1")}}, "Denied/ReasonNotAccepted"},
    };
    for (const auto& [name, spec, expected] : rows) ASSERT_TRUE(alice().create(request(name, spec))) << name;
    for (const auto& [name, spec, expected] : rows) {
        EXPECT_EQ(outcome(name), expected);
        EXPECT_FALSE(message(name).empty());
    }
    EXPECT_TRUE(injected("web").empty());
}

TEST_F(Target, ThePodsOfTheOperatorAreOutOfReach) {
    json forbidden = request("r");
    forbidden["metadata"]["namespace"] = "endoscope-system";
    ASSERT_TRUE(admin().create(forbidden));
    const std::string where = "/apis/endoscope.dev/v1alpha1/namespaces/endoscope-system/debugrequests/r";
    EXPECT_TRUE(eventually([&] { return kube::string_at(admin().get(where), {"status", "phase"}) == "Denied"; }));
    EXPECT_EQ(kube::string_at(admin().get(where), {"status", "reason"}), "NamespaceProtected");
    ASSERT_TRUE(admin().remove(where));
}

}  // namespace
}  // namespace endoscope::test
