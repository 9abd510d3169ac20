// The fence: what only Endoscope, those who break the glass and administrators may write. Only a real API server has
// ValidatingAdmissionPolicies; on the model it is tested that the operator says so.
#include "kube/base/json.hpp"
#include "kube/base/yaml.hpp"
#include "tests/integration/fixture.hpp"

#include <map>
#include <memory>

namespace endoscope::test {
namespace {

constexpr const char* kAdmission = "/apis/admissionregistration.k8s.io/v1/";
constexpr const char* kNamePrefix = "endoscope-fence-";
constexpr std::chrono::seconds kEnd{20};
const std::string kOperator = "system:serviceaccount:endoscope-system:endoscope-operator";

json rule(const std::string& group, const json& resources, const json& verbs) {
    return {{"apiGroups", {group}}, {"resources", resources}, {"verbs", verbs}};
}

class Fence : public EndoscopeTest {
  protected:
    void SetUp() override {
        if (!ControlPlane::get().is_real()) GTEST_SKIP() << "the model API server has no ValidatingAdmissionPolicies";
        EndoscopeTest::SetUp();
        if (HasFatalFailure()) return;
        end_operator();
        process_ = start();
        ASSERT_TRUE(process_->wait_until_ready()) << process_->process().err();
    }
    void TearDown() override {
        if (process_) EXPECT_EQ(process_->stop(kEnd), 0) << process_->process().err();
        users_.clear();
        EndoscopeTest::TearDown();
    }

    std::unique_ptr<OperatorProcess> start() {
        static int number = 0;
        return std::make_unique<OperatorProcess>(plane_->kubeconfig("admin"),
                                                 plane_->dir() + "/fence-" + std::to_string(++number),
                                                 std::vector<std::string>{"dev", "--fence"});
    }

    /// Somebody with these rights in the whole cluster, by impersonation.
    User& somebody(const std::string& name, const json& groups, const json& rules) {
        const std::string group = "rbac.authorization.k8s.io";
        const std::string place = "/apis/" + group + "/v1/";
        const std::string role = ns_ + "-" + std::to_string(users_.size());
        const json metadata = {{"name", role}};
        EXPECT_TRUE(admin().request(
            "POST", place + "clusterroles",
            {{"apiVersion", group + "/v1"}, {"kind", "ClusterRole"}, {"metadata", metadata}, {"rules", rules}}));
        EXPECT_TRUE(admin().request("POST", place + "clusterrolebindings",
                                    {{"apiVersion", group + "/v1"},
                                     {"kind", "ClusterRoleBinding"},
                                     {"metadata", metadata},
                                     {"roleRef", {{"apiGroup", group}, {"kind", "ClusterRole"}, {"name", role}}},
                                     {"subjects", {{{"apiGroup", group}, {"kind", "User"}, {"name", name}}}}}));
        plane_->derive_kubeconfig(role, [&](json& config) {
            config["users"][0]["user"]["as"] = name;
            config["users"][0]["user"]["as-groups"] = groups;
        });
        users_.push_back(std::make_unique<User>(plane_->kubeconfig(role)));
        return *users_.back();
    }

    /// What `kubectl debug` sends.
    kube::Result<json> debug(User& user, const std::string& container, const std::string& query = "") {
        return user.request("PATCH", pod_path("web") + "/ephemeralcontainers" + query,
                            {{"spec", {{"ephemeralContainers", {{{"name", container}, {"image", "busybox:1"}}}}}}},
                            std::string(kube::patch::kStrategicMerge));
    }
    bool is_refused(User& user, const std::string& query = "") {
        const auto answer = debug(user, "probe", query.empty() ? "?dryRun=All" : query);
        return !answer && answer.error().message.contains("create a DebugRequest");
    }
    bool exists(const std::string& resource, const std::string& name) {
        return !admin().is_absent(kAdmission + resource + "/" + name);
    }

    std::unique_ptr<OperatorProcess> process_;
    std::vector<std::unique_ptr<User>> users_;
};

TEST_F(Fence, DebugContainersComeThroughEndoscopeOnly) {
    const json may_debug = json::array({rule("", {"pods/ephemeralcontainers"}, {"get", "patch", "update"}),
                                        rule("", {"pods"}, {"get", "create", "update", "patch"})});
    const json authenticated = {"system:authenticated"};
    User& editor = somebody("erin", authenticated, may_debug);
    User& robot = somebody("system:serviceaccount:ci:robot",
                           {"system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"}, may_debug);
    User& root = somebody("root", {"system:masters", "system:authenticated"}, may_debug);
    User& firefighter = somebody("fred", {"endoscope:break-glass", "system:authenticated"}, may_debug);
    ASSERT_TRUE(eventually([&] { return is_refused(alice()); })) << "in force";
    for (User* const user : {&alice(), &editor, &robot, &root}) {
        ASSERT_TRUE(eventually([&] { return is_refused(*user); })) << "the right is in force";
        for (const char* query : {"?fieldManager=kubectl", "?dryRun=All", "?fieldValidation=Strict"}) {
            const auto refused = debug(*user, "probe", query);
            ASSERT_FALSE(refused) << query;
            EXPECT_EQ(refused.error().http_status, 403);
            EXPECT_EQ(refused.error().reason, "Forbidden");
            EXPECT_TRUE(refused.error().message.contains("\"podName\":\"web\"")) << refused.error().message;
            EXPECT_TRUE(refused.error().message.contains("\"namespace\":\"" + ns_ + "\"")) << refused.error().message;
            EXPECT_TRUE(refused.error().message.contains("endoscope:break-glass")) << refused.error().message;
        }
        json whole = admin().get(pod_path("web"));
        whole["spec"]["ephemeralContainers"] = {{{"name", "probe"}, {"image", "busybox:1"}}};
        const auto put = user->request("PUT", pod_path("web") + "/ephemeralcontainers", whole);
        EXPECT_TRUE(!put && put.error().http_status == 403);
    }
    // No other way leads there: the API server refuses these itself.
    json with_debugger = pod("born", {{"ephemeralContainers", {{{"name", "probe"}, {"image", "busybox:1"}}}}});
    const auto born = editor.create(with_debugger);
    ASSERT_FALSE(born);
    EXPECT_EQ(born.error().http_status, 422) << born.error().message;
    json updated = admin().get(pod_path("web"));
    updated["spec"]["ephemeralContainers"] = {{{"name", "probe"}, {"image", "busybox:1"}}};
    const auto update = editor.request("PUT", pod_path("web"), updated);
    ASSERT_TRUE(!update || !(*update)["spec"].contains("ephemeralContainers"));
    EXPECT_TRUE(injected("web").empty());

    ASSERT_TRUE(eventually([&] { return debug(firefighter, "by-hand").has_value(); }));
    EXPECT_EQ(injected("web").size(), 1U);
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    EXPECT_EQ(containers_of("r"), 1U);
}

TEST_F(Fence, LabelsThatPoliciesSelectByAreTheAdministrators) {
    const json resources = {"namespaces", "namespaces/status", "namespaces/finalize"};
    User& nina = somebody("nina", {"system:authenticated"},
                          json::array({rule("", resources, {"get", "create", "update", "patch"})}));
    const std::string where = "/api/v1/namespaces/" + ns_;
    const auto label = [&](User& user, const std::string& key, const json& value, const std::string& part = "") {
        return user.merge(where + part, {{"metadata", {{"labels", {{key, value}}}}}});
    };
    const auto is_fenced = [](const kube::Result<json>& answer) {
        return !answer && answer.error().http_status == 403 && answer.error().message.contains("decides which");
    };
    const std::string key = "endoscope.dev/metrics";
    // Until the fence is in force this succeeds, and the same value again would be no change.
    int tries = 0;
    ASSERT_TRUE(eventually([&] { return is_fenced(label(nina, key, std::to_string(++tries))); }));
    EXPECT_TRUE(label(admin(), key, nullptr));
    EXPECT_TRUE(label(nina, "team", "shop")) << "all other labels are free";
    for (const std::string part : {"", "/status"}) EXPECT_TRUE(is_fenced(label(nina, key, "allowed", part))) << part;
    json finalized = admin().get(where);
    finalized["metadata"]["labels"][key] = "allowed";
    EXPECT_TRUE(is_fenced(nina.request("PUT", where + "/finalize", finalized)));
    const json born = {{"apiVersion", "v1"},
                       {"kind", "Namespace"},
                       {"metadata", {{"name", ns_ + "-born"}, {"labels", {{key, "allowed"}}}}}};
    EXPECT_TRUE(is_fenced(nina.create(born)));
    EXPECT_FALSE(admin().get(where)["metadata"]["labels"].contains(key));
    EXPECT_TRUE(label(admin(), key, "allowed"));
    EXPECT_TRUE(is_fenced(label(nina, key, "other")));
    EXPECT_TRUE(is_fenced(label(nina, key, nullptr)));
    EXPECT_EQ(admin().get(where)["metadata"]["labels"][key], "allowed");

    // A key of the cluster's own policies, listed as the manifest says.
    EXPECT_TRUE(label(nina, "tier", "prod"));
    const std::string policy = std::string(kAdmission) + "validatingadmissionpolicies/endoscope-fence-namespaces";
    json fence = admin().get(policy);
    for (json& variable : fence["spec"]["variables"]) {
        if (variable["name"] == "labelKeys") variable["expression"] = R"(["stage", "tier"])";
    }
    ASSERT_TRUE(admin().request("PUT", policy, fence));
    EXPECT_TRUE(eventually([&] { return is_fenced(label(nina, "tier", std::to_string(++tries))); }));
    EXPECT_TRUE(label(nina, "tier", admin().get(where)["metadata"]["labels"]["tier"])) << "no change is no change";
}

TEST_F(Fence, TheWebhookConfigurationsAreKept) {
    const json hooks = {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"};
    const json rights = json::array({rule("admissionregistration.k8s.io", hooks, {"*"})});
    User& wendy = somebody("wendy", {"system:authenticated"}, rights);
    User& injector = somebody("system:serviceaccount:cert-manager:cert-manager-cainjector",
                              {"system:serviceaccounts", "system:authenticated"}, rights);
    const auto is_fenced = [](const kube::Result<json>& answer) {
        return !answer && answer.error().http_status == 403 && answer.error().message.contains("Endoscope");
    };
    for (const json& resource : hooks) {
        const std::string collection = kAdmission + resource.get<std::string>();
        const std::string ours = collection + "/endoscope";
        const json note = {{"metadata", {{"labels", {{"note", "x"}}}}}};
        ASSERT_TRUE(eventually([&] { return is_fenced(wendy.merge(ours, note)); }));
        EXPECT_TRUE(is_fenced(wendy.request("DELETE", ours)));
        EXPECT_TRUE(is_fenced(wendy.request("DELETE", collection)) && !admin().is_absent(ours)) << "with all others";
        ASSERT_TRUE(eventually([&] { return injector.merge(ours, note).has_value(); }));
        EXPECT_TRUE(is_fenced(injector.request("DELETE", ours)));
        json other = admin().get(ours);
        other["metadata"] = {{"name", "another"}};
        other["webhooks"][0]["rules"][0]["apiGroups"] = {"example.com"};
        EXPECT_TRUE(wendy.request("POST", collection, other)) << "others are none of our business";
        EXPECT_TRUE(wendy.request("DELETE", collection + "/another"));
        json again = admin().get(ours);
        for (const char* field : {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"})
            again["metadata"].erase(field);
        ASSERT_TRUE(admin().remove(ours)) << "an administrator may";
        EXPECT_TRUE(is_fenced(wendy.request("POST", collection, again)));
        EXPECT_TRUE(admin().request("POST", collection, again));
    }
}

TEST_F(Fence, DevTakesAwayWhatItBroughtAndNothingElse) {
    const std::vector<std::string> names = {"containers", "namespaces", "webhooks"};
    const auto all = [&](bool expected) {
        for (const std::string& name : names) {
            for (const char* resource : {"validatingadmissionpolicies", "validatingadmissionpolicybindings"})
                EXPECT_EQ(exists(resource, kNamePrefix + name), expected) << resource << name;
        }
    };
    all(true);
    // A start after a crash takes over what was left.
    process_->crash();
    process_ = start();
    ASSERT_TRUE(process_->wait_until_ready()) << process_->process().err();
    EXPECT_EQ(process_->stop(kEnd), 0) << process_->process().err();
    process_.reset();
    all(false);

    // The fence as it is shipped, around the operator of the cluster.
    auto shipped = kube::parse_yaml(read_text(std::string(ENDOSCOPE_MANIFESTS) + "/fence/fence.yaml"));
    ASSERT_TRUE(shipped);
    const auto collection = [](const json& object) {
        return kAdmission + std::string(object["kind"] == "ValidatingAdmissionPolicy"
                                            ? "validatingadmissionpolicies"
                                            : "validatingadmissionpolicybindings");
    };
    for (const json& object : *shipped) {
        const auto made = admin().request("POST", collection(object), object);
        EXPECT_TRUE(made) << made.error().message;
    }
    User& shipped_operator = somebody(kOperator, {"system:serviceaccounts", "system:authenticated"},
                                      json::array({rule("", {"pods/ephemeralcontainers"}, {"patch"})}));
    EXPECT_TRUE(eventually([&] { return is_refused(admin()); })) << "nobody else passes";
    EXPECT_TRUE(eventually([&] { return debug(shipped_operator, "ours").has_value(); }));
    const auto second = start();
    EXPECT_EQ(second->process().wait(kEnd), 1);
    EXPECT_TRUE(second->process().err().contains("run without --fence")) << second->process().err();
    all(true);
    for (const json& object : *shipped) {
        EXPECT_TRUE(admin().remove(collection(object) + "/" + object["metadata"]["name"].get<std::string>()));
    }
}

class NoFence : public EndoscopeTest {};

TEST_F(NoFence, IsSaidAtTheStartWhereThereCanBeNone) {
    end_operator();
    OperatorProcess process(plane_->kubeconfig("admin"), plane_->dir() + "/no-fence",
                            std::vector<std::string>{"dev", "--fence"});
    ASSERT_TRUE(process.wait_until_ready()) << process.process().err();
    EXPECT_EQ(process.process().err().contains("there is no fence"), !plane_->is_real()) << process.process().err();
    EXPECT_EQ(process.stop(kEnd), 0) << process.process().err();
}

}  // namespace
}  // namespace endoscope::test
