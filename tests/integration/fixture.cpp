#include "tests/integration/fixture.hpp"

#include "kube/base/json.hpp"

#include <algorithm>
#include <signal.h>

namespace endoscope::test {

/// Ends what all tests of the run shared.
class EndOfRun final : public testing::Environment {
  public:
    void TearDown() override {
        EndoscopeTest::stop_operator();
        Cluster::shut_down();
    }
};

namespace {

testing::Environment* const kEndOfRun = testing::AddGlobalTestEnvironment(new EndOfRun);

bool is_terminal(const std::string& phase) {
    return phase == "Succeeded" || phase == "Failed" || phase == "Denied" || phase == "Expired";
}

}  // namespace

void EndoscopeTest::stop_operator() {
    operator_.reset();
}

void EndoscopeTest::start_operator() {
    operator_.reset();
    operator_ = std::make_unique<OperatorProcess>(*cluster_);
}

void EndoscopeTest::SetUp() {
    std::string why_not;
    cluster_ = Cluster::get(why_not);
    if (cluster_ == nullptr) {
        const char* const required = std::getenv("ENDOSCOPE_REQUIRE_CONTROLPLANE");
        if (required != nullptr && std::string(required) == "1")
            FAIL() << "the real control plane is required and missing";
        GTEST_SKIP() << why_not;
    }
    if (!operator_) start_operator();
    static int number = 0;
    ns_ = "test-" + std::to_string(++number);
    User& admin = cluster_->admin();
    const auto made = [&](const json& object) {
        const auto created = admin.create(object);
        ASSERT_TRUE(created) << created.error().message;
    };
    made({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns_}}}});
    const json ask = {{"apiGroups", {"endoscope.dev"}},
                      {"resources", {"debugrequests"}},
                      {"verbs", {"create", "get", "list", "patch", "update", "delete"}}};
    const json debug = {{"apiGroups", {""}}, {"resources", {"pods/ephemeralcontainers"}}, {"verbs", {"patch"}}};
    for (const auto& [user, rules] : {std::pair<std::string, json>("alice", json::array({ask, debug})),
                                      std::pair<std::string, json>("bob", json::array({ask}))}) {
        made({{"apiVersion", "rbac.authorization.k8s.io/v1"},
              {"kind", "Role"},
              {"metadata", {{"name", user}, {"namespace", ns_}}},
              {"rules", rules}});
        made({{"apiVersion", "rbac.authorization.k8s.io/v1"},
              {"kind", "RoleBinding"},
              {"metadata", {{"name", user}, {"namespace", ns_}}},
              {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", user}}},
              {"subjects", {{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "User"}, {"name", user}}}}});
    }
    made(policy());
    run_pod("web");
}

void EndoscopeTest::TearDown() {
    if (cluster_ == nullptr) return;
    cluster_->admin().remove("/apis/endoscope.dev/v1alpha1/debugpolicies/" + ns_);
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

json EndoscopeTest::policy(const json& spec) const {
    json object = {
        {"apiVersion", "endoscope.dev/v1alpha1"},
        {"kind", "DebugPolicy"},
        {"metadata", {{"name", ns_}}},
        {"spec",
         {{"namespaces", {{"names", {ns_}}}},
          {"images", {{"allow", {"registry.cn-beijing.aliyuncs.com/dotbalo/**"}}}},
          {"profiles", {"restricted"}},
          {"limits", {{"maxPerPod", 50}, {"maxActivePerNamespace", 100}, {"maxActivePerRequester", 1000}}}}}};
    object["spec"].merge_patch(spec);
    return object;
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
    const auto created = cluster_->admin().create(pod(name, spec));
    ASSERT_TRUE(created) << created.error().message;
    ASSERT_TRUE(eventually([&] {
        return kube::string_at(cluster_->admin().get(pod_path(name)), {"status", "phase"}) == "Running";
    })) << "Pod "
        << name << " does not run";
}

std::string EndoscopeTest::phase(const std::string& name) {
    return kube::string_at(stored(name), {"status", "phase"});
}
std::string EndoscopeTest::reason(const std::string& name) {
    return kube::string_at(stored(name), {"status", "reason"});
}
std::string EndoscopeTest::message(const std::string& name) {
    return kube::string_at(stored(name), {"status", "message"});
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
    const json found = cluster_->admin().get(pod_path(pod_name));
    const json* list = kube::find_at(found, {"spec", "ephemeralContainers"});
    return list == nullptr || list->is_null() ? json::array() : *list;
}

}  // namespace endoscope::test
