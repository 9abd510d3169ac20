#include "tests/model/cel.hpp"
#include "tests/model/names.hpp"
#include "tests/model/schema.hpp"
#include "tests/model/schema_rules.hpp"
#include "tests/model/strategy.hpp"

#include <algorithm>

namespace model {

namespace {

/// Every pattern must be one, and every rule such that the model can evaluate it: a skipped rule would be a guess.
void check_rules_of(const Json& schema, const std::string& path, FieldErrors& errors) {
    if (!schema.is_structured()) return;
    if (const std::string pattern = string_at(schema, {"pattern"}); !pattern.empty()) {
        const std::string problem = pattern_problem(pattern);
        if (!problem.empty()) {
            errors.push_back(invalid_field(path + ".pattern", quote(pattern),
                                           "must be a valid regular expression, but isn't: " + problem));
        }
    }
    std::size_t index = 0;
    for (const Json& entry : array_at(schema, {"x-kubernetes-validations"})) {
        const std::string problem = unsupported_rule(string_at(entry, {"rule"}));
        if (!problem.empty()) {
            errors.push_back(forbidden_field(path + ".x-kubernetes-validations[" + std::to_string(index) + "].rule",
                                             "the model API server cannot evaluate this CEL rule: " + problem));
        }
        ++index;
    }
    for (const auto& [key, child] : schema.items()) check_rules_of(child, path + "." + key, errors);
}

}  // namespace

void default_crd(Json& crd) {
    Json& spec = object_at(crd, "spec");
    Json& names = object_at(spec, "names");
    const std::string kind = string_at(names, {"kind"});
    std::string lower = kind;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!kind.empty()) {
        set_default(names, "singular", lower);
        set_default(names, "listKind", kind + "List");
    }
    set_default(spec, "conversion", {{"strategy", "None"}});
}

FieldErrors validate_crd(const Json& crd) {
    FieldErrors errors;
    const std::string group = string_at(crd, {"spec", "group"});
    const std::string plural = string_at(crd, {"spec", "names", "plural"});
    const std::string name = string_at(crd, {"metadata", "name"});
    if (group.empty()) errors.push_back(required_field("spec.group"));
    if (plural.empty()) errors.push_back(required_field("spec.names.plural"));
    if (string_at(crd, {"spec", "names", "kind"}).empty()) errors.push_back(required_field("spec.names.kind"));
    if (name != plural + "." + group) {
        errors.push_back(invalid_field("metadata.name", quote(name), "must be spec.names.plural+\".\"+spec.group"));
    }
    const std::string scope = string_at(crd, {"spec", "scope"});
    if (scope != "Namespaced" && scope != "Cluster") {
        errors.push_back(unsupported_field("spec.scope", quote(scope), {"Cluster", "Namespaced"}));
    }
    if (string_at(crd, {"spec", "conversion", "strategy"}) != "None") {
        errors.push_back(forbidden_field("spec.conversion.strategy",
                                         "the model API server converts custom resources only by strategy None"));
    }
    const Json& versions = array_at(crd, {"spec", "versions"});
    if (versions.empty()) errors.push_back(required_field("spec.versions", "must have at least one version"));
    int stored = 0;
    std::size_t index = 0;
    for (const Json& version : versions) {
        const std::string path = "spec.versions[" + std::to_string(index++) + "]";
        if (true_at(version, {"storage"})) ++stored;
        if (find_at(version, {"subresources", "scale"}) != nullptr) {
            errors.push_back(forbidden_field(path + ".subresources.scale",
                                             "the model API server does not implement the scale subresource"));
        }
        const Json* schema = find_at(version, {"schema", "openAPIV3Schema"});
        if (schema == nullptr || !schema->is_object()) {
            errors.push_back(required_field(path + ".schema.openAPIV3Schema", "schemas are required"));
            continue;
        }
        if (string_at(*schema, {"type"}) != "object") {
            errors.push_back(invalid_field(path + ".schema.openAPIV3Schema.type", quote(string_at(*schema, {"type"})),
                                           "must be object at the root"));
        }
        check_rules_of(*schema, path + ".schema.openAPIV3Schema", errors);
        for (const std::string& keyword : unsupported_keywords(*schema)) {
            errors.push_back(
                forbidden_field(path + ".schema.openAPIV3Schema",
                                "the model API server does not implement the schema keyword " + quote(keyword)));
        }
    }
    if (!versions.empty() && stored != 1) {
        errors.push_back(
            invalid_field("spec.versions", "object", "must have exactly one version marked as storage version"));
    }
    return errors;
}

void set_crd_status(Json& crd, const std::string& now) {
    const auto condition = [&now](const char* type, const char* reason, const char* message) {
        return Json{
            {"type", type}, {"status", "True"}, {"lastTransitionTime", now}, {"reason", reason}, {"message", message}};
    };
    Json stored = Json::array();
    for (const Json& version : array_at(crd, {"spec", "versions"})) {
        if (true_at(version, {"storage"})) stored.push_back(string_at(version, {"name"}));
    }
    const Json* names = find_at(crd, {"spec", "names"});
    Json status = Json::object();
    status["conditions"] = Json::array();
    status["conditions"].push_back(condition("NamesAccepted", "NoConflicts", "no conflicts found"));
    status["conditions"].push_back(
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"));
    status["acceptedNames"] = names != nullptr ? *names : Json::object();
    status["storedVersions"] = std::move(stored);
    crd["status"] = std::move(status);
}

}  // namespace model
