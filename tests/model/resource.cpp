#include "tests/model/resource.hpp"

#include "tests/model/builtin_schema.hpp"

#include <algorithm>

namespace model {

namespace {

const std::vector<std::string> kAllVerbs = {"create", "delete", "deletecollection", "get",
                                            "list",   "patch",  "update",           "watch"};

ResourcePtr builtin(std::string group, std::string resource, std::string singular, std::string kind, bool namespaced,
                    std::vector<std::string> short_names = {}, std::vector<std::string> subresources = {},
                    std::vector<std::string> selectable_fields = {}) {
    auto info = std::make_shared<ResourceInfo>();
    info->group = std::move(group);
    info->version = "v1";
    info->storage = info->group.empty() ? resource : info->group + "/" + resource;
    info->resource = std::move(resource);
    info->singular = std::move(singular);
    info->kind = std::move(kind);
    info->list_kind = info->kind + "List";
    info->namespaced = namespaced;
    info->short_names = std::move(short_names);
    info->subresources = std::move(subresources);
    info->selectable_fields = std::move(selectable_fields);
    info->verbs = kAllVerbs;
    info->schema = builtin_schema(info->kind);
    return info;
}

/// A review: answered, never stored.
ResourcePtr review(std::string group, std::string resource, std::string kind, bool namespaced = false) {
    auto info = std::make_shared<ResourceInfo>();
    info->group = std::move(group);
    info->version = "v1";
    info->singular = kind;
    std::ranges::transform(info->singular, info->singular.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    info->resource = std::move(resource);
    info->kind = std::move(kind);
    info->list_kind = info->kind + "List";
    info->namespaced = namespaced;
    info->verbs = {"create"};
    return info;
}

std::vector<ResourcePtr> builtin_resources() {
    const std::vector<std::string> event_fields = {"involvedObject.kind",
                                                   "involvedObject.namespace",
                                                   "involvedObject.name",
                                                   "involvedObject.uid",
                                                   "involvedObject.apiVersion",
                                                   "involvedObject.resourceVersion",
                                                   "involvedObject.fieldPath",
                                                   "reason",
                                                   "reportingComponent",
                                                   "source",
                                                   "type"};
    const std::vector<std::string> event_v1_fields = {"regarding.kind",       "regarding.namespace",
                                                      "regarding.name",       "regarding.uid",
                                                      "regarding.apiVersion", "regarding.resourceVersion",
                                                      "regarding.fieldPath",  "reason",
                                                      "reportingController",  "type"};
    const std::vector<std::string> pod_fields = {
        "spec.nodeName",    "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase",       "status.podIP",       "status.nominatedNodeName"};
    const std::string rbac = "rbac.authorization.k8s.io";
    const std::string authz = "authorization.k8s.io";
    const std::string authn = "authentication.k8s.io";
    const std::string hooks = "admissionregistration.k8s.io";
    std::vector<ResourcePtr> out = {
        builtin("", "configmaps", "configmap", "ConfigMap", true, {"cm"}),
        builtin("", "events", "event", "Event", true, {"ev"}, {}, event_fields),
        builtin("", "namespaces", "namespace", "Namespace", false, {"ns"}, {"status"}, {"status.phase"}),
        builtin("", "nodes", "node", "Node", false, {"no"}, {"status"}, {"spec.unschedulable"}),
        builtin("", "pods", "pod", "Pod", true, {"po"}, {"binding", "ephemeralcontainers", "eviction", "log", "status"},
                pod_fields),
        builtin("", "secrets", "secret", "Secret", true, {}, {}, {"type"}),
        builtin("", "serviceaccounts", "serviceaccount", "ServiceAccount", true, {"sa"}),
        builtin("", "services", "service", "Service", true, {"svc"}, {"status"}, {"spec.clusterIP", "spec.type"}),
        builtin(hooks, "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", "MutatingWebhookConfiguration",
                false),
        builtin(hooks, "validatingwebhookconfigurations", "validatingwebhookconfiguration",
                "ValidatingWebhookConfiguration", false),
        builtin("apiextensions.k8s.io", "customresourcedefinitions", "customresourcedefinition",
                "CustomResourceDefinition", false, {"crd", "crds"}, {"status"}),
        review(authn, "selfsubjectreviews", "SelfSubjectReview"),
        review(authn, "tokenreviews", "TokenReview"),
        review(authz, "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
        review(authz, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
        review(authz, "subjectaccessreviews", "SubjectAccessReview"),
        builtin("coordination.k8s.io", "leases", "lease", "Lease", true),
        builtin("events.k8s.io", "events", "event", "Event", true, {"ev"}, {}, event_v1_fields),
        builtin("policy", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", true, {"pdb"},
                {"status"}),
        builtin(rbac, "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding", false),
        builtin(rbac, "clusterroles", "clusterrole", "ClusterRole", false),
        builtin(rbac, "rolebindings", "rolebinding", "RoleBinding", true),
        builtin(rbac, "roles", "role", "Role", true),
    };
    for (ResourcePtr& info : out) {
        // Both Event APIs are views of one table.
        if (info->group == "events.k8s.io") {
            ResourceInfo shared = *info;
            shared.storage = "events";
            shared.schema = builtin_schema("EventV1");
            info = std::make_shared<const ResourceInfo>(std::move(shared));
        } else if (info->resource == "pods") {
            ResourceInfo pods = *info;
            pods.categories = {"all"};
            info = std::make_shared<const ResourceInfo>(std::move(pods));
        }
    }
    return out;
}

}  // namespace

Registry::Registry() : builtin_(builtin_resources()) {
    rebuild();
}

void Registry::rebuild() {
    resources_ = builtin_;
    for (const auto& [crd, resources] : custom_)
        resources_.insert(resources_.end(), resources.begin(), resources.end());
}

void Registry::set_custom(const std::string& crd_name, std::vector<ResourcePtr> resources) {
    if (resources.empty()) {
        custom_.erase(crd_name);
    } else {
        custom_[crd_name] = std::move(resources);
    }
    rebuild();
}

ResourcePtr Registry::find(const std::string& group, const std::string& version, const std::string& resource) const {
    for (const ResourcePtr& info : resources_) {
        if (info->group == group && info->version == version && info->resource == resource) return info;
    }
    return nullptr;
}

bool Registry::serves_group(const std::string& group) const {
    return std::ranges::any_of(resources_, [&](const ResourcePtr& info) { return info->group == group; });
}

bool Registry::serves(const std::string& group, const std::string& version) const {
    return std::ranges::any_of(
        resources_, [&](const ResourcePtr& info) { return info->group == group && info->version == version; });
}

std::vector<std::pair<std::string, std::vector<std::string>>> Registry::groups() const {
    std::vector<std::pair<std::string, std::vector<std::string>>> out;
    for (const ResourcePtr& info : resources_) {
        if (info->group.empty()) continue;
        auto found = std::ranges::find(out, info->group, &std::pair<std::string, std::vector<std::string>>::first);
        if (found == out.end()) found = out.insert(out.end(), {info->group, {}});
        if (!contains(found->second, info->version)) found->second.push_back(info->version);
    }
    return out;
}

std::vector<ResourcePtr> resources_of_crd(const Json& crd) {
    std::vector<ResourcePtr> out;
    for (const Json& version : array_at(crd, {"spec", "versions"})) {
        if (!true_at(version, {"served"})) continue;
        auto info = std::make_shared<ResourceInfo>();
        info->custom = true;
        info->group = string_at(crd, {"spec", "group"});
        info->version = string_at(version, {"name"});
        info->resource = string_at(crd, {"spec", "names", "plural"});
        info->singular = string_at(crd, {"spec", "names", "singular"});
        info->kind = string_at(crd, {"spec", "names", "kind"});
        info->list_kind = string_at(crd, {"spec", "names", "listKind"});
        info->short_names = strings_at(crd, {"spec", "names", "shortNames"});
        info->categories = strings_at(crd, {"spec", "names", "categories"});
        info->namespaced = string_at(crd, {"spec", "scope"}) == "Namespaced";
        info->storage = info->group + "/" + info->resource;
        info->verbs = kAllVerbs;
        if (find_at(version, {"subresources", "status"}) != nullptr) info->subresources.emplace_back("status");
        if (const Json* schema = find_at(version, {"schema", "openAPIV3Schema"}); schema != nullptr) {
            info->schema = std::make_shared<const Json>(*schema);
        }
        for (const Json& field : array_at(version, {"selectableFields"})) {
            std::string path = string_at(field, {"jsonPath"});
            if (path.starts_with('.')) path.erase(0, 1);
            info->selectable_fields.push_back(std::move(path));
        }
        for (const Json& item : array_at(version, {"additionalPrinterColumns"})) {
            Column column;
            column.name = string_at(item, {"name"});
            column.type = string_at(item, {"type"});
            column.json_path = string_at(item, {"jsonPath"});
            column.format = string_at(item, {"format"});
            column.description = string_at(item, {"description"});
            if (const Json* priority = find_at(item, {"priority"}); priority != nullptr && priority->is_number()) {
                column.priority = priority->get<int>();
            }
            info->columns.push_back(std::move(column));
        }
        out.push_back(std::move(info));
    }
    return out;
}

}  // namespace model
