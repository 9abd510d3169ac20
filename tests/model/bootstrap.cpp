#include "tests/model/bootstrap.hpp"

#include "tests/model/strategy.hpp"

namespace model {

namespace {

/// Manifests without system fields, in upstream's words.
constexpr const char* kObjects = R"json([
{"kind":"Namespace","metadata":{"name":"default"}},
{"kind":"Namespace","metadata":{"name":"kube-system"}},
{"kind":"Namespace","metadata":{"name":"kube-public"}},
{"kind":"Namespace","metadata":{"name":"kube-node-lease"}},
{"kind":"ClusterRole","metadata":{"name":"cluster-admin"},"rules":[
  {"verbs":["*"],"apiGroups":["*"],"resources":["*"]},{"verbs":["*"],"nonResourceURLs":["*"]}]},
{"kind":"ClusterRole","metadata":{"name":"system:discovery"},"rules":[
  {"verbs":["get"],"nonResourceURLs":["/api","/api/*","/apis","/apis/*","/healthz","/livez","/openapi","/openapi/*",
  "/readyz","/version","/version/"]}]},
{"kind":"ClusterRole","metadata":{"name":"system:public-info-viewer"},"rules":[
  {"verbs":["get"],"nonResourceURLs":["/healthz","/livez","/readyz","/version","/version/"]}]},
{"kind":"ClusterRole","metadata":{"name":"system:basic-user"},"rules":[
  {"verbs":["create"],"apiGroups":["authorization.k8s.io"],"resources":["selfsubjectaccessreviews",
  "selfsubjectrulesreviews"]},
  {"verbs":["create"],"apiGroups":["authentication.k8s.io"],"resources":["selfsubjectreviews"]}]},
{"kind":"ClusterRole","metadata":{"name":"system:auth-delegator"},"rules":[
  {"verbs":["create"],"apiGroups":["authentication.k8s.io"],"resources":["tokenreviews"]},
  {"verbs":["create"],"apiGroups":["authorization.k8s.io"],"resources":["subjectaccessreviews"]}]},
{"kind":"ClusterRole","metadata":{"name":"view","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}},
  "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}]},
  "rules":[{"verbs":["get","list","watch"],"apiGroups":[""],"resources":["configmaps","events","namespaces",
  "namespaces/status","pods","pods/log","pods/status","serviceaccounts","services","services/status"]},
  {"verbs":["get","list","watch"],"apiGroups":["events.k8s.io"],"resources":["events"]},
  {"verbs":["get","list","watch"],"apiGroups":["coordination.k8s.io"],"resources":["leases"]}]},
{"kind":"ClusterRole","metadata":{"name":"edit","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}},
  "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-edit":"true"}},
  {"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}]},
  "rules":[{"verbs":["get","list","watch"],"apiGroups":[""],"resources":["configmaps","events","namespaces",
  "namespaces/status","pods","pods/log","pods/status","secrets","serviceaccounts","services","services/status"]},
  {"verbs":["create","delete","deletecollection","patch","update"],"apiGroups":[""],"resources":["configmaps","events",
  "pods","secrets","serviceaccounts","services"]},
  {"verbs":["create","delete","deletecollection","get","list","patch","update","watch"],
  "apiGroups":["coordination.k8s.io"],"resources":["leases"]},
  {"verbs":["create"],"apiGroups":[""],"resources":["pods/attach","pods/exec","pods/eviction","pods/portforward"]},
  {"verbs":["impersonate"],"apiGroups":[""],"resources":["serviceaccounts"]}]},
{"kind":"ClusterRole","metadata":{"name":"admin","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}},
  "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-admin":"true"}},
  {"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-edit":"true"}},
  {"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}]},
  "rules":[{"verbs":["get","list","watch"],"apiGroups":[""],"resources":["configmaps","events","namespaces",
  "namespaces/status","pods","pods/log","pods/status","secrets","serviceaccounts","services","services/status"]},
  {"verbs":["create","delete","deletecollection","patch","update"],"apiGroups":[""],"resources":["configmaps","events",
  "pods","secrets","serviceaccounts","services"]},
  {"verbs":["create","delete","deletecollection","get","list","patch","update","watch"],
  "apiGroups":["coordination.k8s.io"],"resources":["leases"]},
  {"verbs":["create"],"apiGroups":[""],"resources":["pods/attach","pods/exec","pods/eviction","pods/portforward"]},
  {"verbs":["create","delete","deletecollection","get","list","patch","update","watch"],
  "apiGroups":["rbac.authorization.k8s.io"],"resources":["rolebindings","roles"]},
  {"verbs":["create"],"apiGroups":["authorization.k8s.io"],"resources":["localsubjectaccessreviews"]},
  {"verbs":["impersonate"],"apiGroups":[""],"resources":["serviceaccounts"]}]},
{"kind":"ClusterRoleBinding","metadata":{"name":"cluster-admin"},"roleRef":{"kind":"ClusterRole","name":"cluster-admin"},
  "subjects":[{"kind":"Group","name":"system:masters"}]},
{"kind":"ClusterRoleBinding","metadata":{"name":"system:discovery"},
  "roleRef":{"kind":"ClusterRole","name":"system:discovery"},
  "subjects":[{"kind":"Group","name":"system:authenticated"}]},
{"kind":"ClusterRoleBinding","metadata":{"name":"system:basic-user"},
  "roleRef":{"kind":"ClusterRole","name":"system:basic-user"},
  "subjects":[{"kind":"Group","name":"system:authenticated"}]},
{"kind":"ClusterRoleBinding","metadata":{"name":"system:public-info-viewer"},
  "roleRef":{"kind":"ClusterRole","name":"system:public-info-viewer"},
  "subjects":[{"kind":"Group","name":"system:authenticated"},{"kind":"Group","name":"system:unauthenticated"}]}
])json";

}  // namespace

void bootstrap(Cluster& cluster) {
    for (Json object : Json::parse(kObjects)) {
        const std::string kind = string_at(object, {"kind"});
        const bool space = kind == "Namespace";
        const std::string group = space ? "" : "rbac.authorization.k8s.io";
        const std::string resource = space                   ? "namespaces"
                                     : kind == "ClusterRole" ? "clusterroles"
                                                             : "clusterrolebindings";
        const ResourcePtr info = cluster.registry.find(group, "v1", resource);
        object["apiVersion"] = info->api_version();
        set_defaults(*info, object);
        prepare_create(*info, object, cluster.new_uid(), cluster.now());
        const std::string name = string_at(object, {"metadata", "name"});
        cluster.storage.put(info->storage, "", name, std::move(object));
    }
}

}  // namespace model
