#include "controller/progress.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using api::Phase;
using api::Reason;
using State = PodView::State;
using std::chrono::seconds;

const api::TimePoint kInjected = *api::parse_timestamp("2026-01-31T12:00:00Z");

PodView pod_with(std::optional<PodView::EphemeralStatus> status, std::string phase = "Running") {
    PodView pod;
    pod.uid = "uid-1";
    pod.name = "web";
    pod.node_name = "node-1";
    pod.phase = std::move(phase);
    if (status) pod.ephemeral_statuses.push_back(std::move(*status));
    return pod;
}

PodView::EphemeralStatus status_of(State state, std::string reason = "", std::int64_t exit_code = 0) {
    PodView::EphemeralStatus status;
    status.name = "dbg";
    status.state = state;
    status.reason = std::move(reason);
    status.message = "as the node says";
    status.exit_code = exit_code;
    if (state == State::running || state == State::terminated) status.started_at = "2026-01-31T12:00:02Z";
    if (state == State::terminated) status.finished_at = "2026-01-31T12:00:09Z";
    return status;
}

Progress at(const PodView* pod, seconds after, api::Mode mode = api::Mode::command) {
    return assess({.pod = pod,
                   .pod_uid = "uid-1",
                   .container = "dbg",
                   .mode = mode,
                   .requested_at = kInjected - seconds(1),
                   .injected_at = kInjected,
                   .now = kInjected + after,
                   .start_deadline_seconds = 120,
                   .deadline_seconds = 600,
                   .problem = {}});
}

struct Row {
    const char* what;
    std::optional<PodView::EphemeralStatus> status;
    int seconds_later;
    Phase phase;
    Reason reason;
};

TEST(Progress, EveryStateOfTheContainerHasItsPhaseAndReason) {
    const Row rows[] = {
        {"not reported yet", std::nullopt, 5, Phase::starting, Reason::waiting_for_start},
        {"never reported", std::nullopt, 120, Phase::failed, Reason::start_deadline_exceeded},
        {"creating", status_of(State::waiting, "ContainerCreating"), 5, Phase::starting, Reason::waiting_for_start},
        {"Pod with init containers", status_of(State::waiting, "PodInitializing"), 5, Phase::starting,
         Reason::waiting_for_start},
        {"creating too long", status_of(State::waiting, "ContainerCreating"), 121, Phase::failed,
         Reason::start_deadline_exceeded},
        {"pull fails at first", status_of(State::waiting, "ErrImagePull"), 5, Phase::starting,
         Reason::waiting_for_start},
        {"pull backs off", status_of(State::waiting, "ImagePullBackOff"), 119, Phase::starting,
         Reason::waiting_for_start},
        {"pull never works", status_of(State::waiting, "ImagePullBackOff"), 120, Phase::failed,
         Reason::image_pull_failed},
        {"bad image name", status_of(State::waiting, "InvalidImageName"), 1, Phase::failed, Reason::invalid_image_name},
        {"image must be there", status_of(State::waiting, "ErrImageNeverPull"), 1, Phase::failed,
         Reason::invalid_image_name},
        {"root image", status_of(State::waiting, "CreateContainerConfigError"), 1, Phase::failed,
         Reason::container_config_error},
        {"no such program", status_of(State::waiting, "RunContainerError"), 1, Phase::failed, Reason::start_failed},
        {"creation fails", status_of(State::waiting, "CreateContainerError"), 5, Phase::starting,
         Reason::waiting_for_start},
        {"creation fails for good", status_of(State::waiting, "CreateContainerError"), 120, Phase::failed,
         Reason::start_failed},
        {"runs", status_of(State::running), 10, Phase::running, Reason::started},
        {"runs past its deadline", status_of(State::running), 602, Phase::expired, Reason::deadline_exceeded},
        {"ends well", status_of(State::terminated, "Completed"), 10, Phase::succeeded, Reason::completed},
        {"ends badly", status_of(State::terminated, "Error", 3), 10, Phase::failed, Reason::non_zero_exit},
        {"runs out of memory", status_of(State::terminated, "OOMKilled", 137), 10, Phase::failed,
         Reason::non_zero_exit},
        {"cannot start", status_of(State::terminated, "StartError", 128), 10, Phase::failed, Reason::start_failed},
        {"cannot run", status_of(State::terminated, "ContainerCannotRun", 127), 10, Phase::failed,
         Reason::start_failed},
        {"lost", status_of(State::terminated, "ContainerStatusUnknown", 137), 10, Phase::failed, Reason::node_lost},
        {"node rebooted", status_of(State::terminated, "Unknown", 255), 10, Phase::failed, Reason::node_lost},
    };
    for (const Row& row : rows) {
        const PodView pod = pod_with(row.status);
        const Progress progress = at(&pod, seconds(row.seconds_later));
        EXPECT_EQ(to_string(progress.phase), to_string(row.phase)) << row.what;
        EXPECT_EQ(to_string(progress.reason), to_string(row.reason)) << row.what;
        EXPECT_FALSE(progress.message.empty()) << row.what;
    }
}

TEST(Progress, AStartThatWasNotSeenSaysWhereToLook) {
    const PodView unseen = pod_with(std::nullopt);
    EXPECT_EQ(at(&unseen, seconds(120)).message,
              "the container did not start within 120 s; the node has not reported it: check the node node-1, and "
              "whether another debug container of this Pod is still pulling its image, since they start one after the "
              "other; the node may still start it later: delete the Pod to rule that out");
    PodView::EphemeralStatus creating = status_of(State::waiting, "ContainerCreating");
    creating.message.clear();
    const PodView slow = pod_with(creating);
    EXPECT_EQ(at(&slow, seconds(120)).message,
              "the container did not start within 120 s (ContainerCreating): its image may still be on its way, as the "
              "Pod's Events tell, or check the node node-1; the node may still start it later: delete the Pod to rule "
              "that out");
}

TEST(Progress, AContainerThatItsNodeLostMayStartAnewUntilItsSessionIsOver) {
    PodView::EphemeralStatus lost = status_of(State::waiting, "ContainerCreating");
    lost.restart_count = 1;
    const PodView pod = pod_with(lost);
    EXPECT_EQ(at(&pod, seconds(719)).phase, Phase::starting);
    EXPECT_EQ(at(&pod, seconds(719)).message, "the node lost the container and is about to start it anew");
    EXPECT_EQ(at(&pod, seconds(719)).check_after, seconds(1));
    EXPECT_EQ(at(&pod, seconds(720)).phase, Phase::failed);
    EXPECT_EQ(at(&pod, seconds(720)).reason, Reason::node_lost);
}

TEST(Progress, AnInteractiveShellSucceedsWhateverItsExitCode) {
    for (const std::int64_t code : {0, 1, 130, 137}) {
        const PodView pod = pod_with(status_of(State::terminated, "Error", code));
        const Progress progress = at(&pod, seconds(10), api::Mode::interactive);
        EXPECT_EQ(progress.phase, Phase::succeeded);
        EXPECT_EQ(progress.reason, Reason::session_ended);
        EXPECT_EQ(progress.exit_code, code);
    }
}

TEST(Progress, AContainerThatCouldNotStartHasNoStart) {
    PodView::EphemeralStatus failed = status_of(State::terminated, "StartError", 128);
    failed.started_at = "1970-01-01T00:00:00Z";
    const PodView pod = pod_with(failed);
    EXPECT_EQ(at(&pod, seconds(1)).started_at, "");
}

TEST(Progress, AGoneOrReplacedPodEndsTheSession) {
    EXPECT_EQ(at(nullptr, seconds(1)).reason, Reason::target_gone);
    PodView replaced = pod_with(status_of(State::running));
    replaced.uid = "uid-2";
    EXPECT_EQ(at(&replaced, seconds(1)).reason, Reason::target_gone);
    const PodView ended = pod_with(status_of(State::waiting, "ContainerCreating"), "Succeeded");
    EXPECT_EQ(at(&ended, seconds(1)).reason, Reason::target_gone);
}

TEST(Progress, AnEndThatWasSeenCountsEvenInAPodThatEnded) {
    const PodView pod = pod_with(status_of(State::terminated, "Completed"), "Failed");
    EXPECT_EQ(at(&pod, seconds(1)).phase, Phase::succeeded);
}

TEST(Progress, AContainerKilledWithItsPodEndsAsThePodDoes) {
    struct Case {
        const char* what;
        const char* phase;
        const char* pod_reason;
        bool deleting;
        std::int64_t exit_code;
        Reason reason;
        const char* message;
    };
    const Case cases[] = {
        {"deleted", "Running", "", true, 137, Reason::target_gone,
         "the target Pod is being deleted, and the debug container ended with it (exit code 137)"},
        {"deleted, ends at SIGTERM", "Running", "", true, 143, Reason::target_gone,
         "the target Pod is being deleted, and the debug container ended with it (exit code 143)"},
        {"over", "Succeeded", "", false, 137, Reason::target_gone,
         "the target Pod has ended (Succeeded), and the debug container ended with it (exit code 137)"},
        {"evicted", "Failed", "Evicted", false, 137, Reason::target_gone,
         "the target Pod has ended (Failed, Evicted), and the debug container ended with it (exit code 137)"},
        {"left before the Pod went", "Running", "", true, 1, Reason::session_ended,
         "the session ended; the shell's exit code was 1"},
        {"the target container ended", "Running", "", false, 137, Reason::session_ended,
         "the session ended; the shell's exit code was 137: it was killed, by somebody or because the target container "
         "ended, which ends every process beside it"},
    };
    for (const Case& row : cases) {
        PodView pod = pod_with(status_of(State::terminated, "Error", row.exit_code), row.phase);
        pod.reason = row.pod_reason;
        pod.deleting = row.deleting;
        const Progress progress = at(&pod, seconds(10), api::Mode::interactive);
        EXPECT_EQ(progress.reason, row.reason) << row.what;
        EXPECT_EQ(progress.message, row.message) << row.what;
        EXPECT_EQ(progress.exit_code, row.exit_code) << row.what;
        EXPECT_EQ(progress.finished_at, "2026-01-31T12:00:09Z") << row.what;
    }
    const PodView greedy = pod_with(status_of(State::terminated, "OOMKilled", 137));
    EXPECT_EQ(at(&greedy, seconds(10)).message,
              "the command ended with exit code 137 (OOMKilled: as the node says): it took more memory than there is "
              "for the Pod");
}

TEST(Progress, ExpiryDoesNotClaimAnEnd) {
    const PodView pod = pod_with(status_of(State::running));
    const Progress progress = at(&pod, seconds(602));
    EXPECT_TRUE(progress.still_running);
    EXPECT_EQ(progress.finished_at, "");
    EXPECT_EQ(progress.state, "Running");
    EXPECT_EQ(progress.expires_at, "2026-01-31T12:10:02Z");
}

TEST(Progress, AsksToLookAgainWhenTimeAloneDecides) {
    const PodView running = pod_with(status_of(State::running));
    EXPECT_EQ(at(&running, seconds(10)).check_after, seconds(592));
    const PodView waiting = pod_with(std::nullopt);
    EXPECT_EQ(at(&waiting, seconds(10)).check_after, seconds(110));
    const PodView ended = pod_with(status_of(State::terminated, "Completed"));
    EXPECT_FALSE(at(&ended, seconds(10)).check_after);
}

TEST(Progress, AContainerOlderThanTheRequestIsAnEarlierOnes) {
    PodView::EphemeralStatus old = status_of(State::terminated, "Error", 1);
    old.started_at = "2026-01-31T11:00:00Z";
    const PodView pod = pod_with(old);
    const Progress progress = at(&pod, seconds(1));
    EXPECT_EQ(progress.phase, Phase::succeeded);
    EXPECT_EQ(progress.reason, Reason::already_satisfied);
    PodView::EphemeralStatus running = status_of(State::running);
    running.started_at = "2026-01-31T11:59:00Z";
    const PodView live = pod_with(running);
    EXPECT_EQ(at(&live, seconds(1)).phase, Phase::running);
    EXPECT_EQ(at(&live, seconds(1)).reason, Reason::already_satisfied);
}

TEST(Progress, StatusesAreJoinedByNameNotByPosition) {
    PodView pod = pod_with(status_of(State::running));
    PodView::EphemeralStatus other = status_of(State::terminated, "Error", 9);
    other.name = "another";
    pod.ephemeral_statuses.insert(pod.ephemeral_statuses.begin(), other);
    EXPECT_EQ(at(&pod, seconds(10)).phase, Phase::running);
}

}  // namespace
}  // namespace endoscope::controller
