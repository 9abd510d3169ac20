#include "controller/image_reference.hpp"
#include "tests/unit/controller/verdict_fixture.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::json;

const std::string kDigest = "@sha256:" + std::string(64, '1');

TEST(Verdict, Allowed) {
    const Case allowed;
    const Verdict verdict = allowed.verdict();
    EXPECT_TRUE(verdict.allowed) << verdict.message;
    EXPECT_EQ(verdict.reason, Reason::allowed);
    EXPECT_EQ(verdict.policy, (api::PolicyRef{.name = "main", .uid = "mu", .generation = 3}));
    EXPECT_EQ(verdict.image, "docker.io/library/busybox:1.36");
    ASSERT_TRUE(verdict.container);
    EXPECT_EQ(verdict.container->target_container, "nginx");
    EXPECT_EQ(verdict.container->profile, "restricted");
    EXPECT_FALSE(verdict.container->has_digest);
    EXPECT_EQ(verdict.container->image, verdict.image);
    EXPECT_EQ(verdict.container->name, container_name(*api::parse_debug_request(allowed.request), "pu"));
    EXPECT_EQ(verdict.deadline_seconds, 3600);
    EXPECT_EQ(verdict.start_deadline_seconds, 120);
    ASSERT_EQ(verdict.policies.size(), 1U);
    EXPECT_TRUE(verdict.policies[0].accepted);
    EXPECT_EQ(verdict.policies[0].reason, Reason::allowed);
}

struct Row {
    const char* what;
    Reason reason;
    std::function<void(Case&)> change;
    const char* mentions;  ///< What the message names: the field, or the remedy.
};

void expect_denied(const Row& row) {
    Case changed;
    row.change(changed);
    const Verdict verdict = changed.verdict();
    EXPECT_FALSE(verdict.allowed) << row.what;
    EXPECT_EQ(verdict.reason, row.reason)
        << row.what << ": got " << api::to_string(verdict.reason) << ": " << verdict.message;
    EXPECT_NE(verdict.message.find(row.mentions), std::string::npos) << row.what << ": " << verdict.message;
    EXPECT_FALSE(verdict.container) << row.what;
    EXPECT_LE(verdict.message.size(), 1024U) << row.what;
    EXPECT_FALSE(api::to_string(verdict.reason).empty());
}

void expect_allowed(const char* what, const std::function<void(Case&)>& change) {
    Case changed;
    change(changed);
    const Verdict verdict = changed.verdict();
    EXPECT_TRUE(verdict.allowed) << what << ": " << verdict.message;
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

TEST(Verdict, EveryReasonOfAPolicy) {
    const Row rows[] = {
        {"service account", Reason::requester_not_allowed,
         [](Case& c) { c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl"; },
         "requesters.serviceAccounts"},
        {"other service account", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl2";
             c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
         },
         "argocd:ctrl2"},
        {"no service account's name", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["requester"]["username"] = "system:serviceaccount:argocd/ctrl";
             c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
         },
         "service account"},
        {"on behalf of a service account", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["onBehalfOf"] = {{"username", "system:serviceaccount:argocd:ctrl"}};
             c.impersonation = Authorization::allowed;
         },
         "spec.onBehalfOf"},
        {"a service account on behalf of a person", Reason::requester_not_allowed,
         [](Case& c) {
             c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
             c.spec()["onBehalfOf"] = {{"username", "bob"}};
             c.impersonation = Authorization::allowed;
         },
         "requesters.serviceAccounts"},
        {"denied image", Reason::image_denied, [](Case& c) { c.rules()["images"]["deny"] = {"*:1.*"}; }, "*:1.*"},
        {"denied by the tag beside a digest", Reason::image_denied,
         [](Case& c) {
             c.spec()["image"] = "busybox:latest" + kDigest;
             c.rules()["images"]["deny"] = {"**:latest"};
         },
         "images.deny"},
        {"other image", Reason::image_not_allowed, [](Case& c) { c.spec()["image"] = "ghcr.io/busybox"; },
         "images.allow"},
        {"empty list", Reason::image_not_allowed, [](Case& c) { c.rules()["images"].erase("allow"); }, "(none)"},
        {"digest under an allowed tag", Reason::image_not_allowed,
         [](Case& c) {
             c.rules()["images"]["allow"] = {"busybox:1.36"};
             c.spec()["image"] = "busybox:1.36" + kDigest;
         },
         "images.allow"},
        {"digest wanted", Reason::digest_required, [](Case& c) { c.rules()["images"]["requireDigest"] = true; },
         "images.requireDigest"},
        {"profile", Reason::profile_not_allowed, [](Case& c) { c.spec()["profile"] = "netadmin"; }, "spec.profile"},
        {"unknown profile", Reason::profile_not_allowed, [](Case& c) { c.spec()["profile"] = "legacy"; }, "legacy"},
        {"no profiles", Reason::profile_not_allowed, [](Case& c) { c.rules().erase("profiles"); }, "(none)"},
        {"user 0", Reason::run_as_not_allowed, [](Case& c) { c.spec()["runAs"] = {{"user", 0}}; }, "runAs.minUser"},
        {"below the least user", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"user", 999}};
             c.rules()["runAs"] = {{"minUser", 1000}};
         },
         "999"},
        {"user 0 with restricted", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"user", 0}};
             c.rules()["runAs"] = {{"minUser", 0}};
         },
         "does not run as user 0"},
        {"match not allowed", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"matchTarget", true}};
             c.pod_spec()["securityContext"] = {{"runAsUser", 1000}};
         },
         "runAs.allowMatchTarget"},
        {"nothing to match", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"matchTarget", true}};
             c.rules()["runAs"] = {{"allowMatchTarget", true}};
         },
         "spec.runAs.user"},
        {"matched user is judged", Reason::run_as_not_allowed,
         [](Case& c) {
             c.spec()["runAs"] = {{"matchTarget", true}};
             c.rules()["runAs"] = {{"allowMatchTarget", true}, {"minUser", 1000}};
             c.pod_spec()["securityContext"] = {{"runAsUser", 999}};
         },
         "999"},
        {"env", Reason::env_not_allowed, [](Case& c) { c.spec()["env"] = {{{"name", "TERM"}, {"value", ""}}}; },
         "env.allowedNames"},
        {"second env", Reason::env_not_allowed,
         [](Case& c) {
             c.spec()["env"] = {{{"name", "TERM"}, {"value", ""}}, {{"name", "LD_PRELOAD"}, {"value", ""}}};
             c.rules()["env"] = {{"allowedNames", {"TERM"}}};
         },
         "LD_PRELOAD"},
        {"command", Reason::command_not_allowed,
         [](Case& c) {
             c.spec()["mode"] = "Command";
             c.spec()["command"] = {"sh"};
             c.rules()["commands"] = json::parse(R"([["ps","aux"],["ls"]])");
         },
         "spec.command"},
        {"half a prefix", Reason::command_not_allowed,
         [](Case& c) {
             c.spec()["mode"] = "Command";
             c.spec()["command"] = {"ps"};
             c.rules()["commands"] = json::parse(R"([["ps","aux"]])");
         },
         "spec.command"},
        {"arguments of an unknown entry point", Reason::command_not_allowed,
         [](Case& c) {
             c.spec()["mode"] = "Command";
             c.spec()["args"] = {"ps", "aux"};
             c.rules()["commands"] = json::parse(R"([["ps","aux"]])");
         },
         "spec.command"},
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
        {"no reason", Reason::reason_not_accepted,
         [](Case& c) {
             c.spec().erase("reason");
             c.rules()["reason"] = {{"required", true}};
         },
         "spec.reason"},
        {"no reason where there is a pattern", Reason::reason_not_accepted,
         [](Case& c) {
             c.spec().erase("reason");
             c.rules()["reason"] = {{"pattern", "^INC"}};
         },
         "^INC"},
        {"other reason", Reason::reason_not_accepted, [](Case& c) { c.rules()["reason"] = {{"pattern", "^OPS-"}}; },
         "reason.pattern"},
        {"deadline", Reason::deadline_too_long, [](Case& c) { c.spec()["deadlineSeconds"] = 14401; },
         "limits.maxDeadlineSeconds"},
        {"exclusive", Reason::session_exists,
         [](Case& c) {
             c.rules()["limits"]["exclusive"] = true;
             c.sessions.in_pod = {{"production/a", "side"}, {"production/b", "nginx"}};
         },
         "limits.exclusive"},
        {"exclusive, both in the default container", Reason::session_exists,
         [](Case& c) {
             c.rules()["limits"]["exclusive"] = true;
             c.sessions.in_pod = {{"production/a", ""}};
         },
         "production/a"},
        {"exclusive, as the Pod shows", Reason::session_exists,
         [](Case& c) {
             c.rules()["limits"]["exclusive"] = true;
             c.add_session("production/a", "nginx", R"({"running":{}})");
         },
         "production/a"},
        {"targets", Reason::too_many_targets,
         [](Case& c) { c.spec()["target"] = json::parse(R"({"selector":{"matchLabels":{"app":"web"}},"maxPods":6})"); },
         "limits.maxPods"},
        {"per Pod", Reason::limit_exceeded, [](Case& c) { c.sessions.in_pod = testing::others_in_pod(5); },
         "limits.maxPerPod"},
        {"per Pod, as the Pod shows", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 2;
             c.sessions.in_pod = {{"production/a", "side"}};
             c.add_session("production/b", "side", R"({"waiting":{"reason":"ContainerCreating"}})");
         },
         "limits.maxPerPod"},
        {"per Pod, one that waits for init containers", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 1;
             c.add_session("production/b", "side", R"({"waiting":{"reason":"PodInitializing"}})");
         },
         "limits.maxPerPod"},
        {"per Pod, one in a state that nobody knows", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 1;
             c.add_session("production/b", "side", "{}");
         },
         "limits.maxPerPod"},
        {"per Pod, one that has no status yet", Reason::limit_exceeded,
         [](Case& c) {
             c.rules()["limits"]["maxPerPod"] = 1;
             c.add_session("production/b", "side", "");
         },
         "limits.maxPerPod"},
        {"per namespace", Reason::limit_exceeded, [](Case& c) { c.sessions.in_namespace = 20; },
         "limits.maxActivePerNamespace"},
        {"per requester", Reason::limit_exceeded, [](Case& c) { c.sessions.by_requester = 5; },
         "limits.maxActivePerRequester"},
    };
    for (const Row& row : rows) {
        expect_denied(row);
        Case changed;
        row.change(changed);
        const Verdict verdict = changed.verdict();
        ASSERT_EQ(verdict.policies.size(), 1U);
        EXPECT_EQ(verdict.policies[0].reason, row.reason);
        EXPECT_EQ(verdict.policy->name, "main");
    }
}

TEST(Verdict, JustWithinTheRules) {
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
    expect_allowed("init container", [](Case& c) { c.spec()["target"]["container"] = "setup"; });
    expect_allowed("listed service account", [](Case& c) {
        c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
        c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
    });
    expect_allowed("any service account", [](Case& c) {
        c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
        c.rules()["requesters"] = {{"allowServiceAccounts", true}};
    });
    expect_allowed("a listed service account on behalf of a person", [](Case& c) {
        c.spec()["requester"]["username"] = "system:serviceaccount:argocd:ctrl";
        c.spec()["onBehalfOf"] = {{"username", "bob"}};
        c.rules()["requesters"] = {{"serviceAccounts", {"argocd/ctrl"}}};
        c.impersonation = Authorization::allowed;
    });
    expect_allowed("a user with an odd name",
                   [](Case& c) { c.spec()["requester"]["username"] = "system:serviceaccounts"; });
    expect_allowed("digest", [](Case& c) {
        c.spec()["image"] = "busybox" + kDigest;
        c.rules()["images"]["requireDigest"] = true;
    });
    expect_allowed("root where it may be", [](Case& c) {
        c.spec()["runAs"] = {{"user", 0}};
        c.spec()["profile"] = "baseline";
        c.rules()["runAs"] = {{"minUser", 0}};
    });
    expect_allowed("env by glob", [](Case& c) {
        c.spec()["env"] = {{{"name", "LC_ALL"}, {"value", "C"}}};
        c.rules()["env"] = {{"allowedNames", {"LC_*"}}};
    });
    expect_allowed("prefix across command and args", [](Case& c) {
        c.spec()["mode"] = "Command";
        c.spec()["command"] = {"ps"};
        c.spec()["args"] = {"aux", "more"};
        c.rules()["commands"] = json::parse(R"([["ls"],["ps","aux"]])");
    });
    expect_allowed("commands bind Command mode only", [](Case& c) { c.rules()["commands"] = {{"ls"}}; });
    expect_allowed("traits", [](Case& c) {
        c.pod_spec().update(json::parse(R"({"hostPID":true,"hostNetwork":true,"hostIPC":true})"));
        c.pod_spec()["containers"][0]["securityContext"] = {{"privileged", true}};
        c.rules()["targets"] =
            json::parse(R"({"allowHostPID":true,"allowHostNetwork":true,"allowHostIPC":true,"allowPrivileged":true})");
    });
    expect_allowed("optional reason", [](Case& c) {
        c.spec().erase("reason");
        c.rules()["reason"] = {{"required", false}, {"pattern", "^X"}};
    });
    expect_allowed("longest deadline", [](Case& c) { c.spec()["deadlineSeconds"] = 14400; });
    expect_allowed("exclusive, another container", [](Case& c) {
        c.rules()["limits"]["exclusive"] = true;
        c.sessions.in_pod = {{"production/a", "side"}};
        c.add_session("production/b", "side", R"({"running":{}})");
    });
    expect_allowed("exclusive, the other is over", [](Case& c) {
        c.rules()["limits"]["exclusive"] = true;
        c.add_session("production/b", "nginx", R"({"terminated":{"exitCode":0}})");
    });
    expect_allowed("exclusive, not the default container", [](Case& c) {
        c.rules()["limits"]["exclusive"] = true;
        c.sessions.in_pod = {{"production/a", ""}};
        c.spec()["target"]["container"] = "side";
    });
    expect_allowed("last places", [](Case& c) {
        c.sessions = {.in_namespace = 19, .by_requester = 4, .in_pod = testing::others_in_pod(4)};
    });
    expect_allowed("one session seen twice has one place", [](Case& c) {
        c.rules()["limits"]["maxPerPod"] = 2;
        c.sessions.in_pod = {{"production/a", ""}};
        c.add_session("production/a", "nginx", R"({"running":{}})");
    });
    expect_allowed("its own container, and what has no place", [](Case& c) {
        c.rules()["limits"]["maxPerPod"] = 1;
        c.rules()["limits"]["exclusive"] = true;
        c.add_session("production/r", "nginx", R"({"running":{}})");
        c.add_session("production/a", "nginx", R"({"waiting":{"reason":"ImagePullBackOff"}})");
        c.add_session("", "nginx", R"({"running":{}})");  // not one of Endoscope's
    });
    expect_allowed("as many targets as allowed", [](Case& c) {
        c.spec()["target"] = json::parse(R"({"selector":{"matchLabels":{"app":"web"}},"maxPods":5})");
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
    c.sessions = {.in_namespace = 0, .by_requester = 0, .in_pod = {{"production/a", "nginx"}}};
    c.labels = api::Labels{{"pod-security.kubernetes.io/enforce", "baseline"}};

    const std::pair<Reason, std::function<void()>> steps[] = {
        {Reason::invalid_spec, [&] { c.spec()["deadlineSeconds"] = 11; }},
        {Reason::invalid_image_reference, [&] { c.spec()["image"] = "evil/x"; }},
        {Reason::identity_missing, [&] { c.identity = IdentityCheck::invalid; }},
        {Reason::identity_invalid, [&] { c.identity = IdentityCheck::valid; }},
        {Reason::no_policy,
         [&] { c.rules()["namespaces"]["names"] = {"production"}, c.rules()["onExpiry"] = "EvictPod"; }},
        {Reason::policy_invalid, [&] { c.rules().erase("onExpiry"); }},
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
        {Reason::session_exists, [&] { c.sessions.in_pod = {{"production/a", "side"}}; }},
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
