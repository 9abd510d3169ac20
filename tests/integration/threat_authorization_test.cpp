// Attackers who use the operator's rights instead of their own (docs/security.md, H1, H2, H32).
#include "kube/base/json.hpp"
#include "tests/integration/granted.hpp"
#include "tests/integration/threat_fixture.hpp"

#include <algorithm>

namespace endoscope::test {
namespace {

class ThreatAuthorization : public ThreatTest {
  protected:
    /// All that a status says, but for times and for the Pod's name, which its author wrote himself.
    std::string told(const std::string& name, const std::string& pod_name) {
        json status = stored(name)["status"];
        status.erase("finishedAt");
        for (json& condition : status["conditions"]) condition.erase("lastTransitionTime");
        std::string text = kube::dump_json(status);
        for (std::size_t at = 0; (at = text.find(pod_name, at)) != std::string::npos;)
            text.replace(at, pod_name.size(), "*");
        return text;
    }
    /// A namespace that nobody but the administrator has rights in, with a Pod and a policy.
    std::string other_namespace() {
        std::string other = ns_ + "-other";
        make({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", other}}}});
        json victim = pod("victim");
        victim["metadata"]["namespace"] = other;
        make(victim);
        EXPECT_TRUE(admin().merge(policy_path(ns_), {{"spec", {{"namespaces", {{"names", {ns_, other}}}}}}}));
        return other;
    }
};

TEST_F(ThreatAuthorization, H1AnEditorCannotInjectPastTheOperator) {
    const json container = {{"name", "mine"}, {"image", "busybox:1"}};
    const json patch = {{"spec", {{"ephemeralContainers", json::array({container})}}}};
    for (User* const attacker : {&bob(), &editor(), &robot()}) {
        const auto patched = attacker->request("PATCH", pod_path("web") + "/ephemeralcontainers", patch,
                                               std::string(kube::patch::kStrategicMerge));
        ASSERT_FALSE(patched);
        EXPECT_EQ(patched.error().http_status, 403) << patched.error().message;
    }
    // Nor by way of the Pod itself, which an editor may write.
    const auto patched = editor().request("PATCH", pod_path("web"), patch, std::string(kube::patch::kStrategicMerge));
    EXPECT_TRUE(injected("web").empty()) << patched.has_value();
}

TEST_F(ThreatAuthorization, H2WhoMayOnlyAskGetsNothingAndIsToldNothing) {
    const std::size_t before = plane_->is_real() ? plane_->audit_log().size() : 0;
    const std::vector<std::pair<std::string, User*>> attackers = {
        {"bob", &bob()}, {"dave", &editor()}, {"robot", &robot()}};
    for (const auto& [who, attacker] : attackers) {
        ASSERT_TRUE(attacker->create(request(who + "-there")));
        ASSERT_TRUE(attacker->create(request(who + "-nowhere", {{"target", {{"podName", "nope"}}}})));
        expect_denied(who + "-there", "NotAuthorized");
        expect_denied(who + "-nowhere", "NotAuthorized");
        EXPECT_EQ(told(who + "-there", "web"), told(who + "-nowhere", "nope"));
        EXPECT_FALSE(stored(who + "-there")["status"].contains("targets"));
    }
    EXPECT_TRUE(injected("web").empty());
    if (!plane_->is_real()) return;
    // The operator runs as the administrator here, and only it reviews access. It did not even look at the Pod.
    for (const Access& done : accesses(plane_->audit_log().substr(before), "admin")) {
        EXPECT_NE(done.resource, "pods/ephemeralcontainers") << done.text();
        EXPECT_NE(done.text(), "get pods \"nope\" in " + ns_ + ": 404");
    }
}

TEST_F(ThreatAuthorization, H2ARequestReachesNoOtherNamespace) {
    const std::string other = other_namespace();
    json elsewhere = request("elsewhere", {{"target", {{"podName", "victim"}}}});
    elsewhere["metadata"]["namespace"] = other;
    const auto refused = alice().create(elsewhere);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().http_status, 403) << "the API server does not let her ask there";
    // What names another namespace in some other way is no Pod's name.
    for (const std::string& name :
         {other + "/victim", "../" + other + "/pods/victim", std::string(".."), "victim?namespace=" + other}) {
        const auto created = alice().create(request("crooked", {{"target", {{"podName", name}}}}));
        ASSERT_FALSE(created) << name;
        EXPECT_EQ(created.error().http_status, 422) << created.error().message;
    }
    ASSERT_TRUE(alice().create(request("pruned", {{"target", {{"namespace", other}, {"podName", "victim"}}}})));
    expect_denied("pruned", "TargetNotFound");
    const auto victim = admin().get("/api/v1/namespaces/" + other + "/pods/victim");
    EXPECT_FALSE(victim["spec"].contains("ephemeralContainers"));
}

TEST_F(ThreatAuthorization, H2AServiceAccountNeedsMoreThanTheRight) {
    robot();
    const json debug = {{"apiGroups", {""}}, {"resources", {"pods/ephemeralcontainers"}}, {"verbs", {"patch"}}};
    const std::string account = "system:serviceaccount:" + ns_ + ":robot";
    const std::string group = "rbac.authorization.k8s.io";
    make({{"apiVersion", group + "/v1"},
          {"kind", "Role"},
          {"metadata", {{"name", "debug"}, {"namespace", ns_}}},
          {"rules", json::array({debug})}});
    make({{"apiVersion", group + "/v1"},
          {"kind", "RoleBinding"},
          {"metadata", {{"name", "debug"}, {"namespace", ns_}}},
          {"roleRef", {{"apiGroup", group}, {"kind", "Role"}, {"name", "debug"}}},
          {"subjects", {{{"kind", "ServiceAccount"}, {"name", "robot"}, {"namespace", ns_}}}}});
    const json review = {{"spec",
                          {{"user", account},
                           {"resourceAttributes",
                            {{"namespace", ns_},
                             {"verb", "patch"},
                             {"resource", "pods"},
                             {"subresource", "ephemeralcontainers"},
                             {"name", "web"}}}}}};
    ASSERT_TRUE(eventually([&] {
        const auto answer = admin().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review);
        return answer && (*answer)["status"]["allowed"] == true;
    }));
    ASSERT_TRUE(robot().create(request("unnamed")));
    expect_denied("unnamed", "RequesterNotAllowed");
    // Another account of that name in another namespace is not the one that is named.
    add_policy("other", {{"requesters", {{"serviceAccounts", {"default/robot"}}}}});
    ASSERT_TRUE(robot().create(request("other", {{"image", image_of("other", "tools:1")}})));
    expect_denied("other", "RequesterNotAllowed");
    add_policy("named", {{"requesters", {{"serviceAccounts", {ns_ + "/robot"}}}}});
    ASSERT_TRUE(robot().create(request("named", {{"image", image_of("named", "tools:1")}})));
    EXPECT_EQ(outcome("named"), "Succeeded/Completed");
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(ThreatAuthorization, H32ADenialDisclosesNoPolicyToWhoIsNotAuthorised) {
    add_policy("hidden", {{"authorization", "UsePolicy"},
                          {"images", {{"allow", {"registry.example.com/secret-project/**"}}}},
                          {"reason", {{"pattern", "^CODEWORD-[0-9]+"}}}});
    const std::string other = "unrelated-" + ns_;
    json unrelated = json::parse(R"({"apiVersion":"endoscope.dev/v1alpha1","kind":"DebugPolicy","spec":{
        "images":{"allow":["registry.example.com/other-tenant/**"]},"profiles":["restricted"]}})");
    unrelated["metadata"] = {{"name", other}};
    unrelated["spec"]["namespaces"] = {{"names", {"other-tenant"}}};
    make(unrelated);
    const std::vector<std::pair<std::string, User*>> attackers = {{"bob", &bob()}, {"dave", &editor()}};
    for (const auto& [name, attacker] : attackers) {
        ASSERT_TRUE(attacker->create(request(name, {{"image", "busybox:1"}})));
        expect_denied(name, "NotAuthorized");
        const std::string seen = kube::dump_json(stored(name));
        std::string events;
        ASSERT_TRUE(eventually([&] {
            events = kube::dump_json(admin().get("/apis/events.k8s.io/v1/namespaces/" + ns_ + "/events"));
            return events.contains("NotAuthorized");
        }));
        for (const std::string& secret : {std::string("secret-project"), std::string("CODEWORD"),
                                          std::string("other-tenant"), std::string("dotbalo"), other}) {
            EXPECT_FALSE(seen.contains(secret)) << secret << " in " << seen;
            EXPECT_FALSE(events.contains(secret)) << secret << " in " << events;
        }
    }
    EXPECT_TRUE(admin().remove(policy_path(other)));
}

}  // namespace
}  // namespace endoscope::test
