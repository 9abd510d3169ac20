#include "tests/model/discovery.hpp"

namespace model {

namespace {

Json group_json(const std::string& group, const std::vector<std::string>& versions) {
    Json list = Json::array();
    for (const std::string& version : versions) {
        list.push_back({{"groupVersion", group + "/" + version}, {"version", version}});
    }
    Json preferred = list.front();
    return {{"name", group}, {"versions", std::move(list)}, {"preferredVersion", std::move(preferred)}};
}

Json resource_json(const ResourceInfo& info) {
    Json out = {{"name", info.resource},
                {"singularName", info.singular},
                {"namespaced", info.namespaced},
                {"kind", info.kind},
                {"verbs", info.verbs}};
    if (!info.short_names.empty()) out["shortNames"] = info.short_names;
    if (!info.categories.empty()) out["categories"] = info.categories;
    return out;
}

Json subresource_json(const ResourceInfo& info, const std::string& name) {
    std::vector<std::string> verbs = {"get", "patch", "update"};
    if (name == "log") verbs = {"get"};
    if (name == "binding" || name == "eviction") verbs = {"create"};
    Json out = {{"name", info.resource + "/" + name},
                {"singularName", ""},
                {"namespaced", info.namespaced},
                {"kind", name == "binding"    ? "Binding"
                         : name == "eviction" ? "Eviction"
                                              : info.kind},
                {"verbs", verbs}};
    if (name == "eviction") {
        out["group"] = "policy";
        out["version"] = "v1";
    }
    return out;
}

Json resource_list(const Registry& registry, const std::string& group, const std::string& version) {
    Json resources = Json::array();
    for (const ResourcePtr& info : registry.all()) {
        if (info->group != group || info->version != version) continue;
        resources.push_back(resource_json(*info));
        for (const std::string& sub : info->subresources) resources.push_back(subresource_json(*info, sub));
    }
    return {{"kind", "APIResourceList"},
            {"apiVersion", "v1"},
            {"groupVersion", group.empty() ? version : group + "/" + version},
            {"resources", std::move(resources)}};
}

}  // namespace

Json version_info() {
    return {{"major", "1"},
            {"minor", "36"},
            {"gitVersion", kGitVersion},
            {"gitCommit", ""},
            {"gitTreeState", "model"},
            {"buildDate", "1970-01-01T00:00:00Z"},
            {"goVersion", "none: this is Endoscope's model API server, a test double"},
            {"compiler", "clang"},
            {"platform", "linux/amd64"}};
}

std::optional<Json> discovery(const Registry& registry, const std::string& path) {
    std::vector<std::string> parts;
    for (const std::string& part : split(path, '/')) {
        if (!part.empty()) parts.push_back(part);
    }
    if (parts.empty()) return std::nullopt;
    if (parts[0] == "api") {
        if (parts.size() == 1) {
            Json versions = {{"kind", "APIVersions"}, {"serverAddressByClientCIDRs", Json::array()}};
            versions["versions"] = Json::array();
            versions["versions"].push_back("v1");
            return versions;
        }
        if (parts.size() == 2 && parts[1] == "v1") return resource_list(registry, "", "v1");
        return std::nullopt;
    }
    if (parts[0] != "apis") return std::nullopt;
    if (parts.size() == 1) {
        Json groups = Json::array();
        for (const auto& [group, versions] : registry.groups()) groups.push_back(group_json(group, versions));
        return Json{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
    }
    for (const auto& [group, versions] : registry.groups()) {
        if (group != parts[1]) continue;
        if (parts.size() == 2) {
            Json out = group_json(group, versions);
            out["kind"] = "APIGroup";
            out["apiVersion"] = "v1";
            return out;
        }
        if (parts.size() == 3 && contains(versions, parts[2])) return resource_list(registry, group, parts[2]);
    }
    return std::nullopt;
}

}  // namespace model
