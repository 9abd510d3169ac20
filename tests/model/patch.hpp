#pragma once

#include "tests/model/api_error.hpp"

#include <string>

namespace model {

/// RFC 7396.
Json merge_patch(const Json& target, const Json& patch);
/// RFC 6902. Failures are 422 without details, as upstream answers them; more than 10,000 operations 413.
Outcome<Json> json_patch(const Json& target, const Json& patch);
/// Kubernetes' strategic merge for the built-in type `kind`: lists merged by their keys, new items before old ones,
/// with the directives $patch, $retainKeys, $deleteFromPrimitiveList and $setElementOrder.
Outcome<Json> strategic_merge_patch(const std::string& kind, const Json& target, const Json& patch);

}  // namespace model
