#include "tests/model/pod_rules.hpp"

#include "tests/model/names.hpp"

#include <algorithm>
#include <array>

namespace model {

namespace {

constexpr std::array kContainerLists = {"initContainers", "containers", "ephemeralContainers"};

/// Always for `:latest` and for neither tag nor digest, as SetDefaults_Container. A name that cannot be parsed has no
/// tag at all there, which makes it IfNotPresent.
std::string default_pull_policy(const std::string& reference) {
    const std::size_t at = reference.find('@');
    const std::string image = reference.substr(0, at);
    const std::size_t slash = image.rfind('/');
    const std::size_t colon = image.rfind(':');
    const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
    const std::string name = tagged ? image.substr(0, colon) : image;
    const bool unparsable = name.find("//") != std::string::npos || std::ranges::any_of(name, [](char c) {
                                return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) <= ' ';
                            });
    if (unparsable) return "IfNotPresent";
    if (tagged) return image.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
    return at == std::string::npos ? "Always" : "IfNotPresent";
}

/// Struct fields without omitempty, which a real server's answer always carries.
void default_statuses(Json& status) {
    for (const char* list : {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
        if (!status.contains(list) || !status[list].is_array()) continue;
        for (Json& one : status[list]) {
            set_default(one, "lastState", Json::object());
            set_default(one, "state", Json::object());
            Json& state = one["state"];
            if (!state.is_object()) continue;
            if (state.contains("terminated")) {
                set_default(state["terminated"], "startedAt", nullptr);
                set_default(state["terminated"], "finishedAt", nullptr);
            }
            if (state.contains("running")) set_default(state["running"], "startedAt", nullptr);
        }
    }
    if (!status.contains("conditions") || !status["conditions"].is_array()) return;
    for (Json& condition : status["conditions"]) {
        set_default(condition, "lastProbeTime", nullptr);
        set_default(condition, "lastTransitionTime", nullptr);
    }
}

/// The spec with everything taken out that an update through `pods` may change.
Json frozen_spec(const Json& pod) {
    const Json* spec = find_at(pod, {"spec"});
    Json out = spec != nullptr && spec->is_object() ? *spec : Json::object();
    for (const char* key :
         {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"}) {
        out.erase(key);
    }
    for (const char* list : {"containers", "initContainers"}) {
        if (!out.contains(list) || !out[list].is_array()) continue;
        for (Json& container : out[list]) {
            if (container.is_object()) container.erase("image");
        }
    }
    return out;
}

void check_common(const Json& container, const std::string& path, std::vector<std::string>& names,
                  FieldErrors& errors) {
    const std::string name = string_at(container, {"name"});
    if (name.empty()) {
        errors.push_back(required_field(path + ".name"));
    } else if (const std::string problem = dns1123_label_problem(name); !problem.empty()) {
        errors.push_back(invalid_field(path + ".name", quote(name), problem));
    } else if (contains(names, name)) {
        errors.push_back(duplicate_field(path + ".name", quote(name)));
    }
    names.push_back(name);
    const std::string image = string_at(container, {"image"});
    if (image.empty()) {
        errors.push_back(required_field(path + ".image"));
    } else if (image.front() == ' ' || image.back() == ' ' || image.front() == '\t' || image.back() == '\t') {
        errors.push_back(invalid_field(path + ".image", quote(image), "must not have leading or trailing whitespace"));
    }
    const std::string policy = string_at(container, {"imagePullPolicy"});
    if (policy != "Always" && policy != "IfNotPresent" && policy != "Never") {
        errors.push_back(
            unsupported_field(path + ".imagePullPolicy", quote(policy), {"Always", "IfNotPresent", "Never"}));
    }
}

}  // namespace

bool is_static_pod(const Json& pod) {
    return find_at(pod, {"metadata", "annotations", "kubernetes.io/config.mirror"}) != nullptr;
}

void default_pod(Json& pod) {
    Json& spec = object_at(pod, "spec");
    set_default(spec, "restartPolicy", "Always");
    set_default(spec, "terminationGracePeriodSeconds", 30);
    set_default(spec, "dnsPolicy", "ClusterFirst");
    set_default(spec, "schedulerName", "default-scheduler");
    set_default(spec, "enableServiceLinks", true);
    set_default(spec, "securityContext", Json::object());
    for (const char* list : kContainerLists) {
        if (!spec.contains(list) || !spec[list].is_array()) continue;
        for (Json& container : spec[list]) {
            if (!container.is_object()) continue;
            set_default(container, "terminationMessagePath", "/dev/termination-log");
            set_default(container, "terminationMessagePolicy", "File");
            if (string_at(container, {"imagePullPolicy"}).empty()) {
                container["imagePullPolicy"] = default_pull_policy(string_at(container, {"image"}));
            }
            set_default(container, "resources", Json::object());
            if (container.contains("ports") && container["ports"].is_array()) {
                for (Json& port : container["ports"]) set_default(port, "protocol", "TCP");
            }
        }
    }
    if (pod.contains("status") && pod["status"].is_object()) default_statuses(pod["status"]);
}

void prepare_pod_create(Json& pod) {
    // The model gives every Pod the class of one without resources, unless some container names any.
    bool any = false;
    for (const char* list : {"containers", "initContainers"}) {
        for (const Json& container : array_at(pod, {"spec", list})) {
            const Json* resources = find_at(container, {"resources"});
            any = any || (resources != nullptr && !resources->empty());
        }
    }
    pod["status"] = {{"phase", "Pending"}, {"qosClass", any ? "Burstable" : "BestEffort"}};
    // What the admission plugins Priority and DefaultTolerationSeconds add.
    Json& spec = object_at(pod, "spec");
    set_default(spec, "priority", 0);
    set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
    Json& tolerations = spec["tolerations"];
    if (!tolerations.is_array()) tolerations = Json::array();
    for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        const bool there = std::ranges::any_of(tolerations, [key](const Json& one) {
            const std::string own = string_at(one, {"key"});
            return own == key || (own.empty() && string_at(one, {"operator"}) == "Exists");
        });
        if (there) continue;
        tolerations.push_back(
            {{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
    }
}

FieldErrors validate_containers(const Json& pod) {
    FieldErrors errors;
    std::vector<std::string> names;
    const Json& containers = array_at(pod, {"spec", "containers"});
    if (containers.empty()) errors.push_back(required_field("spec.containers"));
    for (const char* list : {"containers", "initContainers"}) {
        std::size_t index = 0;
        for (const Json& container : array_at(pod, {"spec", list})) {
            check_common(container, "spec." + std::string(list) + "[" + std::to_string(index++) + "]", names, errors);
        }
    }
    const std::string restart = string_at(pod, {"spec", "restartPolicy"});
    if (restart != "Always" && restart != "OnFailure" && restart != "Never") {
        errors.push_back(unsupported_field("spec.restartPolicy", quote(restart), {"Always", "OnFailure", "Never"}));
    }
    return errors;
}

FieldErrors validate_pod_create(const Json& pod) {
    FieldErrors errors = validate_containers(pod);
    const std::string mirror = string_at(pod, {"metadata", "annotations", "kubernetes.io/config.mirror"});
    if (is_static_pod(pod) && string_at(pod, {"spec", "nodeName"}).empty()) {
        errors.push_back(invalid_field("metadata.annotations[kubernetes.io/config.mirror]", quote(mirror),
                                       "must set spec.nodeName if mirror pod annotation is set"));
    }
    if (!array_at(pod, {"spec", "ephemeralContainers"}).empty()) {
        errors.push_back(forbidden_field("spec.ephemeralContainers", "cannot be set on create"));
    }
    return errors;
}

FieldErrors validate_pod_update(const Json& pod, const Json& before) {
    FieldErrors errors = validate_containers(pod);
    if (frozen_spec(pod) != frozen_spec(before)) {
        errors.push_back(forbidden_field(
            "spec",
            "pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
            "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
            "it was previously negative)"));
    }
    return errors;
}

FieldErrors validate_pod_status_update(const Json& pod, const Json& before) {
    FieldErrors errors;
    const auto node = [](const Json& one) { return string_at(one, {"spec", "nodeName"}); };
    if (node(pod) != node(before)) {
        errors.push_back(forbidden_field("status.nominatedNodeName", "may not be changed directly"));
    }
    const Json& now = array_at(pod, {"status", "ephemeralContainerStatuses"});
    for (const Json& old : array_at(before, {"status", "ephemeralContainerStatuses"})) {
        if (find_at(old, {"state", "terminated"}) == nullptr) continue;
        std::size_t index = 0;
        for (const Json& status : now) {
            if (string_at(status, {"name"}) == string_at(old, {"name"}) &&
                find_at(status, {"state", "terminated"}) == nullptr) {
                errors.push_back(
                    forbidden_field("status.ephemeralContainerStatuses[" + std::to_string(index) + "].state",
                                    "may not be transitioned to non-terminated state"));
            }
            ++index;
        }
    }
    return errors;
}

}  // namespace model
