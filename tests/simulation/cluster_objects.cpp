#include "tests/simulation/cluster_objects.hpp"

#include "controller/manifests.hpp"
#include "controller/seal_secret.hpp"
#include "kube/base/yaml.hpp"
#include "tests/model/strategy.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <stdexcept>

namespace simulation {
using model::find_at;
using model::Json;
using model::string_at;

namespace {

constexpr const char* kSystemNamespace = "endoscope-system";
constexpr const char* kWebhookUrl = "https://webhook:9443";
constexpr const char* kHooks[] = {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"};

/// Writes an object as if it had been created, past admission.
void put(model::Cluster& cluster, const std::string& resource, Json object) {
    const std::string api_version = string_at(object, {"apiVersion"});
    const std::size_t slash = api_version.find('/');
    const std::string group = slash == std::string::npos ? "" : api_version.substr(0, slash);
    const std::string version = slash == std::string::npos ? api_version : api_version.substr(slash + 1);
    const auto info = cluster.registry.find(group, version, resource);
    if (!info) throw std::logic_error("the model does not serve " + resource);
    model::set_defaults(*info, object);
    model::prepare_create(*info, object, cluster.new_uid(), cluster.now());
    if (info->kind == "CustomResourceDefinition") model::set_crd_status(object, cluster.now());
    const std::string ns = info->namespaced ? string_at(object, {"metadata", "namespace"}) : "";
    const std::string name = string_at(object, {"metadata", "name"});
    cluster.storage.put(info->storage, ns, name, std::move(object));
}

std::string lower_plural(std::string kind) {
    for (char& c : kind) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return kind + "s";
}

/// The operator's rights as they are shipped, with the components for what policies want at the end of sessions.
std::vector<Json> read_rbac() {
    std::vector<Json> all;
    for (const std::string name : {"rbac/operator.yaml", "terminate/rbac.yaml", "evict/rbac.yaml"}) {
        std::ifstream file(ENDOSCOPE_SOURCE_DIR "/manifests/" + name);
        std::ostringstream text;
        text << file.rdbuf();
        auto documents = kube::parse_yaml(text.str());
        if (!documents || documents->empty()) throw std::logic_error("manifests/" + name + " cannot be read");
        std::ranges::move(*documents, std::back_inserter(all));
    }
    return all;
}

}  // namespace

void put_webhooks(model::Cluster& cluster) {
    const auto configurations = endoscope::controller::webhook_configurations(kWebhookUrl, "");
    for (std::size_t i = 0; i < configurations.size(); ++i) put(cluster, kHooks[i], configurations[i]);
}

void remove_webhooks(model::Cluster& cluster) {
    const std::string name(endoscope::controller::kWebhookName);
    for (const char* resource : kHooks)
        cluster.storage.remove("admissionregistration.k8s.io/" + std::string(resource), "", name);
}

model::Object find_seal_secret(model::Cluster& cluster) {
    return cluster.storage.get("secrets", kSystemNamespace, std::string(endoscope::controller::kSealSecret));
}

void put_seal_secret(model::Cluster& cluster, Json object) {
    cluster.storage.put("secrets", kSystemNamespace, std::string(endoscope::controller::kSealSecret),
                        std::move(object));
}

void remove_seal_secret(model::Cluster& cluster) {
    cluster.storage.remove("secrets", kSystemNamespace, std::string(endoscope::controller::kSealSecret));
}

void furnish(model::Cluster& cluster, Ending ending) {
    static const std::vector<Json> crds = endoscope::controller::embedded_crds();
    static const std::vector<Json> rbac = read_rbac();
    for (const Json& crd : crds) put(cluster, "customresourcedefinitions", crd);
    for (const char* ns : {kSystemNamespace, kNamespace})
        put(cluster, "namespaces", {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}});
    for (const Json& object : rbac) put(cluster, lower_plural(string_at(object, {"kind"})), object);
    const auto right = [](std::initializer_list<const char*> verbs, const char* group, const char* resource) {
        return Json{{"verbs", verbs}, {"apiGroups", {group}}, {"resources", {resource}}};
    };
    const auto grant = [&](const std::string& name, Json rules, const std::string& kind, const std::string& subject) {
        put(cluster, "clusterroles",
            {{"apiVersion", "rbac.authorization.k8s.io/v1"},
             {"kind", "ClusterRole"},
             {"metadata", {{"name", name}}},
             {"rules", std::move(rules)}});
        Json binding = {
            {"apiVersion", "rbac.authorization.k8s.io/v1"},
            {"kind", "ClusterRoleBinding"},
            {"metadata", {{"name", name}}},
            {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", name}}}};
        binding["subjects"] =
            Json::array({{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", kind}, {"name", subject}}});
        put(cluster, "clusterrolebindings", std::move(binding));
    };
    grant("requests", Json::array({right({"create", "delete", "get"}, "endoscope.dev", "debugrequests")}), "Group",
          "system:authenticated");
    grant("debug", Json::array({right({"patch"}, "", "pods/ephemeralcontainers")}), "User", kAuthorisedUser);
    put_webhooks(cluster);
    put_policy(cluster, 1, ending);
    for (int i = 0; i < 3; ++i) put_pod(cluster, i);
}

void put_policy(model::Cluster& cluster, std::int64_t how, Ending ending) {
    Json policy = Json::parse(R"({"apiVersion":"endoscope.dev/v1alpha1","kind":"DebugPolicy","metadata":{"name":"shop"},
      "spec":{"namespaces":{"names":["shop"]},"images":{"allow":["registry.example.com/**"]},
        "profiles":["restricted","baseline","general"],
        "limits":{"defaultDeadlineSeconds":20,"maxDeadlineSeconds":60,"startDeadlineSeconds":20,"maxPerPod":50,
                  "maxActivePerNamespace":50,"maxActivePerRequester":50}}})");
    if (how == 0) policy["spec"]["images"]["allow"] = {"registry.example.com/nothing/**"};
    if (ending == Ending::terminate) policy["spec"]["onExpiry"] = "Terminate";
    if (ending == Ending::evict) policy["spec"]["onExpiry"] = "EvictPod";
    if (ending == Ending::evict_after_session) policy["spec"]["afterSession"] = "EvictPod";
    const auto before = cluster.storage.get(kPolicyTable, "", "shop");
    if (before && *find_at(*before, {"spec"}) == policy["spec"]) return;
    if (!before) return put(cluster, "debugpolicies", std::move(policy));
    Json changed = *before;
    changed["spec"]["images"] = policy["spec"]["images"];
    changed["metadata"]["generation"] = changed["metadata"].value("generation", 1) + 1;
    cluster.storage.put(kPolicyTable, "", "shop", std::move(changed));
}

std::string pod_name(int which) {
    return "web-" + std::to_string(which);
}

void put_pod(model::Cluster& cluster, int which) {
    Json pod = Json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web"}},
      "spec":{"nodeName":"model-node","containers":[{"name":"app","image":"registry.example.com/web:1"}]}})");
    pod["metadata"]["name"] = pod_name(which);
    pod["metadata"]["namespace"] = kNamespace;
    put(cluster, "pods", std::move(pod));
}

std::string request_name(int which) {
    return "request-" + std::to_string(which);
}

Author make_request(std::uint64_t seed, int which) {
    std::mt19937_64 random(seed * 1000 + static_cast<std::uint64_t>(which));
    const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
    Author author;
    author.user = chance(85) ? kAuthorisedUser : "mallory";
    const int pod = static_cast<int>(random() % 3);
    const char* image = chance(80)   ? "registry.example.com/debug:1"
                        : chance(40) ? "registry.example.com/missing:1"
                        : chance(40) ? "registry.example.com/never-starts:1"
                        : chance(50) ? "registry.example.com/bad-start-error:1"
                                     : "elsewhere.example.com/debug:1";
    Json spec = {{"reason", "INC-" + std::to_string(which)},
                 {"image", image},
                 {"target", {{"podName", chance(90) ? pod_name(pod) : "nobody"}}}};
    if (chance(60)) {
        spec["mode"] = "Command";
        spec["command"] = chance(50)   ? Json{"sleep", std::to_string(random() % 9)}
                          : chance(40) ? Json{"exit", "3"}
                          : chance(50) ? Json{"sleep", "infinity"}
                                       : Json{"true"};
        spec["deadlineSeconds"] = 3 + random() % 20;
    }
    if (chance(10)) spec["containerName"] = "debugger";
    if (chance(20)) spec["target"] = {{"selector", {{"matchLabels", {{"app", "web"}}}}}, {"maxPods", 1 + random() % 3}};
    author.request = {{"apiVersion", "endoscope.dev/v1alpha1"},
                      {"kind", "DebugRequest"},
                      {"metadata", {{"name", request_name(which)}, {"namespace", kNamespace}}},
                      {"spec", std::move(spec)}};
    return author;
}

}  // namespace simulation
