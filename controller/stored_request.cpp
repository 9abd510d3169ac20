#include "controller/stored_request.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

namespace endoscope::controller {

StoredRequest project_request(const nlohmann::json& object) {
    StoredRequest stored{
        .ns = kube::string_at(object, {"metadata", "namespace"}),
        .name = kube::string_at(object, {"metadata", "name"}),
        .uid = kube::string_at(object, {"metadata", "uid"}),
        .resource_version = kube::string_at(object, {"metadata", "resourceVersion"}),
        .deleting = !kube::string_at(object, {"metadata", "deletionTimestamp"}).empty(),
        .phase = api::phase_from_string(kube::string_at(object, {"status", "phase"})).value_or(api::Phase::pending),
        .parsed = api::parse_debug_request(object),
        .sealed_text = {}};
    if (!api::is_terminal(stored.phase)) {
        nlohmann::json sealed = {{"metadata",
                                  {{"namespace", stored.ns},
                                   {"name", stored.name},
                                   {"creationTimestamp", kube::string_at(object, {"metadata", "creationTimestamp"})}}}};
        if (const auto* spec = kube::find_at(object, {"spec"})) sealed["spec"] = *spec;
        stored.sealed_text = kube::dump_json(sealed);
    }
    return stored;
}

}  // namespace endoscope::controller
