#pragma once

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"
#include "kube/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace endoscope::controller {

/// What the operator remembers of a request between its verdict and its end. All of it can be found again from the
/// request and the Pod after a restart; nothing here is the truth.
struct Session {
    std::string request_uid;
    std::string pod;
    std::string pod_uid;
    std::string container;
    std::string target_container;  ///< Whose processes it sees.
    std::string image;             ///< Canonical, as injected.
    std::string profile;
    api::PolicyRef policy;
    std::string warnings;  ///< Of the verdict, joined.
    std::int64_t deadline_seconds = 0;
    std::int64_t start_deadline_seconds = 0;

    bool injected = false;  ///< False: the verdict reserved a place, the PATCH is not answered yet.
    api::TimePoint injected_at;
    kube::SteadyTime injected_steady;
    bool start_observed = false;  ///< Counted in `endoscope_start_duration_seconds` and announced.
    bool finished = false;        ///< The terminal phase is recorded; only an overdue container is still followed.
    std::optional<api::DebugRequestStatus> written;  ///< The last status we wrote,
    std::string written_version;                     ///< and the resourceVersion it got.
};

}  // namespace endoscope::controller
