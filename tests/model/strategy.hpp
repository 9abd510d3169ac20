#pragma once

#include "tests/model/resource.hpp"

#include <string>
#include <vector>

/// What a resource's registry strategy does upstream: decoding, defaults, preparation and validation, all pure.
namespace model {

/// Checks kind, apiVersion and types, removes unknown fields and lists them ("spec.foo"). `object` must be an object.
Outcome<Json> decode_object(const ResourceInfo& info, Json object, std::vector<std::string>& unknown);

/// Server-side defaults. Runs before and after mutating webhooks.
void set_defaults(const ResourceInfo& info, Json& object);

/// System fields, a fresh status, generation 1.
void prepare_create(const ResourceInfo& info, Json& object, const std::string& uid, const std::string& now);
FieldErrors validate_create(const ResourceInfo& info, const Json& object);

/// Keeps what the endpoint may not change (status, or everything else) and raises the generation when the spec changed.
void prepare_update(const ResourceInfo& info, const std::string& subresource, Json& object, const Json& before);
FieldErrors validate_update(const ResourceInfo& info, const std::string& subresource, const Json& object,
                            const Json& before);

/// Rules of single built-in kinds (builtin_rules.cpp); the functions above call them.
void default_builtin(const std::string& kind, Json& object);
void prepare_builtin_create(const std::string& kind, Json& object);
FieldErrors validate_builtin(const std::string& kind, const Json& object);
FieldErrors validate_builtin_update(const std::string& kind, const Json& object, const Json& before);
/// Formats that fail while decoding (metav1.MicroTime, base64): "" when fine.
std::string decoding_problem(const std::string& kind, const Json& object);

/// Rules of CustomResourceDefinitions (crd_rules.cpp).
void default_crd(Json& crd);
FieldErrors validate_crd(const Json& crd);
/// Established and NamesAccepted, acceptedNames, storedVersions.
void set_crd_status(Json& crd, const std::string& now);

}  // namespace model
