#pragma once

#include "tests/model/resource.hpp"

namespace model {

/// `stored` as the version and kind of `info` show it. Custom resources change only their apiVersion; Events are stored
/// as core/v1 and converted for events.k8s.io.
Json to_view(const ResourceInfo& info, const Json& stored);
/// The inverse, for what a client sent.
Json from_view(const ResourceInfo& info, const Json& object);

}  // namespace model
