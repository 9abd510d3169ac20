#include "tests/model/encoding.hpp"
#include "tests/model/names.hpp"
#include "tests/model/strategy.hpp"

#include <algorithm>

namespace model {

namespace {

bool is_hook_configuration(const std::string& kind) {
    return kind == "MutatingWebhookConfiguration" || kind == "ValidatingWebhookConfiguration";
}

void default_hooks(const std::string& kind, Json& object) {
    if (!object.contains("webhooks") || !object["webhooks"].is_array()) return;
    for (Json& hook : object["webhooks"]) {
        set_default(hook, "failurePolicy", "Fail");
        set_default(hook, "matchPolicy", "Equivalent");
        set_default(hook, "namespaceSelector", Json::object());
        set_default(hook, "objectSelector", Json::object());
        set_default(hook, "timeoutSeconds", 10);
        if (kind == "MutatingWebhookConfiguration") set_default(hook, "reinvocationPolicy", "Never");
        if (!hook.contains("rules") || !hook["rules"].is_array()) continue;
        for (Json& rule : hook["rules"]) set_default(rule, "scope", "*");
    }
}

FieldErrors validate_hooks(const Json& object) {
    FieldErrors errors;
    std::vector<std::string> names;
    std::size_t index = 0;
    for (const Json& hook : array_at(object, {"webhooks"})) {
        const std::string path = "webhooks[" + std::to_string(index++) + "]";
        const std::string name = string_at(hook, {"name"});
        if (name.empty()) {
            errors.push_back(required_field(path + ".name"));
        } else if (std::ranges::count(name, '.') < 2) {
            errors.push_back(invalid_field(path + ".name", quote(name),
                                           "should be a domain with at least three segments separated by dots"));
        }
        if (contains(names, name)) errors.push_back(duplicate_field(path + ".name", quote(name)));
        names.push_back(name);
        const std::string url = string_at(hook, {"clientConfig", "url"});
        const bool service = find_at(hook, {"clientConfig", "service"}) != nullptr;
        if (url.empty() == !service) {
            errors.push_back(required_field(path + ".clientConfig", "exactly one of url or service is required"));
        } else if (!url.empty() && !url.starts_with("https://")) {
            errors.push_back(
                invalid_field(path + ".clientConfig.url", quote(url.substr(0, url.find(':'))),
                              "'https' is the only allowed URL scheme; desired format: https://host[/path]"));
        }
        const std::string effects = string_at(hook, {"sideEffects"});
        if (effects.empty()) {
            errors.push_back(required_field(path + ".sideEffects", "must specify one of None, NoneOnDryRun"));
        } else if (effects != "None" && effects != "NoneOnDryRun") {
            errors.push_back(unsupported_field(path + ".sideEffects", quote(effects), {"None", "NoneOnDryRun"}));
        }
        const std::vector<std::string> versions = strings_at(hook, {"admissionReviewVersions"});
        if (versions.empty()) {
            errors.push_back(required_field(path + ".admissionReviewVersions", "must specify one of v1, v1beta1"));
        } else if (!contains(versions, "v1")) {
            errors.push_back(invalid_field(path + ".admissionReviewVersions",
                                           "[]string{" + quote(versions.front()) + "}",
                                           "the model API server sends only v1"));
        }
        const Json* timeout = find_at(hook, {"timeoutSeconds"});
        if (timeout != nullptr && timeout->is_number() && (timeout->get<int>() < 1 || timeout->get<int>() > 30)) {
            errors.push_back(invalid_field(path + ".timeoutSeconds", timeout->dump(),
                                           "the timeout value must be between 1 and 30 seconds"));
        }
        if (!array_at(hook, {"matchConditions"}).empty()) {
            errors.push_back(forbidden_field(path + ".matchConditions", "the model API server does not evaluate CEL"));
        }
    }
    return errors;
}

FieldErrors validate_event(const Json& event, bool v1) {
    FieldErrors errors;
    const std::string ns = string_at(event, {"metadata", "namespace"});
    const std::string about = string_at(event, {v1 ? "regarding" : "involvedObject", "namespace"});
    const bool newer = !string_at(event, {"eventTime"}).empty();
    const bool matches = about == ns || (about.empty() && ns == "default") || (newer && !about.empty());
    if (!matches) {
        errors.push_back(invalid_field("involvedObject.namespace", quote(about), "does not match event.namespace"));
    }
    // Events with an eventTime follow the newer rules, whichever API they come through.
    if (!newer) return errors;
    const Json* count = find_at(event, {"series", "count"});
    if (count != nullptr && count->is_number() && count->get<long long>() < 2) {
        errors.push_back(invalid_field("series.count", "\"\"", "should be at least 2"));
    }
    const std::string controller = string_at(event, {"reportingComponent"});
    if (controller.empty()) {
        errors.push_back(required_field("reportingController"));
        errors.push_back(invalid_field("reportingController", "\"\"", "name part must be non-empty"));
        errors.push_back(invalid_field("reportingController", "\"\"", qualified_name_problem("")));
    } else if (const std::string problem = qualified_name_problem(controller); !problem.empty()) {
        errors.push_back(invalid_field("reportingController", quote(controller), problem));
    }
    for (const char* key : {"reportingInstance", "action", "reason"}) {
        const std::string text = string_at(event, {key});
        if (text.empty()) errors.push_back(required_field(key));
        if (text.size() > 128) errors.push_back(invalid_field(key, quote(text), "can have at most 128 characters"));
    }
    if (const std::string text = string_at(event, {"message"}); text.size() > 1024) {
        errors.push_back(invalid_field("message", quote(text), "can have at most 1024 characters"));
    }
    const std::string type = string_at(event, {"type"});
    if (type != "Normal" && type != "Warning") {
        errors.push_back(invalid_field("type", "\"\"", "has invalid value: " + type));
    }
    return errors;
}

FieldErrors validate_data(const std::string& kind, const Json& object) {
    FieldErrors errors;
    for (const char* field : {"data", "binaryData"}) {
        const Json* data = find_at(object, {field});
        if (data == nullptr || !data->is_object()) continue;
        for (const auto& [key, value] : data->items()) {
            const std::string problem = config_key_problem(key);
            if (!problem.empty()) {
                errors.push_back(invalid_field(std::string(field) + "[" + key + "]", quote(key), problem));
            }
        }
    }
    if (kind != "Secret" || string_at(object, {"type"}) != "kubernetes.io/tls") return errors;
    for (const char* key : {"tls.crt", "tls.key"}) {
        if (find_at(object, {"data", key}) == nullptr) {
            errors.push_back(required_field("data[" + std::string(key) + "]"));
        }
    }
    return errors;
}

FieldErrors validate_rules(const Json& role, bool cluster) {
    FieldErrors errors;
    std::size_t index = 0;
    for (const Json& rule : array_at(role, {"rules"})) {
        const std::string path = "rules[" + std::to_string(index++) + "]";
        if (strings_at(rule, {"verbs"}).empty()) {
            errors.push_back(required_field(path + ".verbs", "verbs must contain at least one value"));
        }
        const bool urls = !strings_at(rule, {"nonResourceURLs"}).empty();
        if (urls && !cluster) {
            errors.push_back(
                invalid_field(path + ".nonResourceURLs", "[]", "namespaced rules cannot apply to non-resource URLs"));
        } else if (!urls && strings_at(rule, {"apiGroups"}).empty()) {
            errors.push_back(required_field(path + ".apiGroups", "resource rules must supply at least one api group"));
        } else if (!urls && strings_at(rule, {"resources"}).empty()) {
            errors.push_back(required_field(path + ".resources", "resource rules must supply at least one resource"));
        }
    }
    return errors;
}

FieldErrors validate_binding(const Json& binding) {
    FieldErrors errors;
    const std::string kind = string_at(binding, {"roleRef", "kind"});
    if (kind != "ClusterRole" && (kind != "Role" || string_at(binding, {"kind"}) == "ClusterRoleBinding")) {
        errors.push_back(unsupported_field("roleRef.kind", quote(kind), {"ClusterRole", "Role"}));
    }
    if (string_at(binding, {"roleRef", "name"}).empty()) errors.push_back(required_field("roleRef.name"));
    std::size_t index = 0;
    for (const Json& subject : array_at(binding, {"subjects"})) {
        const std::string path = "subjects[" + std::to_string(index++) + "]";
        const std::string subject_kind = string_at(subject, {"kind"});
        if (string_at(subject, {"name"}).empty()) errors.push_back(required_field(path + ".name"));
        if (subject_kind == "ServiceAccount") {
            if (string_at(subject, {"namespace"}).empty()) errors.push_back(required_field(path + ".namespace"));
        } else if (subject_kind != "User" && subject_kind != "Group") {
            errors.push_back(
                unsupported_field(path + ".kind", quote(subject_kind), {"Group", "ServiceAccount", "User"}));
        }
    }
    return errors;
}

FieldErrors validate_budget(const Json& budget) {
    FieldErrors errors;
    const Json* least = find_at(budget, {"spec", "minAvailable"});
    const Json* most = find_at(budget, {"spec", "maxUnavailable"});
    if (least != nullptr && most != nullptr) {
        errors.push_back(
            invalid_field("spec", budget.at("spec").dump(), "minAvailable and maxUnavailable cannot be both set"));
    }
    for (const char* key : {"minAvailable", "maxUnavailable"}) {
        const Json* value = find_at(budget, {"spec", key});
        if (value == nullptr || !value->is_number() || value->get<long long>() >= 0) continue;
        errors.push_back(
            invalid_field(std::string("spec.") + key, value->dump(), "must be greater than or equal to 0"));
    }
    const std::string policy = string_at(budget, {"spec", "unhealthyPodEvictionPolicy"});
    if (!policy.empty() && policy != "AlwaysAllow" && policy != "IfHealthyBudget") {
        errors.push_back(
            unsupported_field("spec.unhealthyPodEvictionPolicy", quote(policy), {"AlwaysAllow", "IfHealthyBudget"}));
    }
    for (const char* key : {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"}) {
        const Json* value = find_at(budget, {"status", key});
        if (value == nullptr || !value->is_number() || value->get<long long>() >= 0) continue;
        errors.push_back(
            invalid_field(std::string("status.") + key, value->dump(), "must be greater than or equal to 0"));
    }
    return errors;
}

}  // namespace

void default_builtin(const std::string& kind, Json& object) {
    if (is_hook_configuration(kind)) {
        default_hooks(kind, object);
    } else if (kind == "Secret") {
        set_default(object, "type", "Opaque");
        if (object.contains("stringData") && object["stringData"].is_object()) {
            Json& data = object_at(object, "data");
            for (const auto& [key, value] : object["stringData"].items()) {
                data[key] = base64_encode(value.is_string() ? value.get<std::string>() : "");
            }
            object.erase("stringData");
        }
    } else if (kind == "RoleBinding" || kind == "ClusterRoleBinding") {
        set_default(object_at(object, "roleRef"), "apiGroup", "rbac.authorization.k8s.io");
        if (object.contains("subjects") && object["subjects"].is_array()) {
            for (Json& subject : object["subjects"]) {
                const std::string subject_kind = string_at(subject, {"kind"});
                if (subject_kind == "User" || subject_kind == "Group") {
                    set_default(subject, "apiGroup", "rbac.authorization.k8s.io");
                }
            }
        }
    } else if (kind == "Event") {
        set_default(object, "reportingComponent", "");
        set_default(object, "reportingInstance", "");
        set_default(object, "source", Json::object());
        for (const char* key : {"firstTimestamp", "lastTimestamp", "eventTime"}) {
            if (!object.contains(key)) object[key] = nullptr;
        }
    } else if (kind == "PodDisruptionBudget") {
        Json& status = object_at(object, "status");
        for (const char* key : {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"}) {
            set_default(status, key, 0);
        }
    } else if (kind == "Lease") {
        set_default(object, "spec", Json::object());
    } else if (kind == "Namespace") {
        const std::string name = string_at(object, {"metadata", "name"});
        if (!name.empty()) object_at(object, {"metadata", "labels"})["kubernetes.io/metadata.name"] = name;
    }
}

void prepare_builtin_create(const std::string& kind, Json& object) {
    if (kind == "PodDisruptionBudget") {
        object.erase("status");
        default_builtin(kind, object);
    }
    if (kind != "Namespace") return;
    object["spec"] = {{"finalizers", Json::array({"kubernetes"})}};
    object["status"] = {{"phase", "Active"}};
}

FieldErrors validate_builtin(const std::string& kind, const Json& object) {
    if (is_hook_configuration(kind)) return validate_hooks(object);
    if (kind == "Event") return validate_event(object, false);
    if (kind == "PodDisruptionBudget") return validate_budget(object);
    if (kind == "Role" || kind == "ClusterRole") return validate_rules(object, kind == "ClusterRole");
    if (kind == "RoleBinding" || kind == "ClusterRoleBinding") return validate_binding(object);
    if (kind == "Secret" || kind == "ConfigMap") return validate_data(kind, object);
    FieldErrors errors;
    if (kind == "Lease") {
        const Json* duration = find_at(object, {"spec", "leaseDurationSeconds"});
        if (duration != nullptr && duration->is_number() && duration->get<long long>() <= 0) {
            errors.push_back(invalid_field("spec.leaseDurationSeconds", duration->dump(), "must be greater than 0"));
        }
        const Json* transitions = find_at(object, {"spec", "leaseTransitions"});
        if (transitions != nullptr && transitions->is_number() && transitions->get<long long>() < 0) {
            errors.push_back(
                invalid_field("spec.leaseTransitions", transitions->dump(), "must be greater than or equal to 0"));
        }
    }
    return errors;
}

FieldErrors validate_builtin_update(const std::string& kind, const Json& object, const Json& before) {
    FieldErrors errors;
    const auto differs = [&](const char* key) {
        const Json* now = find_at(object, {key});
        const Json* old = find_at(before, {key});
        return (now != nullptr ? *now : Json()) != (old != nullptr ? *old : Json());
    };
    if ((kind == "RoleBinding" || kind == "ClusterRoleBinding") && differs("roleRef")) {
        const nlohmann::ordered_json shown = {{"APIGroup", string_at(object, {"roleRef", "apiGroup"})},
                                              {"Kind", string_at(object, {"roleRef", "kind"})},
                                              {"Name", string_at(object, {"roleRef", "name"})}};
        errors.push_back(invalid_field("roleRef", shown.dump(), "cannot change roleRef"));
    }
    if (kind == "Secret" && differs("type")) {
        errors.push_back(invalid_field("type", quote(string_at(object, {"type"})), "field is immutable"));
    }
    if (kind == "Event" && !string_at(object, {"eventTime"}).empty()) {
        for (const char* key : {"involvedObject", "reason", "message", "type", "eventTime", "action",
                                "reportingComponent", "reportingInstance", "related"}) {
            if (!differs(key)) continue;
            const Json* now = find_at(object, {key});
            errors.push_back(invalid_field(key, now != nullptr ? now->dump() : "null", "field is immutable"));
        }
    }
    if ((kind == "Secret" || kind == "ConfigMap") && true_at(before, {"immutable"})) {
        if (!true_at(object, {"immutable"})) {
            errors.push_back(forbidden_field("immutable", "field is immutable when `immutable` is set"));
        }
        for (const char* key : {"data", "binaryData"}) {
            if (differs(key)) errors.push_back(forbidden_field(key, "field is immutable when `immutable` is set"));
        }
    }
    return errors;
}

std::string decoding_problem(const std::string& kind, const Json& object) {
    const auto micro_time = [&](std::initializer_list<std::string_view> path) -> std::string {
        const std::string text = string_at(object, path);
        if (text.empty()) return "";
        const std::size_t dot = text.find('.');
        std::size_t digits = 0;
        if (dot != std::string::npos) {
            while (dot + 1 + digits < text.size() && text[dot + 1 + digits] >= '0' && text[dot + 1 + digits] <= '9')
                ++digits;
        }
        if (digits == 6 && parse_time(text)) return "";
        return "parsing time " + quote(text) + " as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse " +
               quote(text.size() > 19 ? text.substr(19) : text) + " as \".000000\"";
    };
    std::string problem;
    if (kind == "Lease") {
        problem = micro_time({"spec", "renewTime"});
        if (problem.empty()) problem = micro_time({"spec", "acquireTime"});
    } else if (kind == "Event") {
        problem = micro_time({"eventTime"});
        if (problem.empty()) problem = micro_time({"series", "lastObservedTime"});
    } else if (kind == "Secret") {
        const Json* data = find_at(object, {"data"});
        if (data == nullptr || !data->is_object()) return "";
        for (const auto& [key, value] : data->items()) {
            if (value.is_string() && !base64_decode(value.get<std::string>())) {
                return "illegal base64 data in data." + key;
            }
        }
    }
    return problem;
}

}  // namespace model
