#include "tests/model/event_views.hpp"

#include <array>

namespace model {

namespace {

struct Names {
    const char* core;
    const char* v1;
};
constexpr std::array kNames = {Names{"involvedObject", "regarding"},
                               Names{"message", "note"},
                               Names{"reportingComponent", "reportingController"},
                               Names{"source", "deprecatedSource"},
                               Names{"firstTimestamp", "deprecatedFirstTimestamp"},
                               Names{"lastTimestamp", "deprecatedLastTimestamp"},
                               Names{"count", "deprecatedCount"}};

void rename(Json& object, const char* from, const char* to) {
    const auto found = object.find(from);
    if (found == object.end()) return;
    Json value = *found;
    object.erase(from);
    object[to] = std::move(value);
}

bool is_event_v1(const ResourceInfo& info) {
    return info.group == "events.k8s.io";
}

}  // namespace

Json to_view(const ResourceInfo& info, const Json& stored) {
    Json out = stored;
    out["apiVersion"] = info.api_version();
    out["kind"] = info.kind;
    if (is_event_v1(info)) {
        for (const Names& names : kNames) rename(out, names.core, names.v1);
        for (const char* key : {"reportingController", "reportingInstance"}) {
            if (string_at(out, {key}).empty()) out.erase(key);
        }
    }
    return out;
}

Json from_view(const ResourceInfo& info, const Json& object) {
    Json out = object;
    if (!is_event_v1(info)) return out;
    out["apiVersion"] = "v1";
    for (const Names& names : kNames) rename(out, names.v1, names.core);
    return out;
}

}  // namespace model
