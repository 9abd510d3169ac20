#pragma once

#include "tests/model/json_tools.hpp"

#include <optional>
#include <string>

namespace model {

/// "" when the model can evaluate the CEL expression `rule`, else what it cannot do. A small part of CEL: literals,
/// self, oldSelf, field access, has(), size(), ! - + == != < <= > >= && || in ?: [list], and the methods size,
/// startsWith, endsWith, contains, matches, all, exists, exists_one, filter, map.
std::string unsupported_rule(const std::string& rule);

/// Whether `rule` holds. `before` is null where there is no old value. Nothing on an evaluation error (a missing field,
/// a type that does not fit), which upstream reports as a failed rule.
std::optional<bool> evaluate_rule(const std::string& rule, const Json& self, const Json* before);

}  // namespace model
