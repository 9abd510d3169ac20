#pragma once

#include "tests/model/json_tools.hpp"

#include <memory>
#include <string>

namespace model {

/// What the model knows of a built-in type's fields, as a structural schema: enough to refuse unknown fields and wrong
/// types the way a real API server does. Parts that the model never looks into accept anything. "EventV1" is the
/// events.k8s.io view. Null for an unknown kind.
std::shared_ptr<const Json> builtin_schema(const std::string& kind);

}  // namespace model
