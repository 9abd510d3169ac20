#include "controller/stored_request.hpp"

#include "controller/subject.hpp"
#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace endoscope::controller {

namespace {

bool is_over(api::Phase phase) {
    return api::is_terminal(phase) && phase != api::Phase::expired;
}

api::Phase phase_of(const nlohmann::json& object) {
    return api::phase_from_string(kube::string_at(object, {"status", "phase"})).value_or(api::Phase::pending);
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
std::string text_of(const nlohmann::json& object, api::Phase phase) {
    std::string text = R"({"metadata":)";
    text += kube::dump_json(members(
        object, "metadata",
        {"namespace", "name", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"}));
    if (const auto* spec = kube::find_at(object, {"spec"})) text += R"(,"spec":)" + kube::dump_json(*spec);
    if (is_over(phase)) {
        text += R"(,"status":)" +
                kube::dump_json(members(object, "status", {"observedGeneration", "phase", "reason", "message"}));
    } else if (const auto* status = kube::find_at(object, {"status"})) {
        text += R"(,"status":)" + kube::dump_json(*status);
    }
    text += '}';
    text.shrink_to_fit();
    return text;
}

}  // namespace

CachedRequest cache_request(const nlohmann::json& object) {
    CachedRequest cached{.ns = kube::string_at(object, {"metadata", "namespace"}),
                         .name = kube::string_at(object, {"metadata", "name"}),
                         .uid = kube::string_at(object, {"metadata", "uid"}),
                         .deleting = !kube::string_at(object, {"metadata", "deletionTimestamp"}).empty(),
                         .phase = phase_of(object),
                         .subject = {},
                         .pod = {},
                         .container = {},
                         .text = {}};
    if (const auto parsed = api::parse_debug_request(object)) {
        cached.is_readable = true;
        cached.has_targets = !parsed->status.targets.empty();
        cached.subject = subject_name(parsed->spec);
        cached.pod = parsed->spec.target.pod_name;
        cached.container = parsed->spec.target.container;
    }
    cached.text = text_of(object, cached.phase);
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
            .phase = cached.phase,
            .parsed = api::parse_debug_request(object),
            .text = cached.text};
}

bool is_recorded(const StoredRequest& stored, const api::DebugRequestStatus& status) {
    if (!stored.parsed) return false;
    if (!is_over(stored.phase)) return stored.parsed->status == status;
    const api::DebugRequestStatus& shown = stored.parsed->status;
    return shown.observed_generation == status.observed_generation && shown.phase == status.phase &&
           shown.reason == status.reason && shown.message == status.message;
}

}  // namespace endoscope::controller
