#include "tests/integration/granted.hpp"

#include "kube/base/json.hpp"

#include <algorithm>
#include <sstream>

namespace endoscope::test {

using kube::string_at;
using nlohmann::json;

namespace {

constexpr int kForbidden = 403;

/// One entry for "" where a rule says nothing.
std::vector<std::string> texts(const json& rule, const char* field) {
    const json* const found = kube::find_at(rule, {field});
    return found == nullptr || found->empty() ? std::vector<std::string>{""} : found->get<std::vector<std::string>>();
}

void add(std::vector<Access>& all, const json& rule, const std::string& ns) {
    if (!rule.contains("resources")) return;
    for (const auto& verb : texts(rule, "verbs")) {
        for (const auto& group : texts(rule, "apiGroups")) {
            for (const auto& resource : texts(rule, "resources")) {
                for (const auto& name : texts(rule, "resourceNames")) {
                    all.push_back({.verb = verb, .group = group, .resource = resource, .ns = ns, .name = name});
                }
            }
        }
    }
}

bool needs(const Access& done, const Access& grant) {
    return done.code != kForbidden && done.verb == grant.verb && done.group == grant.group &&
           done.resource == grant.resource && (grant.ns.empty() || grant.ns == done.ns) &&
           (grant.name.empty() || grant.name == done.name);
}

}  // namespace

std::string Access::text() const {
    return verb + " " + resource + (group.empty() ? "" : "." + group) + (name.empty() ? "" : " \"" + name + "\"") +
           (ns.empty() ? "" : " in " + ns) + (code == 0 ? "" : ": " + std::to_string(code));
}

std::vector<Access> accesses(const std::string& audit_log, const std::string& account) {
    std::vector<Access> all;
    std::istringstream lines(audit_log);
    for (std::string line; std::getline(lines, line);) {
        const auto entry = kube::parse_json(line);
        // The last line may be half written.
        if (!entry || string_at(*entry, {"user", "username"}) != account || !entry->contains("objectRef")) continue;
        const json& object = (*entry)["objectRef"];
        const std::string part = string_at(object, {"subresource"});
        Access access{.verb = string_at(*entry, {"verb"}),
                      .group = string_at(object, {"apiGroup"}),
                      .resource = string_at(object, {"resource"}) + (part.empty() ? "" : "/" + part),
                      .ns = string_at(object, {"namespace"}),
                      .name = string_at(object, {"name"}),
                      .code = entry->value("/responseStatus/code"_json_pointer, 0)};
        all.push_back(access);
        // A WebSocket is opened by GET, and since Kubernetes 1.35 the right to create is asked for besides.
        if (access.verb == "get" && access.resource == "pods/exec") {
            access.verb = "create";
            all.push_back(std::move(access));
        }
    }
    return all;
}

std::vector<Access> grants(const std::vector<json>& objects) {
    std::vector<Access> all;
    for (const json& object : objects) {
        const std::string kind = string_at(object, {"kind"});
        if (kind != "Role" && kind != "ClusterRole") continue;
        for (const json& rule : object["rules"]) {
            add(all, rule, kind == "Role" ? string_at(object, {"metadata", "namespace"}) : "");
        }
    }
    return all;
}

std::vector<Access> unneeded(const std::vector<Access>& granted, const std::vector<Access>& used) {
    std::vector<Access> left;
    std::ranges::copy_if(granted, std::back_inserter(left), [&](const Access& grant) {
        return std::ranges::none_of(used, [&](const Access& done) { return needs(done, grant); });
    });
    return left;
}

}  // namespace endoscope::test
