#pragma once

#include "api/field_error.hpp"
#include "api/label_selector.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace endoscope::api {

/// Reads the fields of one JSON object with their types checked. The first error sticks in `error`; after it every
/// read gives an empty value, so that a decoder reads straight on and looks once, at the end. Null is the same as
/// absent. For the decoders of this project; never throws.
class JsonReader final {
  public:
    /// `path` is where the object stands, e.g. "spec.target"; empty for the root. Absent (nullptr): an empty object.
    JsonReader(const nlohmann::json* object, std::string path, std::optional<FieldError>& error);

    std::string text(std::string_view key);
    std::optional<std::int64_t> integer(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    std::vector<std::string> texts(std::string_view key);
    std::map<std::string, std::string> text_map(std::string_view key);

    /// A text that must be one of the words given; the value of the one it is.
    template <class T>
    std::optional<T> word(std::string_view key, std::initializer_list<std::pair<std::string_view, T>> words) {
        const std::optional<std::string> found = optional_text(key);
        if (!found) return std::nullopt;
        std::string known;
        for (const auto& [name, value] : words) {
            if (*found == name) return value;
            known.append(known.empty() ? "" : ", ").append(name);
        }
        fail(key, "must be one of " + known);
        return std::nullopt;
    }

    /// The text, if the field is there.
    std::optional<std::string> optional_text(std::string_view key);

    bool has(std::string_view key);

    /// A reader for the object in that field; an empty one where it is absent.
    JsonReader object(std::string_view key);

    /// Calls `each` with a reader for every object of the list in that field.
    void objects(std::string_view key, const std::function<void(JsonReader&)>& each);

    /// Calls `each` with key and list of texts of every member of the object in that field.
    std::map<std::string, std::vector<std::string>> texts_map(std::string_view key);

    /// The lists of texts of the list in that field.
    std::vector<std::vector<std::string>> text_lists(std::string_view key);

    LabelSelector label_selector(std::string_view key);

    /// Makes any field that was not read an error.
    void no_others();

    /// Makes `key` an error, unless there is one already.
    void fail(std::string_view key, std::string message);

  private:
    const nlohmann::json* find(std::string_view key);
    const nlohmann::json* find(std::string_view key, bool (*is_type)(const nlohmann::json&), std::string_view type);
    std::vector<std::string> texts_of(const nlohmann::json& list, const std::string& path);
    std::string path_of(std::string_view key) const;

    const nlohmann::json* object_;
    std::string path_;
    std::optional<FieldError>& error_;
    std::vector<std::string> known_;
};

}  // namespace endoscope::api
