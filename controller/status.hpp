#pragma once

#include "api/debug_request.hpp"
#include "controller/overall.hpp"
#include "controller/session.hpp"
#include "controller/verdict.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace endoscope::controller {

/// The status of a request that was refused: phase Denied.
api::DebugRequestStatus denied_status(const api::DebugRequestStatus& before, std::int64_t generation,
                                      const Verdict& verdict, api::TimePoint now);

/// The status of a request that was allowed but could not be injected: phase Failed.
api::DebugRequestStatus failed_status(const api::DebugRequestStatus& before, std::int64_t generation,
                                      const Session& session, api::Reason reason, const std::string& message,
                                      api::TimePoint now);

/// The status of a request whose Pods are chosen, from what they show. `before` is the last one known: what was
/// observed while a Pod was there stays on record, and conditions keep the time of their last transition.
api::DebugRequestStatus session_status(const api::DebugRequest& request, const api::DebugRequestStatus& before,
                                       const Session& session, const Progress& whole,
                                       const std::vector<PartView>& parts, api::TimePoint now);

/// The row of a Pod, or nullptr.
const api::TargetStatus* find_row(const api::DebugRequestStatus& status, std::string_view pod_uid);

/// `text` in at most `api::bounds::kMessage` bytes, on one line.
std::string bounded_message(std::string text);

}  // namespace endoscope::controller
