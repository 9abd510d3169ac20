#pragma once

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"
#include "controller/progress.hpp"
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

    bool adopted = false;   ///< Found in the Pod, so `injected_at` and `injected_steady` are when it was found.
    bool injected = false;  ///< False: the verdict reserved a place, the PATCH is not answered yet.
    api::TimePoint injected_at;
    kube::SteadyTime injected_steady;
    std::optional<kube::SteadyTime> seen_running;  ///< When the Pod first showed it to us.
    bool start_observed = false;                   ///< Counted in `endoscope_start_duration_seconds` and announced.
    /// A terminal status whose write was sent and not answered: it may be on record, so it stands and is sent again.
    struct Ending {
        Progress progress;
        api::DebugRequestStatus status;
    };
    std::optional<Ending> ending;
    bool finished = false;  ///< The terminal phase is recorded; only an overdue container is still followed.
    std::optional<api::DebugRequestStatus> sent;     ///< A status whose write was not answered,
    std::optional<api::DebugRequestStatus> written;  ///< the last that is known to be recorded,
    std::string written_version;                     ///< and the resourceVersion it got.
};

/// The moment by which the session's deadlines are judged. The node's clock says when the container started, and ours
/// may be off or jump; so the time it has run is counted by the steady clock as far as that tells: it is not longer
/// than the time since the injection, and not shorter than the time since it was first seen to run.
api::TimePoint session_now(const Session& session, std::string_view started_at, kube::SteadyTime steady);

}  // namespace endoscope::controller
