#include "controller/progress.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace endoscope::controller {

using api::Phase;
using api::Reason;

namespace {

template <std::size_t N>
bool one_of(std::string_view word, const std::array<std::string_view, N>& words) {
    return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 5> kPullProblems = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError",
                                                           "RegistryUnavailable", "SignatureValidationFailed"};
constexpr std::array<std::string_view, 2> kBadImages = {"InvalidImageName", "ErrImageNeverPull"};
// The kubelet's word, and that of containerd for a container whose process is gone when it comes back.
constexpr std::array<std::string_view, 2> kLost = {"ContainerStatusUnknown", "Unknown"};
constexpr std::array<std::string_view, 2> kNeverRan = {"StartError", "ContainerCannotRun"};

std::string quoted(const PodView::EphemeralStatus& status) {
    if (status.message.empty()) return status.reason;
    return status.reason + ": " + status.message;
}

// 128 and the number of SIGKILL or SIGTERM.
bool is_killed(const PodView::EphemeralStatus& status) {
    return status.exit_code == 137 || status.exit_code == 143;
}

bool has_ended(const PodView& pod) {
    return pod.phase == "Succeeded" || pod.phase == "Failed";
}

std::string end_of(const PodView& pod) {
    if (pod.deleting) return "the target Pod is being deleted";
    return "the target Pod has ended (" + pod.phase + (pod.reason.empty() ? "" : ", " + pod.reason) + ")";
}

// What an exit code of 137 leaves open.
std::string cause_of_kill(const PodView::EphemeralStatus& status) {
    if (status.reason == "OOMKilled") return ": it took more memory than there is for the Pod";
    if (!is_killed(status)) return {};
    return ": it was killed, by somebody or because the target container ended, which ends every process beside it";
}

Progress ended(Progress progress, Phase phase, Reason reason, std::string message) {
    progress.phase = phase;
    progress.reason = reason;
    progress.message = std::move(message);
    progress.check_after.reset();
    return progress;
}

Progress assess_terminated(const Observation& seen, const PodView::EphemeralStatus& status, Progress progress) {
    progress.state = "Terminated";
    progress.exit_code = status.exit_code;
    progress.finished_at = status.finished_at;
    if (one_of(status.reason, kNeverRan)) {
        progress.started_at.clear();  // the runtime fills in the epoch
        return ended(std::move(progress), Phase::failed, Reason::start_failed,
                     "the container could not start (" + quoted(status) + "); check spec.command and the image");
    }
    if (one_of(status.reason, kLost)) {
        return ended(std::move(progress), Phase::failed, Reason::node_lost,
                     "the node lost the container, as when it restarts; its end was not observed (" + quoted(status) +
                         "); create a new DebugRequest to go on");
    }
    const auto started = api::parse_timestamp(status.started_at);
    if (started && *started < seen.requested_at) {
        return ended(std::move(progress), Phase::succeeded, Reason::already_satisfied,
                     "an earlier request with the same content already ran this container; nothing was injected again");
    }
    const std::string code = std::to_string(status.exit_code);
    // The kubelet of a Pod that goes ends the container first, and reports that.
    if (is_killed(status) && (seen.pod->deleting || has_ended(*seen.pod))) {
        return ended(std::move(progress), Phase::failed, Reason::target_gone,
                     end_of(*seen.pod) + ", and the debug container ended with it (exit code " + code + ")");
    }
    if (seen.mode == api::Mode::interactive) {
        return ended(std::move(progress), Phase::succeeded, Reason::session_ended,
                     "the session ended; the shell's exit code was " + code + cause_of_kill(status));
    }
    if (status.exit_code == 0) {
        return ended(std::move(progress), Phase::succeeded, Reason::completed, "the command ended with exit code 0");
    }
    return ended(std::move(progress), Phase::failed, Reason::non_zero_exit,
                 "the command ended with exit code " + code +
                     (status.reason.empty() ? "" : " (" + quoted(status) + ")") + cause_of_kill(status));
}

Progress assess_running(const Observation& seen, const PodView::EphemeralStatus& status, Progress progress) {
    progress.state = "Running";
    const api::TimePoint started = api::parse_timestamp(status.started_at).value_or(seen.injected_at);
    const api::TimePoint expires = started + std::chrono::seconds(seen.deadline_seconds);
    progress.expires_at = api::format_timestamp(expires);
    if (seen.now >= expires) {
        progress.still_running = true;
        return ended(
            std::move(progress), Phase::expired, Reason::deadline_exceeded,
            "the deadline of " + std::to_string(seen.deadline_seconds) + " s passed and the container still runs: " +
                (seen.problem.empty() ? "an ephemeral container cannot be removed; end the shell inside it or delete "
                                        "the Pod"
                                      : seen.problem));
    }
    progress.phase = Phase::running;
    progress.check_after = expires - seen.now;
    if (started < seen.requested_at) {
        progress.reason = Reason::already_satisfied;
        progress.message =
            "the container of an earlier request with the same content still runs; nothing was injected again";
    } else {
        progress.reason = Reason::started;
        progress.message = "the debug container runs until " + progress.expires_at;
    }
    return progress;
}

// Neither started nor refused at the deadline.
std::string why_not_yet(const Observation& seen, const PodView::EphemeralStatus* status) {
    const std::string node = "check the node " + seen.pod->node_name;
    if (status == nullptr || status->reason.empty()) {
        return "; the node has not reported it: " + node +
               ", and whether another debug container of this Pod is still pulling its image, since they start one "
               "after the other";
    }
    return " (" + quoted(*status) + "): its image may still be on its way, as the Pod's Events tell, or " + node;
}

Progress assess_waiting(const Observation& seen, const PodView::EphemeralStatus* status, Progress progress) {
    const std::string_view reason = status != nullptr ? std::string_view(status->reason) : std::string_view();
    progress.state = "Waiting";
    if (one_of(reason, kBadImages)) {
        return ended(std::move(progress), Phase::failed, Reason::invalid_image_name,
                     "the node refuses the image name (" + quoted(*status) + "); correct spec.image in a new request");
    }
    if (reason == "CreateContainerConfigError") {
        return ended(std::move(progress), Phase::failed, Reason::container_config_error,
                     "the node refuses the container's configuration (" + quoted(*status) +
                         "); use an image that runs as a non-root user, set spec.runAs.user, or another spec.profile");
    }
    if (reason == "RunContainerError") {
        return ended(std::move(progress), Phase::failed, Reason::start_failed,
                     "the container could not start (" + quoted(*status) + "); check spec.command and the image");
    }
    // A session that ran has passed the deadline of its start. When it was lost is not on record, so that the kubelet
    // has as long to start it anew as the session could have lasted.
    const bool is_lost = status != nullptr && status->restart_count > 0;
    const api::TimePoint limit =
        seen.injected_at + std::chrono::seconds(seen.start_deadline_seconds + (is_lost ? seen.deadline_seconds : 0));
    const bool pulling = one_of(reason, kPullProblems);
    if (is_lost && seen.now >= limit) {
        return ended(std::move(progress), Phase::failed, Reason::node_lost,
                     "the node lost the container, and did not start it anew (" + quoted(*status) +
                         "); its end was not observed");
    }
    if (seen.now >= limit) {
        const std::string after =
            "the container did not start within " + std::to_string(seen.start_deadline_seconds) + " s";
        // What is in the Pod's spec cannot be taken back, and the kubelet never gives up.
        const std::string later = "; the node may still start it later: delete the Pod to rule that out";
        if (pulling) {
            return ended(std::move(progress), Phase::failed, Reason::image_pull_failed,
                         after + " because its image cannot be pulled (" + quoted(*status) +
                             "); check spec.image and the registry" + later);
        }
        if (reason == "CreateContainerError") {
            return ended(std::move(progress), Phase::failed, Reason::start_failed,
                         after + " (" + quoted(*status) + ")" + later);
        }
        return ended(std::move(progress), Phase::failed, Reason::start_deadline_exceeded,
                     after + why_not_yet(seen, status) + later);
    }
    progress.phase = Phase::starting;
    progress.reason = Reason::waiting_for_start;
    progress.message = pulling   ? "the image cannot be pulled yet (" + quoted(*status) + "); the node goes on trying"
                       : is_lost ? "the node lost the container and is about to start it anew"
                                 : "waiting for the node to start the container";
    progress.check_after = limit - seen.now;
    return progress;
}

}  // namespace

Progress assess(const Observation& seen) {
    Progress progress;
    progress.state = "Unknown";
    const bool gone = seen.pod == nullptr || seen.pod->uid != seen.pod_uid;
    if (gone) {
        return ended(std::move(progress), Phase::failed, Reason::target_gone,
                     "the target Pod is gone; the container ended with it");
    }
    const PodView::EphemeralStatus* status = seen.pod->find_ephemeral_status(seen.container);
    if (status != nullptr) {
        progress.image_id = status->image_id;
        progress.started_at = status->started_at;
    }
    if (status != nullptr && status->state == PodView::State::terminated) {
        return assess_terminated(seen, *status, std::move(progress));
    }
    // The kubelet kills what is left in a Pod that has ended, and starts nothing in it any more.
    if (has_ended(*seen.pod)) {
        return ended(std::move(progress), Phase::failed, Reason::target_gone,
                     end_of(*seen.pod) + "; its node ends the debug container with it");
    }
    if (status != nullptr && status->state == PodView::State::running) {
        return assess_running(seen, *status, std::move(progress));
    }
    return assess_waiting(seen, status, std::move(progress));
}

}  // namespace endoscope::controller
