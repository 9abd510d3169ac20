#include "tests/integration/fixture.hpp"

#include "kube/base/json.hpp"

#include <algorithm>
#include <iostream>

namespace endoscope::test {

namespace {

constexpr std::chrono::seconds kStopTime{10};

bool is_terminal(const std::string& phase) {
    return phase == "Succeeded" || phase == "Failed" || phase == "Denied" || phase == "Expired";
}

}  // namespace

void EndoscopeTest::end_operator() {
    if (!operator_) return;
    EXPECT_EQ(operator_->stop(kStopTime), 0) << operator_->process().err();
    EXPECT_FALSE(operator_->process().err().contains("Sanitizer")) << operator_->process().err();
    operator_.reset();
}

void EndoscopeTest::start_operator() {
    static int number = 0;
    ControlPlane& plane = ControlPlane::get();
    operator_ = std::make_unique<OperatorProcess>(plane.kubeconfig("admin"),
                                                  plane.dir() + "/operator-" + std::to_string(++number));
    ASSERT_TRUE(operator_->wait_until_ready()) << operator_->process().err();
}

void EndoscopeTest::crash_and_restart() {
    operator_->crash();
    start_operator();
}

void EndoscopeTest::make(const json& object) {
    const auto created = admin().create(object);
    ASSERT_TRUE(created) << created.error().message;
}

void EndoscopeTest::give(const std::string& user, const json& rules) {
    const json metadata = {{"name", user}, {"namespace", ns_}};
    const std::string group = "rbac.authorization.k8s.io";
    make({{"apiVersion", group + "/v1"}, {"kind", "Role"}, {"metadata", metadata}, {"rules", rules}});
    make({{"apiVersion", group + "/v1"},
          {"kind", "RoleBinding"},
          {"metadata", metadata},
          {"roleRef", {{"apiGroup", group}, {"kind", "Role"}, {"name", user}}},
          {"subjects", {{{"apiGroup", group}, {"kind", "User"}, {"name", user}}}}});
}

void EndoscopeTest::SetUp() {
    plane_ = &ControlPlane::get();
    if (!operator_) start_operator();
    static int number = 0;
    ns_ = "test-" + std::to_string(++number);
    make({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns_}}}});
    const json ask = {{"apiGroups", {"endoscope.dev"}},
                      {"resources", {"debugrequests"}},
                      {"verbs", {"create", "get", "list", "patch", "update", "delete"}}};
    const json debug = {{"apiGroups", {""}}, {"resources", {"pods/ephemeralcontainers"}}, {"verbs", {"patch"}}};
    const json use = {{"apiGroups", {"endoscope.dev"}}, {"resources", {"debugpolicies"}}, {"verbs", {"use"}}};
    give("alice", json::array({ask, debug}));
    give("bob", json::array({ask}));
    give("carol", json::array({ask, use}));
    make(policy());
    run_pod("web");
    // The API server's authorizer follows the bindings with a delay. Bound last, carol's is in force last.
    const std::string requests = path("");
    ASSERT_TRUE(
        eventually([&] { return carol().request("GET", requests.substr(0, requests.size() - 1)).has_value(); }));
}

void EndoscopeTest::TearDown() {
    if (plane_ == nullptr) return;
    EXPECT_TRUE(admin().remove(policy_path(ns_)) || admin().is_absent(policy_path(ns_)));
    if (HasFailure() && operator_) std::cerr << operator_->process().err();
}

json EndoscopeTest::pod(const std::string& name, const json& spec) const {
    json object = {{"apiVersion", "v1"},
                   {"kind", "Pod"},
                   {"metadata", {{"name", name}, {"namespace", ns_}}},
                   {"spec", {{"containers", {{{"name", "nginx"}, {"image", "nginx:1.27"}}}}}}};
    object["spec"].update(spec);
    return object;
}

json EndoscopeTest::policy() const {
    return {{"apiVersion", "endoscope.dev/v1alpha1"},
            {"kind", "DebugPolicy"},
            {"metadata", {{"name", ns_}}},
            {"spec",
             {{"namespaces", {{"names", {ns_}}}},
              {"images", {{"allow", {"registry.cn-beijing.aliyuncs.com/dotbalo/**"}}}},
              {"profiles", {"restricted"}},
              {"limits", {{"maxPerPod", 50}, {"maxActivePerNamespace", 100}, {"maxActivePerRequester", 1000}}}}}};
}

std::string EndoscopeTest::add_policy(const std::string& name, const json& spec) {
    json object = policy();
    object["metadata"]["name"] = ns_ + "-" + name;
    object["spec"]["images"]["allow"] = {image_of(name, "**")};
    object["spec"].merge_patch(spec);
    make(object);
    return ns_ + "-" + name;
}

json EndoscopeTest::request(const std::string& name, const json& spec) const {
    json object = {{"apiVersion", "endoscope.dev/v1alpha1"},
                   {"kind", "DebugRequest"},
                   {"metadata", {{"name", name}, {"namespace", ns_}}},
                   {"spec",
                    {{"reason", "INC-1: a test"},
                     {"target", {{"podName", "web"}}},
                     {"image", kImage},
                     {"mode", "Command"},
                     {"command", {"sleep", "0.3"}}}}};
    object["spec"].merge_patch(spec);
    return object;
}

void EndoscopeTest::run_pod(const std::string& name, const json& spec) {
    make(pod(name, spec));
    ASSERT_TRUE(eventually([&] {
        return kube::string_at(admin().get(pod_path(name)), {"status", "phase"}) == "Running";
    })) << "Pod "
        << name << " does not run";
}

std::string EndoscopeTest::token_of(const std::string& name) {
    if (!plane_->is_real()) return name + "-token";
    make({{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", name}, {"namespace", ns_}}}});
    return issue_token(ns_, name);
}

std::string EndoscopeTest::issue_token(const std::string& ns, const std::string& account) {
    const auto asked = admin().request(
        "POST", "/api/v1/namespaces/" + ns + "/serviceaccounts/" + account + "/token",
        {{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenRequest"}, {"spec", {{"expirationSeconds", 600}}}});
    EXPECT_TRUE(asked) << asked.error().message;
    return asked ? kube::string_at(*asked, {"status", "token"}) : "";
}

void EndoscopeTest::let_read_metrics(const std::string& user) {
    const std::string group = "rbac.authorization.k8s.io";
    const json rules = {{{"nonResourceURLs", {"/metrics"}}, {"verbs", {"get"}}}};
    const json who = plane_->is_real() ? json{{"kind", "ServiceAccount"}, {"name", user}, {"namespace", ns_}}
                                       : json{{"kind", "User"}, {"name", user}, {"apiGroup", group}};
    make({{"apiVersion", group + "/v1"}, {"kind", "ClusterRole"}, {"metadata", {{"name", ns_}}}, {"rules", rules}});
    make({{"apiVersion", group + "/v1"},
          {"kind", "ClusterRoleBinding"},
          {"metadata", {{"name", ns_}}},
          {"roleRef", {{"apiGroup", group}, {"kind", "ClusterRole"}, {"name", ns_}}},
          {"subjects", json::array({who})}});
}

std::string EndoscopeTest::status(const std::string& name, const std::string& field) {
    return kube::string_at(stored(name), {"status", field});
}

std::string EndoscopeTest::condition(const std::string& name, const std::string& type) {
    const json object = stored(name);
    const json* const conditions = kube::find_at(object, {"status", "conditions"});
    if (conditions == nullptr) return "";
    const auto found = std::ranges::find_if(*conditions, [&](const json& one) { return one["type"] == type; });
    return found == conditions->end() ? "" : (*found)["status"].get<std::string>();
}

std::string EndoscopeTest::outcome(const std::string& name, std::chrono::milliseconds limit) {
    eventually([&] { return is_terminal(phase(name)); }, limit);
    const json now = stored(name);
    return kube::string_at(now, {"status", "phase"}) + "/" + kube::string_at(now, {"status", "reason"});
}

bool EndoscopeTest::reaches(const std::string& name, const std::string& wanted, std::chrono::milliseconds limit) {
    return eventually([&] { return phase(name) == wanted; }, limit);
}

json EndoscopeTest::injected(const std::string& pod_name) {
    const auto found = admin().request("GET", pod_path(pod_name));
    EXPECT_TRUE(found) << found.error().message;
    if (!found) return json::array();
    const json* const list = kube::find_at(*found, {"spec", "ephemeralContainers"});
    return list == nullptr || list->is_null() ? json::array() : *list;
}

std::size_t EndoscopeTest::containers_of(const std::string& name, const std::string& pod_name) {
    const json list = injected(pod_name);
    return static_cast<std::size_t>(std::ranges::count_if(list, [&](const json& container) {
        return std::ranges::any_of(container.value("env", json::array()), [&](const json& variable) {
            return variable["name"] == "ENDOSCOPE_REQUEST" && variable["value"] == ns_ + "/" + name;
        });
    }));
}

}  // namespace endoscope::test
