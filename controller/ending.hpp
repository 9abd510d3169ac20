#pragma once

#include "api/debug_policy.hpp"
#include "kube/base/clock.hpp"

#include <string_view>

namespace endoscope::controller {

/// What a policy wants done with the sessions that it accepted.
struct EndingRules {
    api::OnExpiry on_expiry = api::OnExpiry::report;
    api::AfterSession after_session = api::AfterSession::keep;

    /// Whether something is to be done that must not be lost when the request is deleted.
    bool needs_finalizer() const {
        return on_expiry != api::OnExpiry::report || after_session != api::AfterSession::keep;
    }
};

/// How long to wait after the attempt of that number (from 1) to end a container or to evict a Pod: from two seconds,
/// doubled each time, to a minute; a minute at once where one has succeeded, and only its effect is still to be seen.
kube::Duration pause_after(int attempt, bool has_succeeded);

/// How long a deleted request is kept for work that does not succeed. Then it goes, whatever is left.
inline constexpr kube::Duration kLongestFarewell = std::chrono::seconds(60);

}  // namespace endoscope::controller
