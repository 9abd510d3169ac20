#include "api/debug_request_status.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace endoscope::api {
namespace {

using nlohmann::json;

const json* find(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

std::string text(const json& object, const char* key) {
    const json* const value = find(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<std::int64_t> integer(const json& object, const char* key) {
    const json* const value = find(object, key);
    if (value == nullptr || !value->is_number_integer()) return std::nullopt;
    return value->get<std::int64_t>();
}

TargetStatus read_target(const json& row) {
    return {.pod_name = text(row, "podName"),
            .pod_uid = text(row, "podUID"),
            .node_name = text(row, "nodeName"),
            .container_name = text(row, "containerName"),
            .state = text(row, "state"),
            .reason = text(row, "reason"),
            .message = text(row, "message"),
            .image_id = text(row, "imageID"),
            .started_at = text(row, "startedAt"),
            .finished_at = text(row, "finishedAt"),
            .exit_code = integer(row, "exitCode"),
            .output = text(row, "output")};
}

void put(json& object, const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
}

json target_json(const TargetStatus& target) {
    json row = {{"podName", target.pod_name}};
    put(row, "podUID", target.pod_uid);
    put(row, "nodeName", target.node_name);
    put(row, "containerName", target.container_name);
    put(row, "state", target.state);
    put(row, "reason", target.reason);
    put(row, "message", target.message);
    put(row, "imageID", target.image_id);
    put(row, "startedAt", target.started_at);
    put(row, "finishedAt", target.finished_at);
    if (target.exit_code) row["exitCode"] = *target.exit_code;
    put(row, "output", target.output);
    return row;
}

}  // namespace

DebugRequestStatus parse_status(const json& object) {
    DebugRequestStatus status;
    if (!object.is_object()) return status;
    status.observed_generation = integer(object, "observedGeneration").value_or(0);
    status.phase = phase_from_string(text(object, "phase"));
    status.reason = reason_from_string(text(object, "reason"));
    status.message = text(object, "message");
    if (const json* const policy = find(object, "policy"); policy != nullptr && policy->is_object()) {
        status.policy = PolicyRef{.name = text(*policy, "name"),
                                  .uid = text(*policy, "uid"),
                                  .generation = integer(*policy, "generation").value_or(0)};
    }
    status.image = text(object, "image");
    if (const json* const targets = find(object, "targets"); targets != nullptr && targets->is_array()) {
        for (const json& row : *targets) {
            if (row.is_object()) status.targets.push_back(read_target(row));
        }
    }
    status.started_at = text(object, "startedAt");
    status.finished_at = text(object, "finishedAt");
    status.expires_at = text(object, "expiresAt");
    status.attach_command = text(object, "attachCommand");
    status.logs_command = text(object, "logsCommand");
    if (const json* const conditions = find(object, "conditions")) status.conditions = parse_conditions(*conditions);
    return status;
}

json to_json(const DebugRequestStatus& status) {
    json result = json::object();
    if (status.observed_generation != 0) result["observedGeneration"] = status.observed_generation;
    if (status.phase) result["phase"] = to_string(*status.phase);
    if (status.reason) result["reason"] = to_string(*status.reason);
    put(result, "message", status.message);
    if (status.policy) {
        result["policy"] = {{"name", status.policy->name}, {"generation", status.policy->generation}};
        put(result["policy"], "uid", status.policy->uid);
    }
    put(result, "image", status.image);
    for (const TargetStatus& target : status.targets) result["targets"].push_back(target_json(target));
    put(result, "startedAt", status.started_at);
    put(result, "finishedAt", status.finished_at);
    put(result, "expiresAt", status.expires_at);
    put(result, "attachCommand", status.attach_command);
    put(result, "logsCommand", status.logs_command);
    if (!status.conditions.empty()) result["conditions"] = to_json(status.conditions);
    return result;
}

}  // namespace endoscope::api
