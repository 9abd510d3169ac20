#include "tests/model/schema_rules.hpp"

#include "tests/model/cel.hpp"

#include <re2/re2.h>

#include <algorithm>

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

namespace {

re2::RE2::Options quiet() {
    re2::RE2::Options options;
    options.set_log_errors(false);
    return options;
}

}  // namespace

Patterns::Patterns() = default;
Patterns::~Patterns() = default;

bool Patterns::match(const std::string& pattern, const std::string& text) {
    auto& expression = compiled_[pattern];
    if (!expression) expression = std::make_unique<re2::RE2>(pattern, quiet());
    return expression->ok() && re2::RE2::PartialMatch(text, *expression);
}

bool matches_pattern(const std::string& pattern, const std::string& text) {
    const re2::RE2 expression(pattern, quiet());
    return expression.ok() && re2::RE2::PartialMatch(text, expression);
}

std::string pattern_problem(const std::string& pattern) {
    return re2::RE2(pattern, quiet()).error();
}

}  // namespace model
