#pragma once

#include <string>
#include <string_view>

namespace model {

/// "" when `name` is fine, else upstream's sentence about what it must consist of.
std::string dns1123_label_problem(std::string_view name);
std::string dns1123_subdomain_problem(std::string_view name);
/// Names of RBAC objects: anything that fits in a path segment.
std::string path_segment_problem(std::string_view name);
std::string config_key_problem(std::string_view key);
std::string label_value_problem(std::string_view value);
std::string qualified_name_problem(std::string_view name);

}  // namespace model
