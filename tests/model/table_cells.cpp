#include "tests/model/table_cells.hpp"

#include "tests/model/selector.hpp"
#include "tests/model/table.hpp"

namespace model {

namespace {

struct Definition {
    const char* name;
    const char* type;
    int priority;
};

std::string age(const Json& object, std::initializer_list<std::string_view> path, kube::WallTime now) {
    const auto time = parse_time(string_at(object, path));
    return time ? human_duration(now - *time) : "<unknown>";
}

long long number(const Json& object, std::initializer_list<std::string_view> path) {
    const Json* found = find_at(object, path);
    return found != nullptr && found->is_number_integer() ? found->get<long long>() : 0;
}

std::string or_none(const std::string& text) {
    return text.empty() ? "<none>" : text;
}

/// The STATUS column: what keeps the Pod from running, as kubectl words it.
std::string pod_status(const Json& pod) {
    std::string status = string_at(pod, {"status", "reason"});
    if (status.empty()) status = string_at(pod, {"status", "phase"});
    for (const Json& container : array_at(pod, {"status", "containerStatuses"})) {
        const std::string waiting = string_at(container, {"state", "waiting", "reason"});
        const std::string ended = string_at(container, {"state", "terminated", "reason"});
        if (!waiting.empty()) status = waiting;
        if (!ended.empty()) status = ended;
    }
    return string_at(pod, {"metadata", "deletionTimestamp"}).empty() ? status : "Terminating";
}

Json pod_cells(const Json& pod, kube::WallTime now) {
    long long ready = 0;
    long long restarts = 0;
    for (const Json& container : array_at(pod, {"status", "containerStatuses"})) {
        if (true_at(container, {"ready"})) ++ready;
        restarts += number(container, {"restartCount"});
    }
    Json cells = Json::array();
    cells.push_back(string_at(pod, {"metadata", "name"}));
    cells.push_back(std::to_string(ready) + "/" + std::to_string(array_at(pod, {"spec", "containers"}).size()));
    cells.push_back(pod_status(pod));
    cells.push_back(std::to_string(restarts));
    cells.push_back(age(pod, {"metadata", "creationTimestamp"}, now));
    cells.push_back(or_none(string_at(pod, {"status", "podIP"})));
    cells.push_back(or_none(string_at(pod, {"spec", "nodeName"})));
    cells.push_back(or_none(string_at(pod, {"status", "nominatedNodeName"})));
    cells.push_back("<none>");
    return cells;
}

Json event_cells(const Json& object, kube::WallTime now) {
    const bool v1 = string_at(object, {"apiVersion"}) == "events.k8s.io/v1";
    const char* about = v1 ? "regarding" : "involvedObject";
    std::string kind = string_at(object, {about, "kind"});
    for (char& c : kind) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::string seen = string_at(object, {"series", "lastObservedTime"});
    if (seen.empty()) seen = string_at(object, {v1 ? "deprecatedLastTimestamp" : "lastTimestamp"});
    if (seen.empty()) seen = string_at(object, {"eventTime"});
    if (seen.empty()) seen = string_at(object, {"metadata", "creationTimestamp"});
    const auto time = parse_time(seen);
    std::string source = string_at(object, {v1 ? "deprecatedSource" : "source", "component"});
    if (source.empty()) source = string_at(object, {v1 ? "reportingController" : "reportingComponent"});
    long long count = number(object, {"series", "count"});
    if (count == 0) count = std::max(1LL, number(object, {v1 ? "deprecatedCount" : "count"}));
    Json cells = Json::array();
    cells.push_back(time ? human_duration(now - *time) : "<unknown>");
    cells.push_back(string_at(object, {"type"}));
    cells.push_back(string_at(object, {"reason"}));
    cells.push_back(kind + "/" + string_at(object, {about, "name"}));
    cells.push_back(string_at(object, {about, "fieldPath"}));
    cells.push_back(source);
    cells.push_back(string_at(object, {v1 ? "note" : "message"}));
    cells.push_back(age(object, {"metadata", "creationTimestamp"}, now));
    cells.push_back(count);
    cells.push_back(string_at(object, {"metadata", "name"}));
    return cells;
}

std::vector<Definition> definitions(const std::string& kind) {
    const Definition name = {"Name", "string", 0};
    const Definition age_column = {"Age", "string", 0};
    if (kind == "Pod") {
        return {name,
                {"Ready", "string", 0},
                {"Status", "string", 0},
                {"Restarts", "string", 0},
                age_column,
                {"IP", "string", 1},
                {"Node", "string", 1},
                {"Nominated Node", "string", 1},
                {"Readiness Gates", "string", 1}};
    }
    if (kind == "Event") {
        return {{"Last Seen", "string", 0}, {"Type", "string", 0},       {"Reason", "string", 0},
                {"Object", "string", 0},    {"Subobject", "string", 1},  {"Source", "string", 1},
                {"Message", "string", 0},   {"First Seen", "string", 1}, {"Count", "integer", 1},
                {"Name", "string", 1}};
    }
    if (kind == "Namespace") return {name, {"Status", "string", 0}, age_column};
    if (kind == "Node") return {name, {"Status", "string", 0}, age_column};
    if (kind == "Secret") return {name, {"Type", "string", 0}, {"Data", "string", 0}, age_column};
    if (kind == "ConfigMap") return {name, {"Data", "string", 0}, age_column};
    if (kind == "PodDisruptionBudget") {
        return {name,
                {"Min Available", "string", 0},
                {"Max Unavailable", "string", 0},
                {"Allowed Disruptions", "integer", 0},
                age_column};
    }
    if (kind == "Lease") return {name, {"Holder", "string", 0}, age_column};
    if (kind == "CustomResourceDefinition" || kind == "Role" || kind == "ClusterRole") {
        return {name, {"Created At", "date", 0}};
    }
    if (kind == "RoleBinding" || kind == "ClusterRoleBinding") return {name, {"Role", "string", 0}, age_column};
    if (kind == "MutatingWebhookConfiguration" || kind == "ValidatingWebhookConfiguration") {
        return {name, {"Webhooks", "integer", 0}, age_column};
    }
    return {name, age_column};
}

}  // namespace

std::vector<Column> builtin_columns(const ResourceInfo& info) {
    std::vector<Column> out;
    for (const Definition& definition : definitions(info.kind)) {
        Column column;
        column.name = definition.name;
        column.type = definition.type;
        column.priority = definition.priority;
        if (column.name == "Name") column.format = "name";
        out.push_back(std::move(column));
    }
    return out;
}

Json builtin_cells(const ResourceInfo& info, const Json& object, kube::WallTime now) {
    if (info.kind == "Pod") return pod_cells(object, now);
    if (info.kind == "Event") return event_cells(object, now);
    Json cells = Json::array();
    cells.push_back(string_at(object, {"metadata", "name"}));
    const auto size = [&](const char* key) {
        const Json* found = find_at(object, {key});
        return found != nullptr && found->is_structured() ? found->size() : 0;
    };
    if (info.kind == "CustomResourceDefinition" || info.kind == "Role" || info.kind == "ClusterRole") {
        cells.push_back(string_at(object, {"metadata", "creationTimestamp"}));
        return cells;
    }
    if (info.kind == "Namespace") {
        cells.push_back(string_at(object, {"status", "phase"}));
    } else if (info.kind == "Node") {
        std::string ready = "Unknown";
        for (const Json& condition : array_at(object, {"status", "conditions"})) {
            if (string_at(condition, {"type"}) != "Ready") continue;
            ready = string_at(condition, {"status"}) == "True" ? "Ready" : "NotReady";
        }
        cells.push_back(ready);
    } else if (info.kind == "Secret") {
        cells.push_back(string_at(object, {"type"}));
        cells.push_back(std::to_string(size("data")));
    } else if (info.kind == "ConfigMap") {
        cells.push_back(size("data") + size("binaryData"));
    } else if (info.kind == "PodDisruptionBudget") {
        for (const char* key : {"minAvailable", "maxUnavailable"}) {
            const std::string text = field_text(object, std::string("spec.") + key);
            cells.push_back(text.empty() ? "N/A" : text);
        }
        const Json* allowed = find_at(object, {"status", "disruptionsAllowed"});
        cells.push_back(allowed != nullptr ? *allowed : Json(0));
    } else if (info.kind == "Lease") {
        cells.push_back(string_at(object, {"spec", "holderIdentity"}));
    } else if (info.kind == "RoleBinding" || info.kind == "ClusterRoleBinding") {
        cells.push_back(string_at(object, {"roleRef", "kind"}) + "/" + string_at(object, {"roleRef", "name"}));
    } else if (info.kind == "MutatingWebhookConfiguration" || info.kind == "ValidatingWebhookConfiguration") {
        cells.push_back(size("webhooks"));
    }
    cells.push_back(age(object, {"metadata", "creationTimestamp"}, now));
    return cells;
}

}  // namespace model
