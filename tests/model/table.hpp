#pragma once

#include "tests/model/resource.hpp"

#include <vector>

namespace model {

/// The meta.k8s.io/v1 Table of `objects` (views of `info`), as `kubectl get` prints it. `include` is the includeObject
/// parameter: "" or "Metadata", "Object", "None".
Json table_of(const ResourceInfo& info, const std::vector<Json>& objects, kube::WallTime now,
              const std::string& include, bool with_columns, Json metadata);

/// Only apiVersion, kind and metadata of `object`, as PartialObjectMetadata.
Json partial_metadata(const Json& object);

/// "5s", "2m3s", "4h", "3d": duration.HumanDuration.
std::string human_duration(kube::Duration duration);

/// What a CRD column's JSONPath selects: the first match, or null. Understands .a.b, ['a'], [0], [*] and
/// [?(@.type=="x")].
Json json_path(const Json& object, const std::string& path);

}  // namespace model
