#pragma once

#include "controller/stored_request.hpp"
#include "kube/base/clock.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace endoscope::controller {

/// Whether the object bears the mark of a GitOps or packaging tool, or has an owner: then that one removes it, and
/// would create it again if somebody else did. docs/operations.md lists the marks and their sources.
bool is_managed(const nlohmann::json& object);

/// When a DebugRequest ended, as `status.finishedAt` has it. Nothing for one that retention never removes: it is not
/// over, its container still runs, it is managed, or it has our finalizer.
std::optional<kube::WallTime> removable_since(const nlohmann::json& object);

/// What one look at all requests comes to.
struct RetentionPlan {
    std::vector<std::shared_ptr<const CachedRequest>> due;  ///< To be removed now, the oldest end first.
    kube::Duration next_look{};                             ///< After this time there may be more.
};

/// Chooses what has been over for `retain` (more than 0) or longer at the moment `now`. An end in the future, which a
/// clock that was wrong has written, is waited for. Marks can be taken off, so the next look comes after a tenth of
/// `retain` at the latest, bounded to one second and ten minutes.
RetentionPlan plan_retention(const std::vector<std::shared_ptr<const CachedRequest>>& requests, kube::WallTime now,
                             kube::Duration retain);

}  // namespace endoscope::controller
