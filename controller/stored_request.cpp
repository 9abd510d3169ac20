#include "controller/stored_request.hpp"

#include "controller/injection.hpp"
#include "controller/retention.hpp"
#include "controller/subject.hpp"
#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ranges>
#include <string_view>
#include <utility>

namespace endoscope::controller {

namespace {

bool is_over(api::Phase phase, bool has_finalizer, const api::DebugRequestStatus& status) {
    return api::is_terminal(phase) && phase != api::Phase::expired && !has_finalizer && !is_still_running(status);
}

std::vector<std::string> finalizers_of(const nlohmann::json& object) {
    std::vector<std::string> finalizers;
    const auto* list = kube::find_at(object, {"metadata", "finalizers"});
    if (list == nullptr || !list->is_array()) return finalizers;
    for (const auto& finalizer : *list) {
        if (finalizer.is_string()) finalizers.push_back(finalizer.get<std::string>());
    }
    return finalizers;
}

api::Phase phase_of(const nlohmann::json& object) {
    return api::phase_from_string(kube::string_at(object, {"status", "phase"})).value_or(api::Phase::pending);
}

bool has_ours(const std::vector<std::string>& finalizers) {
    return std::ranges::find(finalizers, api::kFinalizer) != finalizers.end();
}

/// The members of an object that are there, of those named.
nlohmann::json members(const nlohmann::json& object, std::string_view of, std::initializer_list<const char*> names) {
    nlohmann::json kept = nlohmann::json::object();
    for (const char* name : names) {
        if (const auto* value = kube::find_at(object, {of, name})) kept[name] = *value;
    }
    return kept;
}

/// Put together from texts: a copy of the tree would cost more than reading it did.
std::string text_of(const nlohmann::json& object, bool is_short) {
    std::string text = R"({"metadata":)";
    text += kube::dump_json(members(object, "metadata",
                                    {"namespace", "name", "uid", "resourceVersion", "generation", "creationTimestamp",
                                     "deletionTimestamp", "finalizers"}));
    if (const auto* spec = kube::find_at(object, {"spec"})) text += R"(,"spec":)" + kube::dump_json(*spec);
    if (is_short) {
        text += R"(,"status":)" +
                kube::dump_json(members(object, "status", {"observedGeneration", "phase", "reason", "message"}));
    } else if (const auto* status = kube::find_at(object, {"status"})) {
        text += R"(,"status":)" + kube::dump_json(*status);
    }
    text += '}';
    text.shrink_to_fit();
    return text;
}

/// One text instead of a list: nearly all requests are for one Pod.
std::string pods_of(const api::DebugRequest& request) {
    if (request.status.targets.empty()) return request.spec.target.pod_name;
    std::string pods;
    for (const api::TargetStatus& row : request.status.targets) pods += (pods.empty() ? "" : ",") + row.pod_name;
    return pods;
}

}  // namespace

std::vector<std::string> CachedRequest::pod_names() const {
    std::vector<std::string> names;
    for (const auto part : std::views::split(pods, ',')) names.emplace_back(std::string_view(part));
    return names;
}

CachedRequest cache_request(const nlohmann::json& object) {
    CachedRequest cached{.ns = kube::string_at(object, {"metadata", "namespace"}),
                         .name = kube::string_at(object, {"metadata", "name"}),
                         .uid = kube::string_at(object, {"metadata", "uid"}),
                         .deleting = !kube::string_at(object, {"metadata", "deletionTimestamp"}).empty(),
                         .has_finalizer = has_ours(finalizers_of(object)),
                         .phase = phase_of(object),
                         .removable_since = removable_since(object),
                         .subject = {},
                         .pods = {},
                         .container = {},
                         .text = {}};
    auto parsed = api::parse_debug_request(object);
    if (parsed) {
        cached.is_readable = true;
        cached.has_targets = !parsed->status.targets.empty();
        cached.subject = subject_name(parsed->spec);
        cached.pods = pods_of(*parsed);
        cached.container = parsed->spec.target.container;
    }
    const api::DebugRequestStatus status = parsed ? std::move(parsed->status) : api::DebugRequestStatus();
    cached.text = text_of(object, is_over(cached.phase, cached.has_finalizer, status));
    return cached;
}

StoredRequest read_request(const CachedRequest& cached) {
    // The text is our own, so it can be read.
    const nlohmann::json object = kube::parse_json(cached.text).value_or(nlohmann::json::object());
    return {.ns = cached.ns,
            .name = cached.name,
            .uid = cached.uid,
            .resource_version = kube::string_at(object, {"metadata", "resourceVersion"}),
            .deleting = cached.deleting,
            .has_finalizer = cached.has_finalizer,
            .finalizers = finalizers_of(object),
            .phase = cached.phase,
            .parsed = api::parse_debug_request(object),
            .text = cached.text};
}

bool is_recorded(const StoredRequest& stored, const api::DebugRequestStatus& status) {
    if (!stored.parsed) return false;
    const api::DebugRequestStatus& shown = stored.parsed->status;
    if (!is_over(stored.phase, stored.has_finalizer, shown)) return shown == status;
    return shown.observed_generation == status.observed_generation && shown.phase == status.phase &&
           shown.reason == status.reason && shown.message == status.message;
}

}  // namespace endoscope::controller
