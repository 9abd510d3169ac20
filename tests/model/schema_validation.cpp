#include "tests/model/schema.hpp"
#include "tests/model/schema_rules.hpp"

#include <algorithm>
#include <optional>

namespace model {

namespace {

std::string json_type(const Json& value) {
    if (value.is_object()) return "object";
    if (value.is_array()) return "array";
    if (value.is_string()) return "string";
    if (value.is_boolean()) return "boolean";
    if (value.is_number_integer()) return "integer";
    if (value.is_number()) return "number";
    return "null";
}

/// How an offending value is shown: strings quoted, the rest as JSON.
std::string shown(const Json& value) {
    return value.is_string() ? quote(value.get<std::string>()) : value.dump();
}

std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool type_matches(const Json& schema, const Json& value) {
    if (true_at(schema, {"x-kubernetes-int-or-string"})) return value.is_number_integer() || value.is_string();
    const std::string type = string_at(schema, {"type"});
    if (type.empty()) return true;
    if (type == "number") return value.is_number();
    if (type == "integer") {
        return value.is_number_integer() ||
               (value.is_number_float() &&
                value.get<double>() == static_cast<double>(static_cast<long long>(value.get<double>())));
    }
    return json_type(value) == type;
}

class Validator {
  public:
    Validator(FieldErrors& errors, FieldErrors& rule_errors, bool types_only)
        : errors_(errors), rule_errors_(rule_errors), types_only_(types_only) {}

    void check(const Json& schema, const Json& value, const Json* before, const std::string& path);

  private:
    void check_object(const Json& schema, const Json& value, const Json* before, const std::string& path);
    void check_array(const Json& schema, const Json& value, const Json* before, const std::string& path);
    void check_string(const Json& schema, const std::string& value, const std::string& path);
    void check_number(const Json& schema, const Json& value, const std::string& path);
    std::optional<std::size_t> limit(const Json& schema, const char* key) const {
        const Json* found = find_at(schema, {key});
        if (types_only_ || found == nullptr || !found->is_number()) return std::nullopt;
        return found->get<std::size_t>();
    }
    /// "in body" messages of go-openapi.
    void in_body(const std::string& path, const Json& value, const std::string& rule) {
        errors_.push_back(invalid_field(path, shown(value), path + " in body " + rule));
    }

    Patterns patterns_;
    FieldErrors& errors_;
    FieldErrors& rule_errors_;  ///< Those of x-kubernetes-validations.
    bool types_only_;
};

std::string below(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
}

void Validator::check(const Json& schema, const Json& value, const Json* before, const std::string& path) {
    if (value.is_null()) {
        if (true_at(schema, {"nullable"}) || !schema.contains("type")) return;
        if (types_only_) return;  // Go decodes null as absent.
    }
    if (!type_matches(schema, value)) {
        const std::string type =
            true_at(schema, {"x-kubernetes-int-or-string"}) ? "integer,string" : string_at(schema, {"type"});
        errors_.push_back(type_invalid_field(
            path, quote(json_type(value)), path + " in body must be of type " + type + ": " + quote(json_type(value))));
        return;
    }
    if (value.is_object()) {
        check_object(schema, value, before, path);
    } else if (value.is_array()) {
        check_array(schema, value, before, path);
    } else if (value.is_string()) {
        check_string(schema, value.get<std::string>(), path);
    } else if (value.is_number()) {
        check_number(schema, value, path);
    }
    if (types_only_) return;
    if (const Json& allowed = array_at(schema, {"enum"}); !allowed.empty()) {
        if (std::ranges::find(allowed, value) == allowed.end()) {
            std::vector<std::string> names;
            for (const Json& one : allowed) names.push_back(one.is_string() ? one.get<std::string>() : one.dump());
            errors_.push_back(unsupported_field(path, shown(value), names));
        }
    }
    for (FieldError& error : check_rules(schema, value, before, path)) rule_errors_.push_back(std::move(error));
}

void Validator::check_object(const Json& schema, const Json& value, const Json* before, const std::string& path) {
    if (!types_only_) {
        for (const std::string& name : strings_at(schema, {"required"})) {
            if (!value.contains(name)) errors_.push_back(required_field(below(path, name)));
        }
        if (const auto most = limit(schema, "maxProperties"); most && value.size() > *most) {
            errors_.push_back({"FieldValueTooMany", path,
                               "Too many: " + std::to_string(value.size()) + ": must have at most " +
                                   std::to_string(*most) + " items"});
        }
        if (const auto least = limit(schema, "minProperties"); least && value.size() < *least) {
            in_body(path, value, "should have at least " + std::to_string(*least) + " properties");
        }
    }
    const Json* additional = find_at(schema, {"additionalProperties"});
    for (const auto& [key, member] : value.items()) {
        const Json* known = find_at(schema, {"properties", key});
        if (known == nullptr && additional != nullptr && additional->is_object()) known = additional;
        if (known == nullptr) continue;
        const Json* old = before != nullptr ? find_at(*before, {key}) : nullptr;
        check(*known, member, old, below(path, key));
    }
}

void Validator::check_array(const Json& schema, const Json& value, const Json* before, const std::string& path) {
    if (const auto most = limit(schema, "maxItems"); most && value.size() > *most) {
        errors_.push_back(too_many_field(path, value.size(), *most));
    }
    if (const auto least = limit(schema, "minItems"); least && value.size() < *least) {
        errors_.push_back(invalid_field(path, std::to_string(value.size()),
                                        path + " in body should have at least " + std::to_string(*least) + " items"));
    }
    const Json* items = find_at(schema, {"items"});
    const std::string list_type = string_at(schema, {"x-kubernetes-list-type"});
    const std::vector<std::string> keys = strings_at(schema, {"x-kubernetes-list-map-keys"});
    std::vector<Json> seen;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const std::string at = path + "[" + std::to_string(i) + "]";
        const Json* old = nullptr;
        if (!types_only_ && (list_type == "map" || list_type == "set")) {
            Json identity = value[i];
            if (list_type == "map") {
                identity = Json::object();
                for (const std::string& key : keys) {
                    if (const Json* member = find_at(value[i], {key}); member != nullptr) identity[key] = *member;
                }
                // Transition rules compare items of map lists by key.
                if (before != nullptr && before->is_array()) {
                    for (const Json& candidate : *before) {
                        const bool same = std::ranges::all_of(keys, [&](const std::string& key) {
                            const Json* there = find_at(candidate, {key});
                            return there != nullptr && identity.contains(key) && *there == identity[key];
                        });
                        if (same) old = &candidate;
                    }
                }
            }
            if (std::ranges::find(seen, identity) != seen.end()) {
                errors_.push_back(duplicate_field(at, shown(identity)));
            }
            seen.push_back(std::move(identity));
        }
        if (items != nullptr) check(*items, value[i], old, at);
    }
}

void Validator::check_string(const Json& schema, const std::string& value, const std::string& path) {
    if (types_only_) return;
    const std::size_t length = characters(value);
    if (const auto most = limit(schema, "maxLength"); most && length > *most) {
        errors_.push_back(too_long_field(path, *most));
        return;  // the first of these that fails is the only one reported
    }
    if (const auto least = limit(schema, "minLength"); least && length < *least) {
        in_body(path, value, "should be at least " + std::to_string(*least) + " chars long");
        return;
    }
    const std::string pattern = string_at(schema, {"pattern"});
    if (!pattern.empty() && !patterns_.match(pattern, value)) in_body(path, value, "should match '" + pattern + "'");
    if (string_at(schema, {"format"}) == "date-time" && !parse_time(value)) {
        errors_.push_back(
            type_invalid_field(path, quote(value), path + " in body must be of type date-time: " + quote(value)));
    }
}

void Validator::check_number(const Json& schema, const Json& value, const std::string& path) {
    if (types_only_) return;
    const double number = value.get<double>();
    const std::string format = string_at(schema, {"format"});
    if (format == "int32" && (number < -2147483648.0 || number > 2147483647.0)) {
        in_body(path, value, "must be of type int32: " + quote(value.dump()));
    }
    if (const Json* most = find_at(schema, {"maximum"}); most != nullptr && most->is_number()) {
        const bool exclusive = true_at(schema, {"exclusiveMaximum"});
        if (exclusive ? number >= most->get<double>() : number > most->get<double>()) {
            in_body(path, value,
                    (exclusive ? "should be less than " : "should be less than or equal to ") + most->dump());
        }
    }
    if (const Json* least = find_at(schema, {"minimum"}); least != nullptr && least->is_number()) {
        const bool exclusive = true_at(schema, {"exclusiveMinimum"});
        if (exclusive ? number <= least->get<double>() : number < least->get<double>()) {
            in_body(path, value,
                    (exclusive ? "should be greater than " : "should be greater than or equal to ") + least->dump());
        }
    }
}

}  // namespace

bool blocks_rules(const FieldErrors& errors) {
    return std::ranges::any_of(errors, [](const FieldError& error) {
        return error.reason == "FieldValueRequired" || error.reason == "FieldValueNotSupported" ||
               error.reason == "FieldValueTooLong" || error.reason == "FieldValueTooMany" ||
               error.reason == "FieldValueTypeInvalid";
    });
}

FieldErrors validate_schema(const Json& schema, const Json& value, const Json& before) {
    FieldErrors errors;
    FieldErrors rule_errors;
    Validator(errors, rule_errors, false).check(schema, value, before.is_null() ? nullptr : &before, "");
    // Rules are only asked about values that have the right shape.
    if (blocks_rules(errors)) return errors;
    for (FieldError& error : rule_errors) errors.push_back(std::move(error));
    return errors;
}

FieldErrors check_types(const Json& schema, const Json& value) {
    FieldErrors errors;
    FieldErrors none;
    Validator(errors, none, true).check(schema, value, nullptr, "");
    return errors;
}

}  // namespace model
