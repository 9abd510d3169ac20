#pragma once

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"
#include "controller/progress.hpp"
#include "kube/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::controller {

/// One Pod of a session and the container in it.
struct SessionPart {
    std::string pod;
    std::string pod_uid;
    std::string container;
    std::string target_container;  ///< Whose processes it sees.

    bool injected = false;  ///< False: its place is reserved, the PATCH is not answered yet.
    bool adopted = false;   ///< Found in the Pod, so `injected_at` and `injected_steady` are when it was found.
    api::TimePoint injected_at;
    kube::SteadyTime injected_steady;
    std::optional<kube::SteadyTime> seen_running;  ///< When the Pod first showed it to us.
    bool start_observed = false;                   ///< Counted in `endoscope_start_duration_seconds` and announced.

    /// Why this Pod never gets its container, although others of the request have theirs.
    struct Refused {
        api::Reason reason;
        std::string message;
    };
    std::optional<Refused> refused;

    std::optional<std::string> output;  ///< The end of its log, once it has been asked for.
    std::string output_problem;         ///< Why there is none.

    /// How far the attempts to end it have come, once it is to be ended.
    struct Ending {
        int attempts = 0;
        kube::SteadyTime next;  ///< Not to be tried again before.
        bool gave_up = false;   ///< No further attempt can help.
        std::string problem;    ///< Why the last attempt has not ended it, for the message.
        std::string done;       ///< What was done to it, e.g. "by onExpiry: Terminate".
    };
    Ending ending;
};

/// What the operator remembers of a request between its verdict and its end. All of it can be found again from the
/// request and its Pods after a restart; nothing here is the truth.
struct Session {
    std::string request_uid;
    std::string image;  ///< Canonical, as injected.
    std::string profile;
    api::PolicyRef policy;
    std::string warnings;  ///< Of the verdict, joined.
    std::int64_t deadline_seconds = 0;
    std::int64_t start_deadline_seconds = 0;
    std::vector<SessionPart> parts;  ///< In the order in which the Pods were chosen. Never empty.

    /// A terminal status whose write was sent and not answered: it may be on record, so it stands and is sent again.
    struct Ending {
        Progress progress;
        std::vector<Progress> parts;
        api::DebugRequestStatus status;
    };
    std::optional<Ending> ending;
    bool finished = false;  ///< The terminal phase is recorded; only overdue containers are still followed.
    std::optional<kube::SteadyTime> cancelled;       ///< When the request was first seen to be deleted.
    bool has_finalizer = false;                      ///< The request carries our finalizer, as far as we know.
    std::optional<api::DebugRequestStatus> sent;     ///< A status whose write was not answered,
    std::optional<api::DebugRequestStatus> written;  ///< the last that is known to be recorded,
    std::string written_version;                     ///< and the resourceVersion it got.

    /// Whether some container was added, or may have been.
    bool is_injected() const;
    SessionPart* find(std::string_view pod);
    const SessionPart* find(std::string_view pod) const;
};

/// The moment by which a container's deadlines are judged. The node's clock says when it started, and ours may be off
/// or jump; so the time it has run is counted by the steady clock as far as that tells: it is not longer than the time
/// since the injection, and not shorter than the time since it was first seen to run.
api::TimePoint session_now(const SessionPart& part, std::string_view started_at, kube::SteadyTime steady);

}  // namespace endoscope::controller
