#pragma once

#include "tests/model/api_error.hpp"

#include <string>
#include <vector>

/// Structural schemas, as far as the CRDs of this project use them (README.md lists what is evaluated).
namespace model {

/// Fills in `default`s, nulls of non-nullable fields with defaults included.
void apply_defaults(const Json& schema, Json& value);

/// Removes what the schema does not name and appends each removed path ("spec.foo", "spec.list[0].bar") to `removed`.
/// apiVersion, kind and metadata of the root are kept.
void prune(const Json& schema, Json& value, std::vector<std::string>& removed, bool root = true);

/// Validates with the messages of apiextensions. `before` is the old object (null on create) for `self == oldSelf`.
FieldErrors validate_schema(const Json& schema, const Json& value, const Json& before);

/// Whether x-kubernetes-validations are left out because of these errors.
bool blocks_rules(const FieldErrors& errors);

/// Type errors only, for built-in types: their first one is a decoding error upstream.
FieldErrors check_types(const Json& schema, const Json& value);

/// What is wrong with a CRD's own schema, as far as the model can tell: unknown types, and expressions or keywords it
/// would have to guess about. Empty when all is understood.
std::vector<std::string> unsupported_keywords(const Json& schema);

}  // namespace model
