#include "tests/model/schema_rules.hpp"

#include "tests/model/cel.hpp"

#include <algorithm>
#include <regex>

namespace model {

FieldErrors check_rules(const Json& schema, const Json& value, const Json* before, const std::string& path) {
    FieldErrors errors;
    for (const Json& entry : array_at(schema, {"x-kubernetes-validations"})) {
        const std::string rule = string_at(entry, {"rule"});
        if (rule.find("oldSelf") != std::string::npos && before == nullptr) continue;
        const auto holds = evaluate_rule(rule, value, before);
        if (holds && *holds) continue;
        std::string message = string_at(entry, {"message"});
        if (message.empty()) message = "failed rule: " + rule;
        const std::string field = path + string_at(entry, {"fieldPath"});
        // Objects and lists are not shown in these messages, scalars are.
        if (value.is_structured()) {
            errors.push_back({"FieldValueInvalid", field, "Invalid value: " + message});
        } else {
            errors.push_back(
                invalid_field(field, value.is_string() ? quote(value.get<std::string>()) : value.dump(), message));
        }
        if (const std::string reason = string_at(entry, {"reason"}); !reason.empty()) errors.back().reason = reason;
    }
    return errors;
}

bool has_rules(const Json& schema) {
    if (schema.is_object()) {
        if (!array_at(schema, {"x-kubernetes-validations"}).empty()) return true;
    }
    return schema.is_structured() && std::ranges::any_of(schema, [](const Json& child) { return has_rules(child); });
}

bool matches_pattern(const std::string& pattern, const std::string& text) {
    try {
        return std::regex_search(text, std::regex(pattern, std::regex::ECMAScript));
    } catch (const std::regex_error&) {
        return false;
    }
}

}  // namespace model
