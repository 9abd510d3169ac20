#pragma once

#include "tests/model/api_error.hpp"

#include <string>

namespace model {

/// x-kubernetes-validations, evaluated by the small CEL of cel.hpp. Rules that name oldSelf are transition rules: they
/// are skipped where there is no old value. A CRD with rules that the model cannot evaluate is refused when it is
/// created (crd_rules.cpp), so none is skipped silently.
FieldErrors check_rules(const Json& schema, const Json& value, const Json* before, const std::string& path);

/// Whether the schema has rules anywhere.
bool has_rules(const Json& schema);

/// Whether `pattern` (RE2's syntax, the part that ECMAScript shares) is found in `text`. A pattern that cannot be
/// compiled matches nothing.
bool matches_pattern(const std::string& pattern, const std::string& text);

}  // namespace model
