#pragma once

#include "tests/model/resource.hpp"

#include <vector>

namespace model {

/// Columns of built-in kinds; "Name" and "Age" for those without columns of their own.
std::vector<Column> builtin_columns(const ResourceInfo& info);
/// One row, in the order of `builtin_columns`.
Json builtin_cells(const ResourceInfo& info, const Json& object, kube::WallTime now);

}  // namespace model
