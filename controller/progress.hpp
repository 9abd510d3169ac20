#pragma once

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"
#include "controller/pod_view.hpp"
#include "kube/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace endoscope::controller {

/// One injected container and what is known about its Pod.
struct Observation {
    const PodView* pod = nullptr;  ///< Null: the Pod is gone.
    std::string pod_uid;           ///< Of the Pod that was injected into; another one of the same name is another Pod.
    std::string container;
    api::Mode mode = api::Mode::interactive;
    api::TimePoint requested_at;  ///< creationTimestamp of the request.
    api::TimePoint injected_at;
    api::TimePoint now;
    std::int64_t start_deadline_seconds = 0;  ///< From `injected_at`.
    std::int64_t deadline_seconds = 0;        ///< From the container's start.
    std::string problem;  ///< Past its deadline: why it has not been ended, or what is to be done about it.
};

/// Where the session stands, as far as the Pod shows it.
struct Progress {
    api::Phase phase = api::Phase::starting;
    api::Reason reason = api::Reason::waiting_for_start;
    std::string message;
    std::string state;  ///< Waiting, Running, Terminated or Unknown; Pending or NotInjected without a container.
    std::string started_at;
    std::string finished_at;
    std::string image_id;
    std::optional<std::int64_t> exit_code;
    std::string expires_at;
    bool still_running = false;                 ///< Past its deadline and not seen to end.
    std::optional<kube::Duration> check_after;  ///< When time alone changes the answer.
};

/// Reads a session's state off its Pod: the failure table of docs/troubleshooting.md. Pure. Never claims an end that
/// was not observed.
Progress assess(const Observation& observation);

}  // namespace endoscope::controller
