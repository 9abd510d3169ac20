// Requests for several Pods: a policy accepts all of them or none, and each is a session.

#include "tests/unit/controller/verdict_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::json;

/// Pods "web" and "web-2".
Case two_pods() {
    Case c;
    c.another_pod("web-2");
    return c;
}

void expect_same_container_but_for_its_name(const ContainerPlan& left, ContainerPlan right) {
    EXPECT_NE(left.name, right.name);
    right.name = left.name;
    EXPECT_EQ(left, right);
}

TEST(VerdictPods, AContainerForEachInTheirOrder) {
    Case c = two_pods();
    Verdict verdict = c.verdict();
    EXPECT_TRUE(verdict.allowed) << verdict.message;
    EXPECT_EQ(verdict.message, "allowed by policy \"main\"");
    ASSERT_EQ(verdict.containers.size(), 2U);
    const auto request = *api::parse_debug_request(c.request);
    EXPECT_EQ(verdict.containers[0].name, container_name(request, "pu"));
    EXPECT_EQ(verdict.containers[1].name, container_name(request, "web-2-uid"));
    expect_same_container_but_for_its_name(verdict.containers[0], verdict.containers[1]);

    c.spec()["containerName"] = "debug";
    verdict = c.verdict();
    EXPECT_EQ(verdict.containers.at(0).name, "debug");
    EXPECT_EQ(verdict.containers.at(1).name, "debug");
}

TEST(VerdictPods, EachHasItsOwnDefaultContainerAndUser) {
    Case c;
    c.rules()["runAs"] = {{"allowMatchTarget", true}};
    c.spec()["runAs"] = {{"matchTarget", true}};
    c.pod_spec()["securityContext"] = {{"runAsUser", 1000}, {"runAsGroup", 2000}};
    json& second = c.another_pod("web-2");
    second["metadata"]["annotations"] = {{"kubectl.kubernetes.io/default-container", "side"}};
    second["spec"]["containers"][1]["securityContext"] = {{"runAsUser", 1001}};
    const Verdict verdict = c.verdict();
    ASSERT_EQ(verdict.containers.size(), 2U) << verdict.message;
    EXPECT_EQ(verdict.containers[0].target_container, "nginx");
    EXPECT_EQ(verdict.containers[0].security_context.run_as_user, 1000);
    EXPECT_EQ(verdict.containers[1].target_container, "side");
    EXPECT_EQ(verdict.containers[1].security_context.run_as_user, 1001);
    EXPECT_EQ(verdict.containers[1].security_context.run_as_group, 2000);
}

/// A change of one Pod, for which all are denied.
struct Row {
    const char* what;
    Reason reason;
    std::function<void(json& pod)> change;
    const char* mentions;  ///< After `Pod "<name>"`.
};

const Row kRows[] = {
    {"container", Reason::container_not_found, [](json& pod) { pod["spec"]["containers"] = {{{"name", "db"}}}; },
     " has no container \"nginx\"; it has db"},
    {"node", Reason::target_not_scheduled, [](json& pod) { pod["spec"].erase("nodeName"); }, " is not assigned"},
    {"phase", Reason::target_not_running, [](json& pod) { pod["status"]["phase"] = "Pending"; }, " is not running"},
    {"terminating", Reason::target_terminating,
     [](json& pod) { pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"; }, " is being deleted"},
    {"ended", Reason::target_terminated, [](json& pod) { pod["status"]["phase"] = "Failed"; }, " has ended"},
    {"static", Reason::target_static,
     [](json& pod) { pod["metadata"]["annotations"] = {{"kubernetes.io/config.mirror", "x"}}; }, " is a static Pod"},
    {"windows", Reason::target_windows, [](json& pod) { pod["spec"]["os"] = {{"name", "windows"}}; }, " runs on"},
    {"no user to match", Reason::run_as_not_allowed, [](json& pod) { pod["spec"].erase("securityContext"); },
     " does not say which user"},
    {"matched user", Reason::run_as_not_allowed, [](json& pod) { pod["spec"]["securityContext"]["runAsUser"] = 99; },
     " is below runAs.minUser"},
    {"labels", Reason::target_not_allowed, [](json& pod) { pod["metadata"]["labels"]["tier"] = "db"; },
     " with these labels is not allowed by targets.podSelector"},
    {"service account", Reason::target_not_allowed, [](json& pod) { pod["spec"]["serviceAccountName"] = "admin"; },
     " that runs as service account \"admin\" is not allowed"},
    {"hostPID", Reason::target_host_pid, [](json& pod) { pod["spec"]["hostPID"] = true; }, " shares the node's"},
    {"hostNetwork", Reason::target_host_network, [](json& pod) { pod["spec"]["hostNetwork"] = true; }, " shares"},
    {"hostIPC", Reason::target_host_ipc, [](json& pod) { pod["spec"]["hostIPC"] = true; }, " shares"},
    {"privileged", Reason::target_privileged,
     [](json& pod) { pod["spec"]["containers"][1]["securityContext"] = {{"privileged", true}}; },
     " has a privileged container"},
    {"exclusive", Reason::session_exists,
     [](json& pod) {
         pod["spec"]["ephemeralContainers"] = json::parse(R"([{"name":"d","targetContainerName":"nginx",
             "env":[{"name":"ENDOSCOPE_REQUEST","value":"production/a"}]}])");
     },
     ", and policy \"main\" allows one at a time"},
    {"pod security", Reason::pod_security_violation,
     [](json& pod) { pod["spec"]["containers"][1]["securityContext"] = {{"capabilities", {{"add", {"SYS_ADMIN"}}}}}; },
     " as it is breaks the rules of its namespace"},
};

/// Two Pods, and rules that hold for both.
Case with_rules() {
    Case c;
    c.spec()["target"]["container"] = "nginx";
    c.spec()["runAs"] = {{"matchTarget", true}};
    c.pod_spec()["securityContext"] = {{"runAsUser", 1000}};
    c.labels = api::Labels{{"pod-security.kubernetes.io/enforce", "baseline"}};
    c.rules().update(json::parse(R"({"runAs":{"allowMatchTarget":true,"minUser":100},"limits":{"exclusive":true},
        "targets":{"podSelector":{"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]},
          "allowServiceAccounts":["web"]}})"));
    c.another_pod("web-2");
    return c;
}

TEST(VerdictPods, OneThatIsRefusedRefusesAllAndIsNamed) {
    EXPECT_TRUE(with_rules().verdict().allowed) << with_rules().verdict().message;
    for (const Row& row : kRows) {
        for (const bool is_first : {true, false}) {
            Case c = with_rules();
            row.change(is_first ? c.pod : c.more_pods[0]);
            const Verdict verdict = c.verdict();
            EXPECT_FALSE(verdict.allowed) << row.what;
            EXPECT_TRUE(verdict.containers.empty()) << row.what;
            EXPECT_EQ(verdict.reason, row.reason) << row.what << ": " << verdict.message;
            const std::string named = std::string(is_first ? "Pod \"web\"" : "Pod \"web-2\"") + row.mentions;
            EXPECT_TRUE(verdict.message.contains(named)) << row.what << ": " << verdict.message;
            EXPECT_FALSE(verdict.message.contains(is_first ? "\"web-2\"" : "\"web\"")) << verdict.message;
        }
    }
}

TEST(VerdictPods, OneThatWasChosenByLabelIsNamedToo) {
    Case c = with_rules();
    c.more_pods.clear();
    c.pod_spec()["hostPID"] = true;
    EXPECT_TRUE(c.verdict().message.contains("Pod \"web\" shares")) << c.verdict().message;
    c.spec()["target"] = {{"podName", "web"}};
    EXPECT_TRUE(c.verdict().message.contains("the Pod shares")) << c.verdict().message;
}

TEST(VerdictPods, OfSeveralThatAreRefusedTheFirstSaysWhy) {
    Case c = with_rules();
    c.pod_spec()["hostIPC"] = true;
    c.more_pods[0]["spec"]["hostPID"] = true;
    EXPECT_EQ(c.verdict().reason, Reason::target_host_ipc);
    std::swap(c.pod, c.more_pods[0]);
    EXPECT_EQ(c.verdict().reason, Reason::target_host_pid);
}

TEST(VerdictPods, TwoPoliciesThatAcceptHalfOfThemAcceptNothing) {
    Case c = two_pods();
    c.more_pods[0]["metadata"]["labels"] = {{"app", "web"}, {"tier", "db"}};
    json& other = c.another_policy("other");
    c.rules()["targets"] =
        json::parse(R"({"podSelector":{"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}})");
    other["spec"]["targets"] = json::parse(R"({"podSelector":{"matchLabels":{"tier":"db"}}})");
    const Verdict verdict = c.verdict();
    EXPECT_EQ(verdict.reason, Reason::target_not_allowed);
    ASSERT_EQ(verdict.policies.size(), 2U);
    EXPECT_TRUE(verdict.policies[0].message.contains("Pod \"web-2\"")) << verdict.policies[0].message;
    EXPECT_TRUE(verdict.policies[1].message.contains("Pod \"web\"")) << verdict.policies[1].message;

    c.another_policy("whole")["spec"].erase("targets");
    EXPECT_EQ(c.verdict().policy->name, "whole");
    EXPECT_EQ(c.verdict().containers.size(), 2U);
}

/// Gives a Pod, or a policy, those of two traits that the bits of `traits` name.
void set_traits(json& spec, unsigned traits, const std::array<const char*, 2>& fields) {
    for (unsigned bit = 0; bit < 2; ++bit) {
        if ((traits >> bit & 1U) != 0) spec[fields.at(bit)] = true;
    }
}

TEST(VerdictPods, AllowedTogetherWhereOnePolicyAllowsEachAlone) {
    const auto alone = [](Case c, const json& pod, const json& policy) {
        c.pod = pod;
        c.policy = policy;
        c.more_pods.clear();
        c.more_policies.clear();
        return c.verdict().allowed;
    };
    int allowed = 0;
    for (unsigned traits = 0; traits < 256; ++traits) {
        Case c = two_pods();
        c.another_policy("other");
        set_traits(c.pod_spec(), traits, {"hostPID", "hostIPC"});
        set_traits(c.more_pods[0]["spec"], traits >> 2U, {"hostPID", "hostIPC"});
        set_traits(c.rules()["targets"], traits >> 4U, {"allowHostPID", "allowHostIPC"});
        set_traits(c.more_policies[0]["spec"]["targets"], traits >> 6U, {"allowHostPID", "allowHostIPC"});
        const bool expected = std::ranges::any_of(std::array{c.policy, c.more_policies[0]}, [&](const json& policy) {
            return alone(c, c.pod, policy) && alone(c, c.more_pods[0], policy);
        });
        ASSERT_EQ(c.verdict().allowed, expected) << traits;
        allowed += expected ? 1 : 0;
    }
    EXPECT_GT(allowed, 50);
    EXPECT_LT(allowed, 250);
}

TEST(VerdictPods, EachIsASession) {
    struct Limit {
        const char* what;
        std::function<void(Case&)> last_places;  ///< Two are left.
        std::function<void(Case&)> one_more;
        const char* mentions;
    };
    const Limit limits[] = {
        {"namespace", [](Case& c) { c.sessions.in_namespace = 18; }, [](Case& c) { c.sessions.in_namespace = 19; },
         "19 sessions are active in the namespace, the request is for 2 more (one in each Pod), and policy \"main\" "
         "allows 20 (limits.maxActivePerNamespace); ask for fewer Pods or again later"},
        {"requester", [](Case& c) { c.sessions.by_requester = 3; }, [](Case& c) { c.sessions.by_requester = 4; },
         "4 sessions are active by this requester, the request is for 2 more (one in each Pod), and policy \"main\" "
         "allows 5 (limits.maxActivePerRequester)"},
        {"a limit below the number of Pods", [](Case& c) { c.rules()["limits"]["maxActivePerRequester"] = 2; },
         [](Case& c) { c.rules()["limits"]["maxActivePerRequester"] = 1; }, "0 sessions are active by this requester"},
        {"first Pod", [](Case& c) { c.sessions.in_pod["web"] = testing::others_in_pod(4); },
         [](Case& c) { c.sessions.in_pod["web"] = testing::others_in_pod(5); },
         "5 sessions are active in Pod \"web\", and policy \"main\" allows 5 (limits.maxPerPod); ask again when"},
        {"second Pod", [](Case& c) { c.sessions.in_pod["web-2"] = testing::others_in_pod(4); },
         [](Case& c) { c.sessions.in_pod["web-2"] = testing::others_in_pod(5); },
         "5 sessions are active in Pod \"web-2\""},
    };
    for (const Limit& limit : limits) {
        Case c = two_pods();
        limit.last_places(c);
        EXPECT_TRUE(c.verdict().allowed) << limit.what << ": " << c.verdict().message;
        limit.one_more(c);
        EXPECT_EQ(c.verdict().reason, Reason::limit_exceeded) << limit.what;
        EXPECT_TRUE(c.verdict().message.contains(limit.mentions)) << c.verdict().message;
    }
    // Sessions of a Pod that is not asked for have their places in the namespace only.
    Case c = two_pods();
    c.sessions.in_pod["web-3"] = testing::others_in_pod(9);
    EXPECT_TRUE(c.verdict().allowed);
}

TEST(VerdictPods, ExclusiveIsForTheContainerOfEach) {
    Case c = two_pods();
    c.rules()["limits"]["exclusive"] = true;
    c.sessions.in_pod["web-2"] = {{"production/a", "side"}};
    EXPECT_TRUE(c.verdict().allowed);
    c.sessions.in_pod["web-2"]["production/b"] = "";
    EXPECT_EQ(c.verdict().reason, Reason::session_exists);
    EXPECT_TRUE(c.verdict().message.contains(
        "\"production/b\" has a session open in container \"nginx\" of Pod \"web-2\", and"))
        << c.verdict().message;
}

TEST(VerdictPods, MaxPodsOfTheRequestIsJudgedWhateverWasFound) {
    Case c = two_pods();
    c.rules()["limits"]["maxPods"] = 2;
    EXPECT_TRUE(c.verdict().allowed);
    c.spec()["target"]["maxPods"] = 3;
    EXPECT_EQ(c.verdict().reason, Reason::too_many_targets);
}

TEST(VerdictPods, WarningsAreNotRepeated) {
    Case c = two_pods();
    c.another_pod("web-3");
    ASSERT_EQ(c.verdict().warnings.size(), 1U);
    EXPECT_TRUE(c.verdict().warnings[0].contains("and Pod \"web\" (and 2 more) names none")) << c.verdict().warnings[0];

    c.pod_spec()["securityContext"] = {{"runAsUser", 1000}};
    c.more_pods[0]["spec"]["securityContext"] = {{"runAsUser", 0}};
    const auto warnings = c.verdict().warnings;
    ASSERT_EQ(warnings.size(), 2U);
    EXPECT_TRUE(warnings[0].contains("Pod \"web-3\" names none")) << warnings[0];
    EXPECT_TRUE(warnings[1].contains("Pod \"web-2\" runs as user 0")) << warnings[1];
}

TEST(VerdictPods, WhoIsNotAuthorisedIsToldOfNone) {
    Case denied = two_pods();
    denied.pod_permission = Authorization::denied;
    Case none = denied;
    none.pod = nullptr;
    none.more_pods.clear();
    EXPECT_EQ(denied.verdict().message, none.verdict().message);
    EXPECT_EQ(denied.verdict().reason, Reason::not_authorized);
    EXPECT_FALSE(denied.verdict().message.contains("web")) << denied.verdict().message;

    // Nor is whoever nobody has asked about yet, whatever is known of the Pods.
    Case unknown = with_rules();
    unknown.pod_permission.reset();
    for (const Row& row : kRows) {
        Case c = unknown;
        row.change(c.more_pods[0]);
        EXPECT_FALSE(c.denial_without_look_ups()) << row.what;
    }
}

TEST(VerdictPods, WithoutThemOnlyTheRestIsJudged) {
    Case c = two_pods();
    c.pod_looked_up = false;
    EXPECT_EQ(std::get<Need>(c.judge_or_need()).what, Need::What::pods);
    c.sessions.in_namespace = 19;
    EXPECT_FALSE(c.denial_without_look_ups());  // There may be one only.
    c.sessions.in_namespace = 20;
    ASSERT_TRUE(c.denial_without_look_ups());
    EXPECT_EQ(c.denial_without_look_ups()->reason, Reason::limit_exceeded);
    c.pod_looked_up = true;
    c.pod = nullptr;
    c.more_pods.clear();
    EXPECT_EQ(c.verdict().reason, Reason::target_not_found);
}

}  // namespace
}  // namespace endoscope::controller
