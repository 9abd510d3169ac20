#pragma once

#include "tests/model/api_error.hpp"

#include <string>
#include <string_view>

namespace model {

/// Decodes `application/vnd.kubernetes.protobuf` into the JSON of the same object. kubectl's typed commands (create
/// namespace, create role, auth can-i, ...) send nothing else. Known are the kinds that those commands send; any other
/// is 415 with its name.
Outcome<Json> decode_protobuf(std::string_view body);

}  // namespace model
