#include "api/json_reader.hpp"

#include "api/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace endoscope::api {
namespace {

bool is_object(const nlohmann::json& value) {
    return value.is_object();
}
bool is_array(const nlohmann::json& value) {
    return value.is_array();
}
bool is_string(const nlohmann::json& value) {
    return value.is_string();
}
bool is_boolean(const nlohmann::json& value) {
    return value.is_boolean();
}

/// Whole numbers only: 3600.0 and 1e3 are not accepted, the API server never sends them for an integer.
bool is_integer(const nlohmann::json& value) {
    if (value.is_number_unsigned()) {
        return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    }
    return value.is_number_integer();
}

std::string indexed(const std::string& path, std::size_t index) {
    return path + "[" + std::to_string(index) + "]";
}

}  // namespace

JsonReader::JsonReader(const nlohmann::json* object, std::string path, std::optional<FieldError>& error)
    : object_(object), path_(std::move(path)), error_(error) {
    if (object_ == nullptr) return;
    if (!object_->is_object()) {
        if (!object_->is_null() && !error_) error_ = FieldError{path_.empty() ? "(root)" : path_, "must be an object"};
        object_ = nullptr;
    }
}

std::string JsonReader::path_of(std::string_view key) const {
    const std::string name = printable(key);
    return path_.empty() ? name : path_ + "." + name;
}

void JsonReader::fail(std::string_view key, std::string message) {
    if (!error_) error_ = FieldError{path_of(key), std::move(message)};
}

const nlohmann::json* JsonReader::find(std::string_view key) {
    known_.emplace_back(key);
    if (object_ == nullptr || error_) return nullptr;
    const auto found = object_->find(key);
    return found == object_->end() || found->is_null() ? nullptr : &*found;
}

const nlohmann::json* JsonReader::find(std::string_view key, bool (*is_type)(const nlohmann::json&),
                                       std::string_view type) {
    const nlohmann::json* const value = find(key);
    if (value == nullptr || is_type(*value)) return value;
    fail(key, std::string("must be ").append(type).append(", is ").append(value->type_name()));
    return nullptr;
}

bool JsonReader::has(std::string_view key) {
    return find(key) != nullptr;
}

std::optional<std::string> JsonReader::optional_text(std::string_view key) {
    const nlohmann::json* const value = find(key, is_string, "a string");
    if (value == nullptr) return std::nullopt;
    return value->get<std::string>();
}

std::string JsonReader::text(std::string_view key) {
    return optional_text(key).value_or(std::string());
}

std::optional<std::int64_t> JsonReader::integer(std::string_view key) {
    const nlohmann::json* const value = find(key, is_integer, "a whole number");
    if (value == nullptr) return std::nullopt;
    return value->get<std::int64_t>();
}

std::optional<bool> JsonReader::boolean(std::string_view key) {
    const nlohmann::json* const value = find(key, is_boolean, "true or false");
    if (value == nullptr) return std::nullopt;
    return value->get<bool>();
}

std::vector<std::string> JsonReader::texts_of(const nlohmann::json& list, const std::string& path) {
    std::vector<std::string> result;
    result.reserve(list.size());
    for (const auto& entry : list) {
        if (!entry.is_string()) {
            if (!error_) error_ = FieldError{indexed(path, result.size()), "must be a string"};
            return {};
        }
        result.push_back(entry.get<std::string>());
    }
    return result;
}

std::vector<std::string> JsonReader::texts(std::string_view key) {
    const nlohmann::json* const list = find(key, is_array, "a list of strings");
    return list == nullptr ? std::vector<std::string>() : texts_of(*list, path_of(key));
}

std::map<std::string, std::string> JsonReader::text_map(std::string_view key) {
    std::map<std::string, std::string> result;
    const nlohmann::json* const object = find(key, is_object, "an object of strings");
    if (object == nullptr) return result;
    for (const auto& [name, value] : object->items()) {
        if (!value.is_string()) {
            fail(std::string(key) + "." + name, "must be a string");
            return {};
        }
        result.emplace(name, value.get<std::string>());
    }
    return result;
}

JsonReader JsonReader::object(std::string_view key) {
    return JsonReader(find(key, is_object, "an object"), path_of(key), error_);
}

void JsonReader::objects(std::string_view key, const std::function<void(JsonReader&)>& each) {
    const nlohmann::json* const list = find(key, is_array, "a list of objects");
    if (list == nullptr) return;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string path = indexed(path_of(key), i);
        if (!(*list)[i].is_object() && !error_) error_ = FieldError{path, "must be an object"};
        JsonReader reader(&(*list)[i], path, error_);
        each(reader);
    }
}

std::map<std::string, std::vector<std::string>> JsonReader::texts_map(std::string_view key) {
    std::map<std::string, std::vector<std::string>> result;
    const nlohmann::json* const object = find(key, is_object, "an object of lists");
    if (object == nullptr) return result;
    JsonReader members(object, path_of(key), error_);
    for (const auto& [name, value] : object->items()) result.emplace(name, members.texts(name));
    return result;
}

std::vector<std::vector<std::string>> JsonReader::text_lists(std::string_view key) {
    std::vector<std::vector<std::string>> result;
    const nlohmann::json* const lists = find(key, is_array, "a list of lists of strings");
    if (lists == nullptr) return result;
    for (const auto& list : *lists) {
        const std::string path = indexed(path_of(key), result.size());
        if (!list.is_array()) {
            if (!error_) error_ = FieldError{path, "must be a list of strings"};
            return {};
        }
        result.push_back(texts_of(list, path));
    }
    return result;
}

LabelSelector JsonReader::label_selector(std::string_view key) {
    using Operator = LabelSelector::Operator;
    LabelSelector selector;
    JsonReader reader = object(key);
    selector.match_labels = reader.text_map("matchLabels");
    for (const auto& [name, value] : selector.match_labels) {
        if (!is_label_key(name)) reader.fail("matchLabels", "\"" + printable(name) + "\" is not a label key");
        if (!is_label_value(value)) reader.fail("matchLabels." + name, "is not a label value");
    }
    reader.objects("matchExpressions", [&](JsonReader& entry) {
        LabelSelector::Requirement requirement;
        requirement.key = entry.text("key");
        if (!is_label_key(requirement.key)) entry.fail("key", "must be a label key");
        const auto op = entry.word<Operator>("operator", {{"In", Operator::in},
                                                          {"NotIn", Operator::not_in},
                                                          {"Exists", Operator::exists},
                                                          {"DoesNotExist", Operator::does_not_exist}});
        if (!op) entry.fail("operator", "is required");
        requirement.op = op.value_or(Operator::in);
        requirement.values = entry.texts("values");
        for (std::size_t i = 0; i < requirement.values.size(); ++i) {
            // What no label can be is never equal, so that NotIn would let everything through.
            if (is_label_value(requirement.values[i])) continue;
            entry.fail("values[" + std::to_string(i) + "]", "is not a label value");
        }
        const bool lists = requirement.op == Operator::in || requirement.op == Operator::not_in;
        if (lists && requirement.values.empty()) entry.fail("values", "must not be empty with In and NotIn");
        if (!lists && !requirement.values.empty()) entry.fail("values", "must be empty with Exists and DoesNotExist");
        entry.no_others();
        selector.match_expressions.push_back(std::move(requirement));
    });
    reader.no_others();
    return selector;
}

void JsonReader::no_others() {
    if (object_ == nullptr || error_) return;
    for (const auto& [name, value] : object_->items()) {
        if (std::ranges::find(known_, name) == known_.end()) {
            fail(name, "unknown field");
            return;
        }
    }
}

}  // namespace endoscope::api
