// What `kubectl apply -k manifests` installs: that the pieces fit together, and that an API server takes them.
#include "controller/admission.hpp"
#include "controller/operator.hpp"
#include "controller/seal_keys.hpp"
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

namespace endoscope::test {
namespace {

using kube::string_at;

const std::string kNamespace = "endoscope-system";

class Install : public testing::Test {
  protected:
    void SetUp() override { render(ENDOSCOPE_MANIFESTS); }

    void render(const std::string& directory) {
        Subprocess kustomize({"/bin/sh", "-c", R"(exec kubectl kustomize "$0")", directory},
                             ControlPlane::get().dir() + "/kustomize");
        ASSERT_EQ(kustomize.wait(std::chrono::seconds(30)), 0) << kustomize.err();
        auto rendered = kube::parse_yaml(kustomize.out());
        ASSERT_TRUE(rendered) << rendered.error().message;
        objects_ = std::move(*rendered);
        pod_ = find("Deployment", "endoscope-operator")["spec"]["template"];
        container_ = pod_["spec"]["containers"][0];
    }

    /// Every account that a role is bound to is the operator's, every such role is there, and none has a wildcard.
    void expect_roles_are_the_operators() const;
    void expect_flags_are_taken() const;

    /// null when there is none.
    json find(const std::string& kind, const std::string& name) const {
        const auto found = std::ranges::find_if(objects_, [&](const json& object) {
            return object["kind"] == kind && string_at(object, {"metadata", "name"}) == name;
        });
        return found == objects_.end() ? json() : *found;
    }
    std::vector<json> all(const std::string& kind) const {
        std::vector<json> some;
        std::ranges::copy_if(objects_, std::back_inserter(some),
                             [&](const json& object) { return object["kind"] == kind; });
        return some;
    }
    bool selects_the_pod(const json& labels) const {
        for (const auto& [key, value] : labels.items()) {
            if (string_at(pod_, {"metadata", "labels", key}) != value.get<std::string>()) return false;
        }
        return !labels.empty();
    }
    /// 0 when the container has no port of that name.
    int port_named(const std::string& name) const {
        for (const json& port : container_["ports"]) {
            if (port["name"] == name) return port["containerPort"];
        }
        return 0;
    }

    std::vector<json> objects_;
    json pod_;
    json container_;
};

TEST_F(Install, EverythingIsInOneNamespace) {
    EXPECT_FALSE(find("Namespace", kNamespace).is_null());
    const std::set<std::string> of_the_cluster = {"Namespace",
                                                  "CustomResourceDefinition",
                                                  "ClusterRole",
                                                  "ClusterRoleBinding",
                                                  "MutatingWebhookConfiguration",
                                                  "ValidatingWebhookConfiguration",
                                                  "ValidatingAdmissionPolicy",
                                                  "ValidatingAdmissionPolicyBinding"};
    for (const json& object : objects_) {
        const bool is_of_the_cluster = of_the_cluster.contains(object["kind"].get<std::string>());
        EXPECT_EQ(string_at(object, {"metadata", "namespace"}), is_of_the_cluster ? "" : kNamespace) << object;
    }
}

TEST_F(Install, TheWebhooksReachTheOperatorThroughItsService) {
    int hooks = 0;
    for (const char* kind : {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}) {
        for (const json& hook : find(kind, "endoscope")["webhooks"]) {
            ++hooks;
            const json& reference = hook["clientConfig"]["service"];
            EXPECT_EQ(reference["namespace"], kNamespace);
            const std::string path = reference["path"];
            EXPECT_TRUE(path == controller::kMutatePath || path == controller::kValidatePath) << path;
            const json service = find("Service", reference["name"]);
            ASSERT_FALSE(service.is_null()) << reference;
            EXPECT_TRUE(selects_the_pod(service["spec"]["selector"])) << service;
            const json& port = service["spec"]["ports"][0];
            EXPECT_EQ(port["port"], reference.value("port", 443));
            EXPECT_EQ(port_named(port["targetPort"]), 9443) << "the default of --webhook-port";
            EXPECT_EQ(hook["failurePolicy"], "Fail");
            EXPECT_LE(hook["timeoutSeconds"].get<int>(), 5);
            // Nothing but our own kinds may ever wait for us.
            for (const json& rule : hook["rules"]) EXPECT_EQ(rule["apiGroups"], json({"endoscope.dev"}));
        }
    }
    EXPECT_GE(hooks, 2);
    EXPECT_EQ(port_named(find("Service", "endoscope-metrics")["spec"]["ports"][0]["targetPort"]), 8443);
}

TEST_F(Install, ProbesAndTheNetworkPolicyNamePortsThatThereAre) {
    for (const char* probe : {"livenessProbe", "readinessProbe"}) {
        EXPECT_EQ(port_named(container_[probe]["httpGet"]["port"]), 8081) << probe;
    }
    std::set<int> open;
    for (const json& policy : all("NetworkPolicy")) {
        EXPECT_TRUE(selects_the_pod(policy["spec"]["podSelector"]["matchLabels"])) << policy;
        for (const json& rule : policy["spec"]["ingress"]) {
            for (const json& port : rule["ports"]) {
                open.insert(port["port"].get<int>());
                // Metrics are for those who are let in by name.
                if (port["port"] == 8443) EXPECT_TRUE(rule.contains("from")) << rule;
            }
        }
    }
    EXPECT_EQ(open, (std::set<int>{8081, 8443, 9443}));
    EXPECT_EQ(container_["ports"].size(), open.size());
}

void Install::expect_roles_are_the_operators() const {
    const std::string account = pod_["spec"]["serviceAccountName"];
    EXPECT_FALSE(find("ServiceAccount", account).is_null());
    int bindings = 0;
    for (const char* kind : {"RoleBinding", "ClusterRoleBinding"}) {
        for (const json& binding : all(kind)) {
            ++bindings;
            EXPECT_FALSE(find(binding["roleRef"]["kind"], binding["roleRef"]["name"]).is_null()) << binding;
            EXPECT_EQ(binding["subjects"], json::parse(R"([{"kind":"ServiceAccount","name":")" + account +
                                                       R"(","namespace":")" + kNamespace + R"("}])"));
        }
    }
    EXPECT_GE(bindings, 2);
    for (const char* kind : {"Role", "ClusterRole"}) {
        for (const json& role : all(kind)) EXPECT_FALSE(role["rules"].dump().contains('*')) << role;
    }
}

TEST_F(Install, TheOperatorRunsAsItsAccountWithItsRolesAndNothingElse) {
    expect_roles_are_the_operators();
    bool names_the_key = false;
    for (const json& rule : find("Role", "endoscope-operator")["rules"]) {
        if (rule["resources"] != json({"secrets"})) continue;
        // RBAC cannot limit a creation by name, and nothing else is without one.
        if (!rule.contains("resourceNames")) EXPECT_EQ(rule["verbs"], json({"create"})) << rule;
        const json names = rule.value("resourceNames", json::array());
        names_the_key = names_the_key || std::ranges::find(names, json(controller::kSealSecret)) != names.end();
    }
    EXPECT_TRUE(names_the_key);
    for (const json& rule : find("ClusterRole", "endoscope-operator")["rules"]) {
        EXPECT_FALSE(rule["resources"].dump().contains("secrets")) << rule;
    }
}

void Install::expect_flags_are_taken() const {
    std::vector<std::string> argv = {ENDOSCOPE_OPERATOR};
    for (const json& argument : container_["args"]) argv.push_back(argument);
    argv.insert(argv.end(), {"--kubeconfig", "/nowhere/kubeconfig"});
    Subprocess process(argv, ControlPlane::get().dir() + "/flags");
    EXPECT_EQ(process.wait(std::chrono::seconds(20)), 1) << "2 would be a flag: " << process.err();
    EXPECT_TRUE(process.err().contains("/nowhere/kubeconfig")) << process.err();
}

TEST_F(Install, ItsFlagsAreOnesThatItTakes) {
    expect_flags_are_taken();
    EXPECT_GT(pod_["spec"]["terminationGracePeriodSeconds"].get<int>(), 30) << "the default of --shutdown-timeout";
    for (const json& mount : container_.value("volumeMounts", json::array())) {
        EXPECT_EQ(mount["readOnly"], true) << mount;
        EXPECT_TRUE(container_["args"].dump().contains(mount["mountPath"].get<std::string>())) << mount;
    }
}

/// With every component that gives a right.
class InstallOptIns : public Install {
  protected:
    void SetUp() override {
        const std::string directory = ControlPlane::get().dir() + "/opt-ins";
        std::filesystem::create_directory(directory);
        const std::string base = std::filesystem::relative(ENDOSCOPE_MANIFESTS, directory);
        json overlay = {{"resources", {base}}, {"components", json::array()}};
        for (const char* const name : {"terminate", "evict", "retention"}) {
            overlay["components"].push_back(base + "/" + name);
        }
        std::ofstream(directory + "/kustomization.yaml") << kube::dump_json(overlay);
        render(directory);
    }

    static bool has(const json& list, const std::string& text) {
        return std::ranges::find(list, json(text)) != list.end();
    }
    bool is_granted(const std::string& resource, const std::string& verb) const {
        return std::ranges::any_of(all("ClusterRole"), [&](const json& role) {
            return std::ranges::any_of(role["rules"], [&](const json& rule) {
                return rule.contains("resources") && has(rule["resources"], resource) && has(rule["verbs"], verb);
            });
        });
    }
};

TEST_F(InstallOptIns, TheirRightsAreTheOperatorsAndTheirFlagsAreTaken) {
    expect_roles_are_the_operators();
    expect_flags_are_taken();
    EXPECT_TRUE(has(container_["args"], "--retain-finished=720h")) << container_;
    for (const char* const resource : {"pods/exec", "pods/eviction"}) {
        EXPECT_TRUE(is_granted(resource, "create")) << resource;
    }
    // A user's role has it, too.
    const json removal = find("ClusterRole", "endoscope-retention");
    EXPECT_EQ(removal["rules"][0]["verbs"], json({"delete"}));
}

TEST_F(Install, TheRightsOfTheComponentsAreNotThereWithoutThem) {
    for (const json& role : all("ClusterRole")) {
        if (!string_at(role, {"metadata", "name"}).starts_with("endoscope-operator")) continue;
        const std::string rules = role["rules"].dump();
        for (const char* const right : {"pods/exec", "pods/eviction", "delete"}) {
            EXPECT_FALSE(rules.contains(right)) << right;
        }
    }
    EXPECT_FALSE(container_["args"].dump().contains("--retain-finished"));
}

TEST_F(Install, AnApiServerTakesEverything) {
    if (!ControlPlane::get().is_real()) GTEST_SKIP() << "the model API server has not all of these kinds";
    EndoscopeTest::end_operator();  // of another suite, when they all run in one process
    json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", json::array()}};
    for (const json& object : objects_) {
        // Its CRDs are not ours to install.
        if (!string_at(object, {"apiVersion"}).starts_with("cert-manager.io/")) list["items"].push_back(object);
    }
    const std::string file = ControlPlane::get().dir() + "/rendered.json";
    std::ofstream(file) << kube::dump_json(list);
    Subprocess apply(
        {"/bin/sh", "-c",
         R"(exec kubectl --kubeconfig "$0" apply --server-side --force-conflicts --validate=strict -f "$1")",
         ControlPlane::get().kubeconfig("admin"), file},
        ControlPlane::get().dir() + "/apply");
    EXPECT_EQ(apply.wait(std::chrono::seconds(60)), 0) << apply.err();
    EXPECT_FALSE(apply.err().contains("Warning")) << apply.err();
    // Its namespace enforces `restricted`, and its own Pod passes.
    json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", pod_["metadata"]}, {"spec", pod_["spec"]}};
    pod["metadata"]["name"] = "operator";
    pod["metadata"]["namespace"] = kNamespace;
    const auto created = ControlPlane::get().admin().create(pod);
    EXPECT_TRUE(created) << created.error().message;
    pod["metadata"]["name"] = "weaker";
    pod["spec"]["containers"][0]["securityContext"].erase("capabilities");
    const auto refused = ControlPlane::get().admin().create(pod);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.contains("violates PodSecurity")) << refused.error().message;
}

}  // namespace
}  // namespace endoscope::test
