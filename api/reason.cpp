#include "api/reason.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace endoscope::api {
namespace {

constexpr auto kWords = std::to_array<std::pair<Reason, std::string_view>>({
    {Reason::invalid_spec, "InvalidSpec"},
    {Reason::invalid_image_reference, "InvalidImageReference"},
    {Reason::identity_missing, "IdentityMissing"},
    {Reason::identity_invalid, "IdentityInvalid"},
    {Reason::no_policy, "NoPolicy"},
    {Reason::policy_invalid, "PolicyInvalid"},
    {Reason::namespace_protected, "NamespaceProtected"},
    {Reason::not_authorized, "NotAuthorized"},
    {Reason::authorization_failed, "AuthorizationFailed"},
    {Reason::target_not_found, "TargetNotFound"},
    {Reason::container_not_found, "ContainerNotFound"},
    {Reason::target_not_scheduled, "TargetNotScheduled"},
    {Reason::target_not_running, "TargetNotRunning"},
    {Reason::target_terminating, "TargetTerminating"},
    {Reason::target_terminated, "TargetTerminated"},
    {Reason::target_static, "TargetStatic"},
    {Reason::target_windows, "TargetWindows"},
    {Reason::requester_not_allowed, "RequesterNotAllowed"},
    {Reason::image_denied, "ImageDenied"},
    {Reason::image_not_allowed, "ImageNotAllowed"},
    {Reason::digest_required, "DigestRequired"},
    {Reason::profile_not_allowed, "ProfileNotAllowed"},
    {Reason::run_as_not_allowed, "RunAsNotAllowed"},
    {Reason::env_not_allowed, "EnvNotAllowed"},
    {Reason::command_not_allowed, "CommandNotAllowed"},
    {Reason::target_not_allowed, "TargetNotAllowed"},
    {Reason::target_host_pid, "TargetHostPID"},
    {Reason::target_host_network, "TargetHostNetwork"},
    {Reason::target_host_ipc, "TargetHostIPC"},
    {Reason::target_privileged, "TargetPrivileged"},
    {Reason::reason_not_accepted, "ReasonNotAccepted"},
    {Reason::deadline_too_long, "DeadlineTooLong"},
    {Reason::too_many_targets, "TooManyTargets"},
    {Reason::session_exists, "SessionExists"},
    {Reason::limit_exceeded, "LimitExceeded"},
    {Reason::pod_security_violation, "PodSecurityViolation"},
    {Reason::allowed, "Allowed"},
    {Reason::approval_required, "ApprovalRequired"},
    {Reason::approval_denied, "ApprovalDenied"},
    {Reason::approval_timed_out, "ApprovalTimedOut"},
    {Reason::queued, "Queued"},
    {Reason::injecting, "Injecting"},
    {Reason::waiting_for_start, "WaitingForStart"},
    {Reason::started, "Started"},
    {Reason::deadline_exceeded, "DeadlineExceeded"},
    {Reason::completed, "Completed"},
    {Reason::non_zero_exit, "NonZeroExit"},
    {Reason::session_ended, "SessionEnded"},
    {Reason::already_satisfied, "AlreadySatisfied"},
    {Reason::image_pull_failed, "ImagePullFailed"},
    {Reason::invalid_image_name, "InvalidImageName"},
    {Reason::container_config_error, "ContainerConfigError"},
    {Reason::start_failed, "StartFailed"},
    {Reason::start_deadline_exceeded, "StartDeadlineExceeded"},
    {Reason::target_gone, "TargetGone"},
    {Reason::node_lost, "NodeLost"},
    {Reason::injection_rejected, "InjectionRejected"},
    {Reason::accepted, "Accepted"},
});

// The table is indexed by the enum, so it must list every value, in order.
constexpr bool lists_every_value() {
    for (std::size_t i = 0; i < kWords.size(); ++i) {
        if (static_cast<std::size_t>(kWords[i].first) != i) return false;
    }
    return kWords.size() == static_cast<std::size_t>(Reason::accepted) + 1;
}
static_assert(lists_every_value());

}  // namespace

std::string_view to_string(Reason reason) {
    return kWords.at(static_cast<std::size_t>(reason)).second;
}

std::optional<Reason> reason_from_string(std::string_view text) {
    const auto* const found = std::ranges::find(kWords, text, &std::pair<Reason, std::string_view>::second);
    if (found == kWords.end()) return std::nullopt;
    return found->first;
}

}  // namespace endoscope::api
