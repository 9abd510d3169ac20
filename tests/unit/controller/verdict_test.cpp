// The flow of the verdict: what comes before any policy, and the order of the rules.

#include "tests/unit/controller/verdict_table.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::expect_allowed;
using testing::expect_denied;
using testing::json;
using testing::Row;

const std::string kDigest = "@sha256:" + std::string(64, '1');

TEST(Verdict, Allowed) {
    const Case allowed;
    const Verdict verdict = allowed.verdict();
    EXPECT_TRUE(verdict.allowed) << verdict.message;
    EXPECT_EQ(verdict.reason, Reason::allowed);
    EXPECT_EQ(verdict.policy, (api::PolicyRef{.name = "main", .uid = "mu", .generation = 3}));
    EXPECT_EQ(verdict.image, "docker.io/library/busybox:1.36");
    ASSERT_EQ(verdict.containers.size(), 1U);
    EXPECT_EQ(verdict.containers.at(0).target_container, "nginx");
    EXPECT_EQ(verdict.containers.at(0).profile, "restricted");
    EXPECT_FALSE(verdict.containers.at(0).has_digest);
    EXPECT_EQ(verdict.containers.at(0).image, verdict.image);
    EXPECT_EQ(verdict.containers.at(0).name, container_name(*api::parse_debug_request(allowed.request), "pu"));
    EXPECT_EQ(verdict.deadline_seconds, 3600);
    EXPECT_EQ(verdict.start_deadline_seconds, 120);
    ASSERT_EQ(verdict.policies.size(), 1U);
    EXPECT_TRUE(verdict.policies[0].accepted);
    EXPECT_EQ(verdict.policies[0].reason, Reason::allowed);
}

TEST(Verdict, EveryReasonUpToAuthorization) {
    const Row rows[] = {
        {"no image", Reason::invalid_spec, [](Case& c) { c.spec().erase("image"); }, "spec.image"},
        {"two mistakes", Reason::invalid_spec,
         [](Case& c) { c.spec()["deadlineSeconds"] = 0, c.spec()["containerName"] = "X"; }, "; spec.deadlineSeconds"},
        {"on behalf of nobody", Reason::invalid_spec, [](Case& c) { c.spec()["onBehalfOf"] = {{"username", ""}}; },
         "spec.onBehalfOf.username"},
        {"bad image", Reason::invalid_image_reference, [](Case& c) { c.spec()["image"] = "Docker/x"; }, "spec.image"},
        {"no seal", Reason::identity_missing, [](Case& c) { c.identity = IdentityCheck::missing; }, "spec.requester"},
        {"valid seal, no requester", Reason::identity_missing, [](Case& c) { c.spec().erase("requester"); },
         "spec.requester"},
        {"nameless requester", Reason::identity_missing, [](Case& c) { c.spec()["requester"]["username"] = ""; },
         "spec.requester"},
        {"sealed with a key that is gone", Reason::identity_invalid,
         [](Case& c) { c.identity = IdentityCheck::unknown_key; }, "the key was lost"},
        {"forged", Reason::identity_invalid, [](Case& c) { c.identity = IdentityCheck::invalid; }, "spec.requester"},
        {"no policy at all", Reason::no_policy, [](Case& c) { c.policy = nullptr; }, "production"},
        {"policy elsewhere", Reason::no_policy, [](Case& c) { c.rules()["namespaces"]["names"] = {"dev"}; },
         "production"},
        {"policy without namespaces", Reason::no_policy, [](Case& c) { c.rules().erase("namespaces"); }, "production"},
        {"invalid policy", Reason::policy_invalid, [](Case& c) { c.rules()["images"]["allow"] = {"**/x"}; },
         "spec.images.allow[0]"},
        {"unreadable policy", Reason::policy_invalid, [](Case& c) { c.rules()["limits"] = 1; }, "spec.limits"},
        {"own namespace", Reason::namespace_protected,
         [](Case& c) {
             c.request["metadata"]["namespace"] = "endoscope-system";
             c.rules()["namespaces"]["names"] = {"endoscope-system"};
         },
         "endoscope-system"},
        {"kube-system by glob", Reason::namespace_protected,
         [](Case& c) {
             c.request["metadata"]["namespace"] = "kube-system";
             c.rules()["namespaces"]["names"] = {"*"};
         },
         "literally"},
        {"no permission", Reason::not_authorized, [](Case& c) { c.pod_permission = Authorization::denied; },
         "pods/ephemeralcontainers"},
        {"no use of the policy", Reason::not_authorized,
         [](Case& c) {
             c.rules()["authorization"] = "UsePolicy";
             c.use_policy["main"] = Authorization::denied;
         },
         "verb use"},
        {"no right to speak for another", Reason::not_authorized,
         [](Case& c) {
             c.spec()["onBehalfOf"] = {{"username", "bob"}};
             c.impersonation = Authorization::denied;
         },
         "spec.onBehalfOf: requester \"alice\" may not impersonate \"bob\""},
        {"the other has no permission", Reason::not_authorized,
         [](Case& c) {
             c.spec()["onBehalfOf"] = {{"username", "bob"}};
             c.impersonation = Authorization::allowed;
             c.pod_permission = Authorization::denied;
         },
         "\"bob\", on whose behalf requester \"alice\" asks, may not patch"},
        {"failed check of the impersonation", Reason::authorization_failed,
         [](Case& c) {
             c.spec()["onBehalfOf"] = {{"username", "bob"}};
             c.impersonation = Authorization::failed;
         },
         "could not be checked"},
        {"failed check", Reason::authorization_failed, [](Case& c) { c.pod_permission = Authorization::failed; },
         "could not be checked"},
    };
    for (const Row& row : rows) expect_denied(row);
}

TEST(Verdict, JustSelectedAndAuthorized) {
    expect_allowed("kube-system by its name", [](Case& c) {
        c.request["metadata"]["namespace"] = "kube-system";
        c.rules()["namespaces"]["names"] = {"kube-system"};
    });
    expect_allowed("by label", [](Case& c) {
        c.rules()["namespaces"] = json::parse(R"({"selector":{"matchLabels":{"tier":"prod"}}})");
    });
    expect_allowed("use of the policy", [](Case& c) {
        c.rules()["authorization"] = "UsePolicy";
        c.pod_permission = Authorization::denied;
        c.use_policy["main"] = Authorization::allowed;
    });
}

TEST(Verdict, RulesRunInOrder) {
    // Everything is wrong at once; each repair uncovers the next reason.
    Case c;
    c.spec().update(
        json::parse(R"({"image":"Evil/x","profile":"general","runAs":{"user":0},"mode":"Command","command":["sh"],
        "env":[{"name":"A","value":""}],"deadlineSeconds":0,"reason":"none"})"));
    c.spec()["requester"]["username"] = "system:serviceaccount:a:b";
    c.identity = IdentityCheck::missing;
    c.rules().update(json::parse(R"({"images":{"allow":["quay.io/*"],"deny":["**:latest"],"requireDigest":true},
        "commands":[["ls"]],"reason":{"pattern":"^INC"},"targets":{"podSelector":{"matchLabels":{"x":"y"}}},
        "limits":{"maxDeadlineSeconds":10,"exclusive":true,"maxPerPod":1},"namespaces":{"names":["dev"]},"profiles":[]})"));
    c.pod_permission = Authorization::denied;
    c.pod.update(json::parse(R"({"metadata":{"name":"web","deletionTimestamp":"x","uid":"pu",
          "annotations":{"kubernetes.io/config.mirror":"x"}},
        "spec":{"hostPID":true,"hostNetwork":true,"hostIPC":true,"os":{"name":"windows"},
          "containers":[{"name":"nginx","securityContext":{"privileged":true}}]},"status":{"phase":"Pending"}})"));
    const json pod = c.pod;
    c.pod = nullptr;
    c.spec()["target"]["container"] = "db";
    c.sessions = {.in_namespace = 0, .by_requester = 0, .in_pod = {{"web", {{"production/a", "nginx"}}}}};
    c.labels = api::Labels{{"pod-security.kubernetes.io/enforce", "baseline"}};

    const std::pair<Reason, std::function<void()>> steps[] = {
        {Reason::invalid_spec, [&] { c.spec()["deadlineSeconds"] = 11; }},
        {Reason::invalid_image_reference, [&] { c.spec()["image"] = "evil/x"; }},
        {Reason::identity_missing, [&] { c.identity = IdentityCheck::invalid; }},
        {Reason::identity_invalid, [&] { c.identity = IdentityCheck::valid; }},
        {Reason::no_policy,
         [&] { c.rules()["namespaces"]["names"] = {"production"}, c.rules()["approval"] = {{"required", 6}}; }},
        {Reason::policy_invalid, [&] { c.rules().erase("approval"); }},
        {Reason::not_authorized, [&] { c.pod_permission = Authorization::failed; }},
        {Reason::authorization_failed, [&] { c.pod_permission = Authorization::allowed; }},
        {Reason::target_not_found, [&] { c.pod = pod; }},
        {Reason::container_not_found, [&] { c.spec()["target"].erase("container"); }},
        {Reason::target_not_scheduled, [&] { c.pod_spec()["nodeName"] = "n"; }},
        {Reason::target_not_running, [&] { c.pod["status"]["phase"] = "Failed"; }},
        {Reason::target_terminating, [&] { c.pod["metadata"].erase("deletionTimestamp"); }},
        {Reason::target_terminated, [&] { c.pod["status"]["phase"] = "Running"; }},
        {Reason::target_static, [&] { c.pod["metadata"].erase("annotations"); }},
        {Reason::target_windows, [&] { c.pod_spec().erase("os"); }},
        {Reason::requester_not_allowed, [&] { c.spec()["requester"]["username"] = "alice"; }},
        {Reason::image_denied, [&] { c.spec()["image"] = "evil/x:1"; }},
        {Reason::image_not_allowed, [&] { c.spec()["image"] = "quay.io/x:1"; }},
        {Reason::digest_required, [&] { c.spec()["image"] = "quay.io/x" + kDigest; }},
        {Reason::profile_not_allowed, [&] { c.rules()["profiles"] = {"general"}; }},
        {Reason::run_as_not_allowed, [&] { c.spec().erase("runAs"); }},
        {Reason::env_not_allowed, [&] { c.spec().erase("env"); }},
        {Reason::command_not_allowed, [&] { c.spec()["command"] = {"ls"}; }},
        {Reason::target_not_allowed, [&] { c.rules()["targets"] = json::object(); }},
        {Reason::target_host_pid, [&] { c.pod_spec()["hostPID"] = false; }},
        {Reason::target_host_network, [&] { c.pod_spec()["hostNetwork"] = false; }},
        {Reason::target_host_ipc, [&] { c.pod_spec()["hostIPC"] = false; }},
        {Reason::target_privileged, [&] { c.pod_spec()["containers"] = {{{"name", "nginx"}}}; }},
        {Reason::reason_not_accepted, [&] { c.spec()["reason"] = "INC-1"; }},
        {Reason::deadline_too_long, [&] { c.spec()["deadlineSeconds"] = 10; }},
        {Reason::session_exists, [&] { c.sessions.in_pod["web"] = {{"production/a", "side"}}; }},
        {Reason::limit_exceeded, [&] { c.sessions.in_pod.clear(); }},
        {Reason::pod_security_violation, [&] { c.labels = api::Labels(), c.rules()["approval"] = {{"required", 1}}; }},
        {Reason::approval_required, [&] { c.rules().erase("approval"); }},
        {Reason::allowed, [] {}},
    };
    for (const auto& [expected, repair] : steps) {
        const Verdict verdict = c.verdict();
        ASSERT_EQ(verdict.reason, expected) << "got " << api::to_string(verdict.reason) << ": " << verdict.message
                                            << ", expected " << api::to_string(expected);
        ASSERT_EQ(verdict.allowed, expected == Reason::allowed);
        repair();
    }
}

TEST(Verdict, InvalidSpecOfARequestThatCannotBeRead) {
    const Verdict verdict = invalid_spec({"spec.x", std::string(2000, 'x')});
    EXPECT_FALSE(verdict.allowed);
    EXPECT_EQ(verdict.reason, Reason::invalid_spec);
    EXPECT_LE(verdict.message.size(), 1024U);
}

}  // namespace
}  // namespace endoscope::controller
