#include "tests/integration/threat_fixture.hpp"

#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"

namespace endoscope::test {

namespace {

const std::string kRbac = "rbac.authorization.k8s.io";

json user(const std::string& name) {
    return {{"kind", "User"}, {"apiGroup", kRbac}, {"name", name}};
}

}  // namespace

void ThreatTest::bind(const std::string& cluster_role, const std::string& name) {
    const std::string binding =
        name.substr(name.rfind(':') + 1) + "-" + cluster_role.substr(cluster_role.rfind(':') + 1);
    make({{"apiVersion", kRbac + "/v1"},
          {"kind", "RoleBinding"},
          {"metadata", {{"name", binding}, {"namespace", ns_}}},
          {"roleRef", {{"apiGroup", kRbac}, {"kind", "ClusterRole"}, {"name", cluster_role}}},
          {"subjects", json::array({user(name)})}});
}

void ThreatTest::let_ask(const std::string& name) {
    const auto roles = kube::parse_yaml(read_text(std::string(ENDOSCOPE_MANIFESTS) + "/rbac/users.yaml"));
    ASSERT_TRUE(roles);
    for (const json& role : *roles) ASSERT_TRUE(admin().put_in_place(role));
    bind("endoscope-debugger", name);
}

void ThreatTest::wait_until_may_list(User& who, const std::string& path) {
    EXPECT_TRUE(eventually([&] { return who.request("GET", path).has_value(); })) << path;
}

User& ThreatTest::editor() {
    if (editor_is_bound_) return plane_->dave();
    // No controller runs here that would unite these in `edit`, which the model has as it is.
    for (const char* role : {"edit", "system:aggregate-to-edit", "system:aggregate-to-view"}) bind(role, "dave");
    let_ask("dave");
    wait_until_may_list(plane_->dave(), "/api/v1/namespaces/" + ns_ + "/pods");
    wait_until_may_list(plane_->dave(), "/apis/endoscope.dev/v1alpha1/namespaces/" + ns_ + "/debugrequests");
    editor_is_bound_ = true;
    return plane_->dave();
}

User& ThreatTest::robot() {
    if (robot_) return *robot_;
    const std::string name = "system:serviceaccount:" + ns_ + ":robot";
    const std::string token = plane_->is_real() ? token_of("robot") : "";
    plane_->derive_kubeconfig("robot-" + ns_, [&](json& config) {
        json& credentials = config["users"][0]["user"];
        if (!token.empty()) {
            credentials = {{"token", token}};
            return;
        }
        credentials["as"] = name;
        credentials["as-groups"] = {"system:serviceaccounts", "system:serviceaccounts:" + ns_, "system:authenticated"};
    });
    let_ask(name);
    robot_ = std::make_unique<User>(plane_->kubeconfig("robot-" + ns_));
    wait_until_may_list(*robot_, "/apis/endoscope.dev/v1alpha1/namespaces/" + ns_ + "/debugrequests");
    return *robot_;
}

json ThreatTest::forged_requester() {
    return {{"username", "alice"},
            {"uid", "00000000-0000-4000-8000-000000000000"},
            {"groups", {"developers", "system:authenticated", "system:masters"}},
            {"extra", {{"forged.example.com/role", {"admin"}}}},
            {"stampedAt", "2026-01-01T00:00:00Z"},
            {"seal", "v1.0000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}};
}

void ThreatTest::expect_denied(const std::string& name, const std::string& reason) {
    EXPECT_EQ(outcome(name), "Denied/" + reason) << name;
    EXPECT_FALSE(message(name).empty()) << name;
    EXPECT_EQ(containers_of(name), 0U) << name;
}

}  // namespace endoscope::test
