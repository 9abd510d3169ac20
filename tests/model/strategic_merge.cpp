#include "tests/model/patch.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace model {

namespace {

constexpr std::string_view kPrimitive = "<primitive>";

/// How a list merges, by its path below the kind ("*" stands for every list item on the way). Absent: replaced whole.
/// Taken from the patchStrategy and patchMergeKey tags of k8s.io/api.
const std::map<std::string, std::string, std::less<>>& merge_keys(std::string_view kind) {
    using Keys = std::map<std::string, std::string, std::less<>>;
    static const Keys kMeta = {{"metadata.ownerReferences", "uid"}, {"metadata.finalizers", std::string(kPrimitive)}};
    static const std::map<std::string, Keys, std::less<>> kKinds = [] {
        std::map<std::string, Keys, std::less<>> kinds;
        Keys pod = kMeta;
        for (const char* list : {"containers", "initContainers", "ephemeralContainers"}) {
            const std::string path = std::string("spec.") + list;
            pod[path] = "name";
            pod[path + ".*.env"] = "name";
            pod[path + ".*.ports"] = "containerPort";
            pod[path + ".*.volumeMounts"] = "mountPath";
            pod[path + ".*.volumeDevices"] = "devicePath";
        }
        pod["spec.volumes"] = "name";
        pod["spec.imagePullSecrets"] = "name";
        pod["spec.hostAliases"] = "ip";
        pod["spec.topologySpreadConstraints"] = "topologyKey";
        pod["spec.schedulingGates"] = "name";
        pod["spec.resourceClaims"] = "name";
        pod["status.conditions"] = "type";
        pod["status.podIPs"] = "ip";
        pod["status.hostIPs"] = "ip";
        kinds["Pod"] = std::move(pod);
        Keys service = kMeta;
        service["spec.ports"] = "port";
        service["status.conditions"] = "type";
        kinds["Service"] = std::move(service);
        Keys account = kMeta;
        account["secrets"] = "name";
        account["imagePullSecrets"] = "name";
        kinds["ServiceAccount"] = std::move(account);
        Keys node = kMeta;
        node["status.conditions"] = "type";
        node["status.addresses"] = "type";
        node["spec.podCIDRs"] = std::string(kPrimitive);
        kinds["Node"] = std::move(node);
        Keys ns = kMeta;
        ns["status.conditions"] = "type";
        kinds["Namespace"] = std::move(ns);
        Keys budget = kMeta;
        budget["status.conditions"] = "type";
        kinds["PodDisruptionBudget"] = std::move(budget);
        Keys hooks = kMeta;
        hooks["webhooks"] = "name";
        kinds["ValidatingWebhookConfiguration"] = hooks;
        kinds["MutatingWebhookConfiguration"] = std::move(hooks);
        return kinds;
    }();
    const auto found = kKinds.find(kind);
    return found == kKinds.end() ? kMeta : found->second;
}

class Merger {
  public:
    explicit Merger(const std::string& kind) : keys_(merge_keys(kind)) {}

    Outcome<Json> map(const Json& target, const Json& patch, const std::string& path) const;

  private:
    std::optional<std::string> key_of(const std::string& path) const {
        const auto found = keys_.find(path);
        if (found == keys_.end()) return std::nullopt;
        return found->second;
    }
    Outcome<Json> list_of_maps(const Json& target, const Json& patch, const Json& order, const std::string& key,
                               const std::string& path) const;
    static Json primitives(const Json& target, const Json& patch, const Json& order);

    const std::map<std::string, std::string, std::less<>>& keys_;
};

std::string below(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
}

bool is_directive(std::string_view key) {
    return key == "$patch" || key == "$retainKeys" || key.starts_with("$setElementOrder/") ||
           key.starts_with("$deleteFromPrimitiveList/");
}

/// Drops directives and nulls from a value that has no counterpart to merge with.
Json without_directives(const Json& value) {
    if (value.is_object()) {
        Json out = Json::object();
        for (const auto& [key, member] : value.items()) {
            if (!is_directive(key) && !member.is_null()) out[key] = without_directives(member);
        }
        return out;
    }
    if (value.is_array()) {
        Json out = Json::array();
        for (const Json& item : value) {
            if (string_at(item, {"$patch"}) != "delete") out.push_back(without_directives(item));
        }
        return out;
    }
    return value;
}

Outcome<Json> Merger::map(const Json& target, const Json& patch, const std::string& path) const {
    const std::string directive = string_at(patch, {"$patch"});
    if (directive == "delete") return Json::object();
    if (directive == "replace") return without_directives(patch);
    if (!directive.empty() && directive != "merge") {
        return std::unexpected(bad_request("Wrong patch type: " + directive));
    }
    Json out = target.is_object() ? target : Json::object();
    if (patch.contains("$retainKeys")) {
        const std::vector<std::string> kept = strings_at(patch, {"$retainKeys"});
        for (auto at = out.begin(); at != out.end();) at = contains(kept, at.key()) ? std::next(at) : out.erase(at);
    }
    for (const auto& [key, value] : patch.items()) {
        if (key.starts_with("$deleteFromPrimitiveList/")) {
            const std::string list = key.substr(key.find('/') + 1);
            if (!out.contains(list) || !out[list].is_array() || !value.is_array()) continue;
            Json kept = Json::array();
            for (const Json& item : out[list]) {
                if (std::ranges::find(value, item) == value.end()) kept.push_back(item);
            }
            out[list] = std::move(kept);
        }
    }
    for (const auto& [key, value] : patch.items()) {
        if (is_directive(key)) continue;
        if (value.is_null()) {
            out.erase(key);
            continue;
        }
        const auto found = out.find(key);
        const Json before = found == out.end() ? Json() : *found;
        const std::string at = below(path, key);
        if (value.is_object()) {
            auto merged = map(before, value, at);
            if (!merged) return merged;
            out[key] = std::move(*merged);
        } else if (const auto merge_key = value.is_array() ? key_of(at) : std::nullopt) {
            const std::string order_key = "$setElementOrder/" + key;
            const Json order = patch.contains(order_key) ? patch[order_key] : Json();
            if (*merge_key == kPrimitive) {
                out[key] = primitives(before, value, order);
            } else {
                auto merged = list_of_maps(before, value, order, *merge_key, at);
                if (!merged) return merged;
                out[key] = std::move(*merged);
            }
        } else {
            out[key] = without_directives(value);
        }
    }
    // An order without a list reorders what is there.
    for (const auto& [key, value] : patch.items()) {
        if (!key.starts_with("$setElementOrder/")) continue;
        const std::string list = key.substr(key.find('/') + 1);
        if (patch.contains(list) || !out.contains(list)) continue;
        const auto merge_key = key_of(below(path, list));
        if (!merge_key || *merge_key == kPrimitive) continue;
        auto merged = list_of_maps(out[list], Json::array(), value, *merge_key, below(path, list));
        if (!merged) return merged;
        out[list] = std::move(*merged);
    }
    return out;
}

std::size_t index_of(const Json& list, const std::string& key, const Json& wanted) {
    std::size_t index = 0;
    for (const Json& item : list) {
        if (item.is_object() && item.contains(key) && item[key] == wanted) return index;
        ++index;
    }
    return std::string::npos;
}

Outcome<Json> Merger::list_of_maps(const Json& target, const Json& patch, const Json& order, const std::string& key,
                                   const std::string& path) const {
    const Json before = target.is_array() ? target : Json::array();
    for (const Json& item : patch) {
        if (string_at(item, {"$patch"}) == "replace") {
            Json replaced = Json::array();
            for (const Json& one : patch) {
                if (string_at(one, {"$patch"}) != "replace") replaced.push_back(without_directives(one));
            }
            return replaced;
        }
    }
    Json current = before;
    for (const Json& item : patch) {
        if (!item.is_object() || !item.contains(key)) {
            return std::unexpected(ApiError{500, "",
                                            "map: " + go_format(item) + " does not contain declared merge key: " + key,
                                            nullptr, std::nullopt});
        }
        const std::size_t found = index_of(current, key, item[key]);
        if (string_at(item, {"$patch"}) == "delete") {
            if (found != std::string::npos) current.erase(found);
        } else if (found != std::string::npos) {
            auto merged = map(current[found], item, path + ".*");
            if (!merged) return merged;
            current[found] = std::move(*merged);
        } else {
            current.push_back(without_directives(item));
        }
    }
    // Upstream's normalizeElementOrder: what the patch names comes in the patch's order, what only the server has is
    // put before the first patched item that it preceded on the server, and new patched items come first.
    const Json& wanted = order.is_array() ? order : patch;
    std::vector<const Json*> patched;
    std::vector<const Json*> server_only;
    for (const Json& item : wanted) {
        if (!item.is_object() || !item.contains(key)) continue;
        const std::size_t found = index_of(current, key, item[key]);
        if (found == std::string::npos) continue;
        if (std::ranges::find(patched, &current[found]) == patched.end()) patched.push_back(&current[found]);
    }
    for (const Json& item : current) {
        if (std::ranges::find(patched, &item) == patched.end()) server_only.push_back(&item);
    }
    Json out = Json::array();
    std::size_t left = 0;
    std::size_t right = 0;
    while (left < server_only.size() || right < patched.size()) {
        bool take_left = right >= patched.size();
        if (!take_left && left < server_only.size()) {
            const std::size_t l = index_of(before, key, (*server_only[left])[key]);
            const std::size_t r = index_of(before, key, (*patched[right])[key]);
            take_left = l != std::string::npos && r != std::string::npos && l < r;
        }
        out.push_back(take_left ? *server_only[left++] : *patched[right++]);
    }
    return out;
}

Json Merger::primitives(const Json& target, const Json& patch, const Json& order) {
    Json out = target.is_array() ? target : Json::array();
    for (const Json& item : patch) {
        if (std::ranges::find(out, item) == out.end()) out.push_back(item);
    }
    if (!order.is_array()) return out;
    Json sorted = Json::array();
    for (const Json& item : out) {
        if (std::ranges::find(order, item) == order.end()) sorted.push_back(item);
    }
    for (const Json& item : order) {
        if (std::ranges::find(out, item) != out.end()) sorted.push_back(item);
    }
    return sorted;
}

}  // namespace

Outcome<Json> strategic_merge_patch(const std::string& kind, const Json& target, const Json& patch) {
    if (!patch.is_object()) {
        return std::unexpected(bad_request("a strategic merge patch must be a JSON object"));
    }
    return Merger(kind).map(target, patch, "");
}

}  // namespace model
