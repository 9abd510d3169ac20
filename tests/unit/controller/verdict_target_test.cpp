// What the Pod must be like: to be debugged at all, and under a policy.

#include "tests/unit/controller/verdict_table.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::expect_allowed;
using testing::expect_denied;
using testing::expect_denied_by_policy;
using testing::json;
using testing::Row;

TEST(Verdict, EveryReasonOfTheTarget) {
    const Row rows[] = {
        {"no Pod matches", Reason::target_not_found,
         [](Case& c) {
             c.spec()["target"] = json::parse(R"({"selector":{"matchLabels":{"app":"web"}}})");
             c.pod = nullptr;
         },
         "spec.target"},
        {"no Pod", Reason::target_not_found, [](Case& c) { c.pod = nullptr; }, "spec.target.podName"},
        {"no container", Reason::container_not_found, [](Case& c) { c.spec()["target"]["container"] = "db"; },
         "nginx, side, setup"},
        {"annotated container is gone", Reason::container_not_found,
         [](Case& c) { c.pod["metadata"]["annotations"] = {{"kubectl.kubernetes.io/default-container", "gone"}}; },
         "gone"},
        {"no node", Reason::target_not_scheduled, [](Case& c) { c.pod_spec().erase("nodeName"); }, "node"},
        {"pending", Reason::target_not_running, [](Case& c) { c.pod["status"]["phase"] = "Pending"; }, "Pending"},
        {"unknown", Reason::target_not_running, [](Case& c) { c.pod["status"]["phase"] = "Unknown"; }, "Unknown"},
        {"no phase", Reason::target_not_running, [](Case& c) { c.pod.erase("status"); }, "Unknown"},
        {"being deleted", Reason::target_terminating, [](Case& c) { c.pod["metadata"]["deletionTimestamp"] = "x"; },
         "being deleted"},
        {"succeeded", Reason::target_terminated, [](Case& c) { c.pod["status"]["phase"] = "Succeeded"; }, "ended"},
        {"failed", Reason::target_terminated, [](Case& c) { c.pod["status"]["phase"] = "Failed"; }, "ended"},
        {"mirror", Reason::target_static,
         [](Case& c) { c.pod["metadata"]["annotations"] = {{"kubernetes.io/config.mirror", "x"}}; }, "static"},
        {"windows", Reason::target_windows, [](Case& c) { c.pod_spec()["os"] = {{"name", "windows"}}; }, "Windows"},
    };
    for (const Row& row : rows) expect_denied(row);
}

TEST(Verdict, EveryReasonOfAPolicysTargets) {
    const Row rows[] = {
        {"labels", Reason::target_not_allowed,
         [](Case& c) { c.rules()["targets"]["podSelector"] = {{"matchLabels", {{"app", "db"}}}}; },
         "targets.podSelector"},
        {"container", Reason::target_not_allowed, [](Case& c) { c.rules()["targets"]["containers"] = {"side"}; },
         "targets.containers"},
        {"service account of the Pod", Reason::target_not_allowed,
         [](Case& c) { c.rules()["targets"]["allowServiceAccounts"] = {"other"}; }, "allowServiceAccounts"},
        {"no service account of the Pod", Reason::target_not_allowed,
         [](Case& c) { c.rules()["targets"]["allowServiceAccounts"] = json::array(); }, "allowServiceAccounts"},
        {"hostPID", Reason::target_host_pid, [](Case& c) { c.pod_spec()["hostPID"] = true; }, "allowHostPID"},
        {"hostNetwork", Reason::target_host_network, [](Case& c) { c.pod_spec()["hostNetwork"] = true; },
         "allowHostNetwork"},
        {"hostIPC", Reason::target_host_ipc, [](Case& c) { c.pod_spec()["hostIPC"] = true; }, "allowHostIPC"},
        {"privileged", Reason::target_privileged,
         [](Case& c) { c.pod_spec()["containers"][0]["securityContext"] = {{"privileged", true}}; }, "allowPrivileged"},
        {"privileged beside it", Reason::target_privileged,
         [](Case& c) { c.pod_spec()["containers"][1]["securityContext"] = {{"privileged", true}}; }, "allowPrivileged"},
    };
    for (const Row& row : rows) expect_denied_by_policy(row);
}

TEST(Verdict, JustTheRightTarget) {
    expect_allowed("init container", [](Case& c) { c.spec()["target"]["container"] = "setup"; });
    expect_allowed("traits", [](Case& c) {
        c.pod_spec().update(json::parse(R"({"hostPID":true,"hostNetwork":true,"hostIPC":true})"));
        c.pod_spec()["containers"][0]["securityContext"] = {{"privileged", true}};
        c.rules()["targets"] =
            json::parse(R"({"allowHostPID":true,"allowHostNetwork":true,"allowHostIPC":true,"allowPrivileged":true})");
    });
}

}  // namespace
}  // namespace endoscope::controller
