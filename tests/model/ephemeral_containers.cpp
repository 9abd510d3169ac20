#include "tests/model/names.hpp"
#include "tests/model/pod_rules.hpp"

#include <algorithm>
#include <array>

namespace model {

namespace {

/// Container fields that an ephemeral container must not have. An allow list upstream; these are all the others.
constexpr std::array kForbidden = {"ports",     "resources",    "livenessProbe", "readinessProbe",    "startupProbe",
                                   "lifecycle", "resizePolicy", "restartPolicy", "restartPolicyRules"};

bool is_set(const Json& container, const char* key) {
    const Json* found = find_at(container, {key});
    if (found == nullptr || found->is_null()) return false;
    // `resources: {}` is what an unset struct looks like.
    return !(found->is_structured() && found->empty()) || (found->is_object() && std::string(key) != "resources");
}

std::vector<std::string> names_of(const Json& list) {
    std::vector<std::string> out;
    for (const Json& item : list) out.push_back(string_at(item, {"name"}));
    return out;
}

/// A security context the way Go's JSON of the internal type shows it in messages: every field, capitalised.
std::string go_struct(const Json& context) {
    const auto capitalised = [](std::string key) {
        key[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(key[0])));
        return key;
    };
    const auto member = [](const Json& object, const char* key) {
        const Json* found = find_at(object, {key});
        return found != nullptr ? *found : Json();
    };
    nlohmann::ordered_json out;
    for (const char* key :
         {"capabilities", "privileged", "seLinuxOptions", "windowsOptions", "runAsUser", "runAsGroup", "runAsNonRoot",
          "readOnlyRootFilesystem", "allowPrivilegeEscalation", "procMount", "seccompProfile", "appArmorProfile"}) {
        const Json value = member(context, key);
        const std::string name = std::string(key) == "seLinuxOptions" ? "SELinuxOptions" : capitalised(key);
        if (!value.is_object()) {
            out[name] = value;
        } else if (std::string(key) == "capabilities") {
            out[name]["Add"] = member(value, "add");
            out[name]["Drop"] = member(value, "drop");
        } else {
            for (const auto& [inner, text] : value.items()) out[name][capitalised(inner)] = text;
            if (std::string(key) != "windowsOptions" && !value.contains("localhostProfile")) {
                out[name]["LocalhostProfile"] = nullptr;
            }
        }
    }
    return out.dump();
}

void check_security(const Json& container, const Json& pod, const std::string& path, FieldErrors& errors) {
    const Json* context = find_at(container, {"securityContext"});
    if (context == nullptr || !context->is_object()) return;
    const std::string field = path + ".securityContext";
    const Json* escalation = find_at(*context, {"allowPrivilegeEscalation"});
    if (escalation != nullptr && escalation->is_boolean() && !escalation->get<bool>()) {
        if (true_at(*context, {"privileged"})) {
            errors.push_back(invalid_field(field, go_struct(*context),
                                           "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
        }
        if (contains(strings_at(*context, {"capabilities", "add"}), "CAP_SYS_ADMIN")) {
            errors.push_back(
                invalid_field(field, go_struct(*context),
                              "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"));
        }
    }
    for (const char* id : {"runAsUser", "runAsGroup"}) {
        const Json* value = find_at(*context, {id});
        if (value != nullptr && value->is_number_integer() &&
            (value->get<long long>() < 0 || value->get<long long>() > 2147483647)) {
            errors.push_back(
                invalid_field(field + "." + id, value->dump(), "must be between 0 and 2147483647, inclusive"));
        }
    }
    if (const Json* profile = find_at(*context, {"seccompProfile"}); profile != nullptr && profile->is_object()) {
        const std::string type = string_at(*profile, {"type"});
        if (type != "Localhost" && type != "RuntimeDefault" && type != "Unconfined") {
            errors.push_back(unsupported_field(field + ".seccompProfile.type", quote(type),
                                               {"Localhost", "RuntimeDefault", "Unconfined"}));
        }
    }
    const Json* host_users = find_at(pod, {"spec", "hostUsers"});
    const bool own_users = host_users != nullptr && host_users->is_boolean() && !host_users->get<bool>();
    if (string_at(*context, {"procMount"}) == "Unmasked" && !own_users) {
        errors.push_back(
            invalid_field(field + ".procMount", "\"Unmasked\"", "`hostUsers` must be false to use `Unmasked`"));
    }
}

void check_mounts(const Json& container, const Json& pod, const std::string& path, FieldErrors& errors) {
    const std::vector<std::string> volumes = names_of(array_at(pod, {"spec", "volumes"}));
    std::size_t index = 0;
    for (const Json& mount : array_at(container, {"volumeMounts"})) {
        const std::string field = path + ".volumeMounts[" + std::to_string(index++) + "]";
        const std::string name = string_at(mount, {"name"});
        if (name.empty()) {
            errors.push_back(required_field(field + ".name"));
        } else if (!contains(volumes, name)) {
            errors.push_back(missing_reference(field + ".name", quote(name)));
        }
        if (string_at(mount, {"mountPath"}).empty()) errors.push_back(required_field(field + ".mountPath"));
        for (const char* key : {"subPath", "subPathExpr"}) {
            if (!string_at(mount, {key}).empty()) {
                errors.push_back(forbidden_field(field + "." + key, "cannot be set for an Ephemeral Container"));
            }
        }
    }
}

void check_one(const Json& container, const Json& pod, const std::string& path, std::vector<std::string>& names,
               FieldErrors& errors) {
    const std::string name = string_at(container, {"name"});
    if (name.empty()) {
        errors.push_back(required_field(path + ".name"));
    } else {
        if (const std::string problem = dns1123_label_problem(name); !problem.empty()) {
            errors.push_back(invalid_field(path + ".name", quote(name), problem));
        }
        if (contains(names, name)) errors.push_back(duplicate_field(path + ".name", quote(name)));
    }
    names.push_back(name);
    const std::string image = string_at(container, {"image"});
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    if (image.empty()) {
        errors.push_back(required_field(path + ".image"));
    } else if (blank(image.front()) || blank(image.back())) {
        errors.push_back(invalid_field(path + ".image", quote(image), "must not have leading or trailing whitespace"));
    }
    const std::string policy = string_at(container, {"imagePullPolicy"});
    if (policy != "Always" && policy != "IfNotPresent" && policy != "Never") {
        errors.push_back(
            unsupported_field(path + ".imagePullPolicy", quote(policy), {"Always", "IfNotPresent", "Never"}));
    }
    const std::string message_policy = string_at(container, {"terminationMessagePolicy"});
    if (message_policy != "File" && message_policy != "FallbackToLogsOnError") {
        errors.push_back(unsupported_field(path + ".terminationMessagePolicy", quote(message_policy),
                                           {"File", "FallbackToLogsOnError"}));
    }
    std::size_t index = 0;
    for (const Json& variable : array_at(container, {"env"})) {
        const std::string field = path + ".env[" + std::to_string(index++) + "].name";
        const std::string variable_name = string_at(variable, {"name"});
        if (variable_name.empty()) {
            errors.push_back(required_field(field));
        } else if (std::ranges::any_of(variable_name, [](char c) { return c < ' ' || c > '~' || c == '='; })) {
            errors.push_back(invalid_field(
                field, quote(variable_name),
                "a valid environment variable name must consist only of printable ASCII characters other than '='"));
        }
    }
    check_mounts(container, pod, path, errors);
    check_security(container, pod, path, errors);
    const std::string target = string_at(container, {"targetContainerName"});
    if (!target.empty() && !contains(names_of(array_at(pod, {"spec", "containers"})), target) &&
        !contains(names_of(array_at(pod, {"spec", "initContainers"})), target)) {
        errors.push_back(missing_reference(path + ".targetContainerName", quote(target)));
    }
    for (const char* key : kForbidden) {
        if (is_set(container, key)) {
            errors.push_back(
                forbidden_field(path + "." + std::string(key), "cannot be set for an Ephemeral Container"));
        }
    }
}

/// A container without what the server fills in, so that "the same" is judged as upstream does after defaulting.
Json comparable(Json container) {
    if (container.is_object() && container.contains("resources") && container["resources"].empty()) {
        container.erase("resources");
    }
    return container;
}

}  // namespace

FieldErrors validate_ephemeral_containers(const Json& pod) {
    FieldErrors errors;
    std::vector<std::string> names = names_of(array_at(pod, {"spec", "containers"}));
    for (std::string& name : names_of(array_at(pod, {"spec", "initContainers"}))) names.push_back(std::move(name));
    std::size_t index = 0;
    for (const Json& container : array_at(pod, {"spec", "ephemeralContainers"})) {
        check_one(container, pod, "spec.ephemeralContainers[" + std::to_string(index++) + "]", names, errors);
    }
    return errors;
}

FieldErrors validate_ephemeral_update(const Json& pod, const Json& before) {
    // The only error a static Pod gets, and its field is the empty path.
    if (is_static_pod(before)) return {forbidden_field("[]", "static pods do not support ephemeral containers")};
    FieldErrors errors = validate_containers(pod);
    for (FieldError& error : validate_ephemeral_containers(pod)) errors.push_back(std::move(error));
    const Json& now = array_at(pod, {"spec", "ephemeralContainers"});
    for (const Json& old : array_at(before, {"spec", "ephemeralContainers"})) {
        const std::string name = string_at(old, {"name"});
        const auto same = std::ranges::find_if(now, [&](const Json& one) { return string_at(one, {"name"}) == name; });
        if (same == now.end()) {
            errors.push_back(forbidden_field("spec.ephemeralContainers",
                                             "existing ephemeral containers " + quote(name) + " may not be removed\n"));
        } else if (comparable(*same) != comparable(old)) {
            errors.push_back(forbidden_field("spec.ephemeralContainers",
                                             "existing ephemeral containers " + quote(name) + " may not be changed\n"));
        }
    }
    return errors;
}

}  // namespace model
