#pragma once

#include "tests/model/resource.hpp"

#include <optional>
#include <string>

namespace model {

inline constexpr const char* kGitVersion = "v1.36.0-model";

/// /version.
Json version_info();
/// /api, /apis, /api/v1, /apis/<group>, /apis/<group>/<version>; nothing for other paths and unknown groups.
std::optional<Json> discovery(const Registry& registry, const std::string& path);
/// /openapi/v3 (the index) and /openapi/v3/<gv>: enough for kubectl's validation, dry-run and explain.
std::optional<Json> openapi_v3(const Registry& registry, const std::string& path);
/// /openapi/v2 in protobuf: the paths and parameters that older kubectls look for.
std::string openapi_v2_protobuf(const Registry& registry);

}  // namespace model
