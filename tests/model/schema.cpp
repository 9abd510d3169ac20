#include "tests/model/schema.hpp"

#include <algorithm>
#include <set>

namespace model {

namespace {

const Json* property(const Json& schema, const std::string& key) {
    return find_at(schema, {"properties", key});
}

/// The schema of values of a map, or nullptr.
const Json* additional(const Json& schema) {
    const Json* found = find_at(schema, {"additionalProperties"});
    return found != nullptr && found->is_object() ? found : nullptr;
}

bool open_ended(const Json& schema) {
    const Json* found = find_at(schema, {"additionalProperties"});
    return true_at(schema, {"x-kubernetes-preserve-unknown-fields"}) ||
           (found != nullptr && found->is_boolean() && found->get<bool>());
}

bool embedded(const Json& schema) {
    return true_at(schema, {"x-kubernetes-embedded-resource"});
}

std::string below(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
}

void prune_at(const Json& schema, Json& value, const std::string& path, std::vector<std::string>& removed, bool root) {
    if (value.is_array()) {
        const Json* items = find_at(schema, {"items"});
        if (items == nullptr) return;
        for (std::size_t i = 0; i < value.size(); ++i) {
            prune_at(*items, value[i], path + "[" + std::to_string(i) + "]", removed, false);
        }
        return;
    }
    if (!value.is_object()) return;
    const Json* values = additional(schema);
    for (auto at = value.begin(); at != value.end();) {
        const std::string& key = at.key();
        const bool meta = (root || embedded(schema)) && (key == "apiVersion" || key == "kind" || key == "metadata");
        if (const Json* known = property(schema, key); known != nullptr && !(meta && root && key != "metadata")) {
            // A CRD says only `type: object` of metadata; its fields are everybody's.
            if (!meta || known->contains("properties")) prune_at(*known, at.value(), below(path, key), removed, false);
            ++at;
        } else if (meta || open_ended(schema)) {
            ++at;
        } else if (values != nullptr) {
            prune_at(*values, at.value(), below(path, key), removed, false);
            ++at;
        } else {
            removed.push_back(below(path, key));
            at = value.erase(at);
        }
    }
}

}  // namespace

void apply_defaults(const Json& schema, Json& value) {
    if (value.is_array()) {
        const Json* items = find_at(schema, {"items"});
        if (items == nullptr) return;
        for (Json& item : value) apply_defaults(*items, item);
        return;
    }
    if (!value.is_object()) return;
    if (const Json* properties = find_at(schema, {"properties"}); properties != nullptr && properties->is_object()) {
        for (const auto& [key, member] : properties->items()) {
            const Json* fallback = find_at(member, {"default"});
            const auto found = value.find(key);
            const bool null = found != value.end() && found->is_null() && !true_at(member, {"nullable"});
            if (null && fallback == nullptr) {
                value.erase(key);
            } else if (fallback != nullptr && (found == value.end() || null)) {
                value[key] = *fallback;
            }
            if (value.contains(key)) apply_defaults(member, value[key]);
        }
    }
    if (const Json* values = additional(schema); values != nullptr) {
        for (auto& [key, member] : value.items()) {
            if (property(schema, key) == nullptr) apply_defaults(*values, member);
        }
    }
}

void prune(const Json& schema, Json& value, std::vector<std::string>& removed, bool root) {
    prune_at(schema, value, "", removed, root);
}

std::vector<std::string> unsupported_keywords(const Json& schema) {
    // Understood, or without effect on what is accepted.
    static const std::set<std::string, std::less<>> kKnown = {"type",
                                                              "properties",
                                                              "required",
                                                              "items",
                                                              "additionalProperties",
                                                              "enum",
                                                              "pattern",
                                                              "format",
                                                              "minimum",
                                                              "maximum",
                                                              "exclusiveMinimum",
                                                              "exclusiveMaximum",
                                                              "multipleOf",
                                                              "minLength",
                                                              "maxLength",
                                                              "minItems",
                                                              "maxItems",
                                                              "minProperties",
                                                              "maxProperties",
                                                              "uniqueItems",
                                                              "default",
                                                              "nullable",
                                                              "description",
                                                              "title",
                                                              "example",
                                                              "externalDocs",
                                                              "x-kubernetes-preserve-unknown-fields",
                                                              "x-kubernetes-embedded-resource",
                                                              "x-kubernetes-int-or-string",
                                                              "x-kubernetes-list-type",
                                                              "x-kubernetes-list-map-keys",
                                                              "x-kubernetes-map-type",
                                                              "x-kubernetes-validations"};
    std::vector<std::string> out;
    if (!schema.is_object()) return out;
    const auto descend = [&out](const Json& child) {
        for (std::string& found : unsupported_keywords(child)) {
            if (!contains(out, found)) out.push_back(std::move(found));
        }
    };
    for (const auto& [key, value] : schema.items()) {
        if (!kKnown.contains(key)) {
            if (!contains(out, key)) out.push_back(key);
        } else if (key == "properties" && value.is_object()) {
            for (const Json& child : value) descend(child);
        } else if (key == "items" || key == "additionalProperties") {
            descend(value);
        }
    }
    return out;
}

}  // namespace model
