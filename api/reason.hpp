#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace endoscope::api {

/// Why a request is in the state it is in: the closed list of words that `status.reason`, the conditions, the metric
/// labels and the offline command share. The values up to `allowed` stand in the order in which the rules of the
/// verdict run, so a greater value means that a policy got further.
enum class Reason : std::uint8_t {
    // The spec itself.
    invalid_spec,
    invalid_image_reference,
    // Who asks.
    identity_missing,
    identity_invalid,
    // A policy selects the namespace.
    no_policy,
    policy_invalid,
    namespace_protected,
    // Authorization.
    not_authorized,
    authorization_failed,
    // The target exists and can be debugged.
    target_not_found,
    container_not_found,
    target_not_scheduled,
    target_not_running,
    target_terminating,
    target_terminated,
    target_static,
    target_windows,
    // Per policy: who.
    requester_not_allowed,
    // Per policy: images.
    image_denied,
    image_not_allowed,
    digest_required,
    // Per policy: the container.
    profile_not_allowed,
    run_as_not_allowed,
    env_not_allowed,
    command_not_allowed,
    // Per policy: the target.
    target_not_allowed,
    target_host_pid,
    target_host_network,
    target_host_ipc,
    target_privileged,
    // Per policy: reason, time, number.
    reason_not_accepted,
    deadline_too_long,
    too_many_targets,
    session_exists,
    limit_exceeded,
    // Pod Security Standards.
    pod_security_violation,
    // All passed.
    allowed,
    approval_required,
    approval_denied,
    approval_timed_out,
    // The life of a request.
    queued,
    injecting,
    waiting_for_start,
    started,
    deadline_exceeded,
    completed,
    non_zero_exit,
    session_ended,
    already_satisfied,
    image_pull_failed,
    invalid_image_name,
    container_config_error,
    start_failed,
    start_deadline_exceeded,
    target_gone,
    node_lost,
    injection_rejected,
    // Condition `Accepted` of a DebugPolicy.
    accepted,
};

/// The word as written in the API, e.g. "NotAuthorized".
std::string_view to_string(Reason reason);

/// The reason of that exact word, or nothing for any other text.
std::optional<Reason> reason_from_string(std::string_view text);

}  // namespace endoscope::api
