#pragma once

#include "kube/base/error.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace kube {

/// Parses one JSON document. Nesting deeper than 100 levels is refused: writing such a value back would overflow the
/// stack. Never throws.
Result<nlohmann::json> parse_json(std::string_view text);

/// Writes compact JSON; invalid UTF-8 is replaced instead of thrown on.
std::string dump_json(const nlohmann::json& value);

/// The member at a path of keys when it is there and a string, else "". Never throws.
std::string string_at(const nlohmann::json& value, std::initializer_list<std::string_view> path);
/// The member at a path of keys, or nullptr when any step is missing or not an object.
const nlohmann::json* find_at(const nlohmann::json& value, std::initializer_list<std::string_view> path);

}  // namespace kube
