#include "tests/model/rbac.hpp"

#include "tests/model/selector.hpp"

#include <algorithm>

namespace model {

Json UserInfo::to_json() const {
    Json out = {{"username", name}};
    if (!uid.empty()) out["uid"] = uid;
    if (!groups.empty()) out["groups"] = groups;
    if (!extra.empty()) out["extra"] = extra;
    return out;
}

UserInfo UserInfo::from_json(const Json& json) {
    UserInfo user;
    user.name = string_at(json, {"user"});
    user.uid = string_at(json, {"uid"});
    user.groups = strings_at(json, {"groups"});
    if (const Json* extra = find_at(json, {"extra"}); extra != nullptr && extra->is_object()) {
        for (const auto& [key, value] : extra->items()) user.extra[key] = strings_at(*extra, {key});
    }
    return user;
}

namespace {

bool has(const std::vector<std::string>& list, const std::string& wanted) {
    return contains(list, "*") || contains(list, wanted);
}

bool resource_matches(const std::vector<std::string>& resources, const Access& access) {
    const std::string full = access.subresource.empty() ? access.resource : access.resource + "/" + access.subresource;
    if (has(resources, full)) return true;
    return !access.subresource.empty() && contains(resources, "*/" + access.subresource);
}

bool path_matches(const std::vector<std::string>& paths, const std::string& path) {
    return std::ranges::any_of(paths, [&](const std::string& allowed) {
        if (allowed == "*" || allowed == path) return true;
        return allowed.ends_with('*') && path.starts_with(std::string_view(allowed).substr(0, allowed.size() - 1));
    });
}

bool rule_allows(const Json& rule, const Access& access) {
    if (!has(strings_at(rule, {"verbs"}), access.verb)) return false;
    if (!access.path.empty()) return path_matches(strings_at(rule, {"nonResourceURLs"}), access.path);
    if (!has(strings_at(rule, {"apiGroups"}), access.group)) return false;
    if (!resource_matches(strings_at(rule, {"resources"}), access)) return false;
    const std::vector<std::string> names = strings_at(rule, {"resourceNames"});
    return names.empty() || contains(names, access.name);
}

bool role_allows(const Storage& storage, const Json& role, const Access& access) {
    const Json& rules = array_at(role, {"rules"});
    if (std::ranges::any_of(rules, [&](const Json& rule) { return rule_allows(rule, access); })) return true;
    for (const Json& selector : array_at(role, {"aggregationRule", "clusterRoleSelectors"})) {
        const auto parsed = LabelSelector::from_json(selector);
        if (!parsed) continue;
        for (const Object& other : storage.list("rbac.authorization.k8s.io/clusterroles", "")) {
            // Aggregates of aggregates are flattened by a controller upstream; one level is enough here.
            if (find_at(*other, {"aggregationRule"}) != nullptr || !parsed->matches(*other)) continue;
            const Json& more = array_at(*other, {"rules"});
            if (std::ranges::any_of(more, [&](const Json& rule) { return rule_allows(rule, access); })) return true;
        }
    }
    return false;
}

/// The subject that applies, as it reads in a reason, or "".
std::string subject_of(const Json& binding, const UserInfo& user) {
    for (const Json& subject : array_at(binding, {"subjects"})) {
        const std::string kind = string_at(subject, {"kind"});
        const std::string name = string_at(subject, {"name"});
        if (kind == "User" && name == user.name) return "User " + quote(name);
        if (kind == "Group" && contains(user.groups, name)) return "Group " + quote(name);
        if (kind == "ServiceAccount") {
            std::string ns = string_at(subject, {"namespace"});
            if (ns.empty()) ns = string_at(binding, {"metadata", "namespace"});
            if (user.name == "system:serviceaccount:" + ns + ":" + name) {
                return "ServiceAccount " + quote(name + "/" + ns);
            }
        }
    }
    return "";
}

Object role_of(const Storage& storage, const Json& binding) {
    const std::string kind = string_at(binding, {"roleRef", "kind"});
    const std::string name = string_at(binding, {"roleRef", "name"});
    if (kind == "ClusterRole") return storage.get("rbac.authorization.k8s.io/clusterroles", "", name);
    return storage.get("rbac.authorization.k8s.io/roles", string_at(binding, {"metadata", "namespace"}), name);
}

}  // namespace

Decision authorize(const Storage& storage, const UserInfo& user, const Access& access) {
    if (contains(user.groups, "system:masters")) return {true, ""};
    std::vector<Object> bindings = storage.list("rbac.authorization.k8s.io/clusterrolebindings", "");
    if (access.path.empty() && !access.ns.empty()) {
        for (Object& local : storage.list("rbac.authorization.k8s.io/rolebindings", access.ns)) {
            bindings.push_back(std::move(local));
        }
    }
    for (const Object& binding : bindings) {
        const std::string subject = subject_of(*binding, user);
        if (subject.empty()) continue;
        const Object role = role_of(storage, *binding);
        if (!role || !role_allows(storage, *role, access)) continue;
        const std::string ns = string_at(*binding, {"metadata", "namespace"});
        const std::string name = string_at(*binding, {"metadata", "name"});
        return {true, "RBAC: allowed by " +
                          (ns.empty() ? "ClusterRoleBinding " + quote(name) : "RoleBinding " + quote(name + "/" + ns)) +
                          " of " + string_at(*binding, {"roleRef", "kind"}) + " " +
                          quote(string_at(*binding, {"roleRef", "name"})) + " to " + subject};
    }
    return {false, ""};
}

std::string denial(const UserInfo& user, const Access& access) {
    const std::string who = "User " + quote(user.name) + " cannot " + access.verb + " ";
    if (!access.path.empty()) return who + "path " + quote(access.path);
    const std::string full = access.subresource.empty() ? access.resource : access.resource + "/" + access.subresource;
    return who + "resource " + quote(full) + " in API group " + quote(access.group) +
           (access.ns.empty() ? " at the cluster scope" : " in the namespace " + quote(access.ns));
}

}  // namespace model
