#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

/// Small helpers over nlohmann's DOM. None of them throws.
namespace model {

using Json = nlohmann::json;
using kube::find_at;
using kube::string_at;

/// The member `key` as an object, made when it is missing or something else.
Json& object_at(Json& parent, const std::string& key);
/// `object_at` along a path.
Json& object_at(Json& parent, std::initializer_list<const char*> path);
/// Whether the member at the path is `true`.
bool true_at(const Json& value, std::initializer_list<std::string_view> path);
/// The array at the path, or an empty one.
const Json& array_at(const Json& value, std::initializer_list<std::string_view> path);
/// Strings of the array at the path; other elements are skipped.
std::vector<std::string> strings_at(const Json& value, std::initializer_list<std::string_view> path);
bool contains(const std::vector<std::string>& list, std::string_view value);
/// Sets `key` when it is absent or null.
void set_default(Json& object, const std::string& key, Json value);

/// `value` as Go's %v prints it: map[a:1 b:[x y]].
std::string go_format(const Json& value);

std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
/// `text` in double quotes with Go's %q escapes for the usual characters.
std::string quote(std::string_view text);

/// metav1.Time: RFC 3339, whole seconds.
std::string format_time(kube::WallTime time);
/// Reads RFC 3339 with or without a fraction; nothing when it is something else.
std::optional<kube::WallTime> parse_time(std::string_view text);

}  // namespace model
