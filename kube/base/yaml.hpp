#pragma once

#include "kube/base/error.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace kube {

/// Reads a YAML stream (or one JSON document) as JSON values, one for each document; an empty document gives null.
/// Scalars are read as YAML 1.2's core schema does: only plain ones become numbers, booleans or null, and a number with
/// a leading zero stays text. Duplicate keys, merge keys, endless depth and aliases that multiply are errors
/// (`ErrorKind::malformed`, one line that names document and line).
Result<std::vector<nlohmann::json>> parse_yaml(const std::string& text);

}  // namespace kube
