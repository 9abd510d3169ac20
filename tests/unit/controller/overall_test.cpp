#include "controller/overall.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using api::Phase;
using api::Reason;

PartView part(const std::string& pod, Phase phase, Reason reason, const std::string& state,
              const std::string& started_at = {}) {
    PartView view;
    view.part.pod = pod;
    view.part.injected = state != "Pending" && state != "NotInjected";
    view.progress.phase = phase;
    view.progress.reason = reason;
    view.progress.state = state;
    view.progress.started_at = started_at;
    view.progress.message = "message of " + pod;
    return view;
}

const std::string kEarly = "2026-01-31T12:00:00Z";
const std::string kLate = "2026-01-31T12:00:05Z";

PartView pending(const std::string& pod) {
    return part(pod, Phase::injecting, Reason::injecting, "Pending");
}
PartView starting(const std::string& pod) {
    return part(pod, Phase::starting, Reason::waiting_for_start, "Waiting");
}
PartView running(const std::string& pod, const std::string& since = kEarly) {
    return part(pod, Phase::running, Reason::started, "Running", since);
}
PartView done(const std::string& pod) {
    return part(pod, Phase::succeeded, Reason::completed, "Terminated", kEarly);
}
PartView failed(const std::string& pod) {
    return part(pod, Phase::failed, Reason::non_zero_exit, "Terminated", kEarly);
}
PartView unstarted(const std::string& pod) {
    return part(pod, Phase::failed, Reason::image_pull_failed, "Waiting");
}
PartView gone(const std::string& pod) {
    return part(pod, Phase::failed, Reason::target_gone, "Unknown");
}
PartView refused(const std::string& pod) {
    PartView view = part(pod, Phase::failed, Reason::target_gone, "NotInjected");
    view.part.refused = SessionPart::Refused{.reason = Reason::target_gone, .message = {}};
    return view;
}
PartView expired(const std::string& pod, bool still_running) {
    PartView view =
        part(pod, Phase::expired, Reason::deadline_exceeded, still_running ? "Running" : "Terminated", kEarly);
    view.progress.still_running = still_running;
    return view;
}

TEST(Overall, OnePodIsTheWhole) {
    const Progress whole = combine({unstarted("a")});
    EXPECT_EQ(whole.phase, Phase::failed);
    EXPECT_EQ(whole.reason, Reason::image_pull_failed);
    EXPECT_EQ(whole.message, "message of a");
}

TEST(Overall, ThePhaseFollowsFromItsPods) {
    struct Row {
        std::vector<PartView> parts;
        Phase phase;
        Reason reason;
        std::string state;
    };
    const Row rows[] = {
        {{pending("a"), pending("b")}, Phase::injecting, Reason::injecting, "Pending"},
        {{starting("a"), pending("b")}, Phase::starting, Reason::waiting_for_start, "Waiting"},
        {{running("a"), pending("b")}, Phase::running, Reason::started, "Running"},
        {{running("a"), starting("b")}, Phase::running, Reason::started, "Running"},
        // What has started stays Running until all are over: Ready does not come and go.
        {{done("a"), pending("b")}, Phase::running, Reason::started, "Pending"},
        {{failed("a"), running("b")}, Phase::running, Reason::started, "Running"},
        {{done("a"), done("b")}, Phase::succeeded, Reason::completed, "Terminated"},
        {{done("a"), failed("b")}, Phase::failed, Reason::non_zero_exit, "Terminated"},
        {{expired("a", true), running("b")}, Phase::running, Reason::started, "Running"},
        {{expired("a", true), done("b")}, Phase::expired, Reason::deadline_exceeded, "Running"},
        {{expired("a", false), failed("b")}, Phase::failed, Reason::non_zero_exit, "Terminated"},
        {{unstarted("a"), part("b", Phase::failed, Reason::image_pull_failed, "NotInjected")},
         Phase::failed,
         Reason::image_pull_failed,
         "Waiting"},
    };
    for (const Row& row : rows) {
        const Progress whole = combine(row.parts);
        EXPECT_EQ(whole.phase, row.phase) << whole.message;
        EXPECT_EQ(whole.reason, row.reason) << whole.message;
        EXPECT_EQ(whole.state, row.state) << whole.message;
    }
}

TEST(Overall, TimesAreThoseOfTheFirstStartAndTheLastEnd) {
    std::vector<PartView> parts = {done("a"), done("b"), done("c")};
    parts[0].progress.started_at = kLate;
    parts[1].progress.started_at = kEarly;
    parts[0].progress.finished_at = "2026-01-31T13:00:00Z";
    parts[2].progress.finished_at = "2026-01-31T14:00:00Z";
    parts[1].progress.expires_at = "2026-01-31T15:00:00Z";
    const Progress whole = combine(parts);
    EXPECT_EQ(whole.started_at, kEarly);
    EXPECT_EQ(whole.finished_at, "2026-01-31T14:00:00Z");
    EXPECT_EQ(whole.expires_at, "2026-01-31T15:00:00Z");
    EXPECT_EQ(combine({expired("a", true), parts[0]}).finished_at, "");
}

TEST(Overall, TheMessageNamesThePodThatFailed) {
    EXPECT_EQ(combine({done("a"), failed("b"), failed("c")}).message, "2 of 3 Pods failed; Pod b: message of b");
    EXPECT_TRUE(combine({failed("a"), running("b")}).message.contains("1 of 2 Pods"));
    EXPECT_TRUE(combine({failed("a"), running("b")}).message.contains("Pod a: message of a"));
}

TEST(SlowStart, OneFirstThenTheOthersOnceItStarted) {
    EXPECT_TRUE(may_go_on({pending("a"), pending("b")}));
    EXPECT_FALSE(may_go_on({starting("a"), pending("b")}));
    EXPECT_TRUE(may_go_on({running("a"), pending("b")}));
    EXPECT_TRUE(may_go_on({failed("a"), pending("b")})) << "it ran; how the command ends says nothing of the image";
    EXPECT_FALSE(may_go_on({running("a"), running("b")}));
    EXPECT_FALSE(may_go_on({unstarted("a"), pending("b")}));
    EXPECT_TRUE(may_go_on({gone("a"), pending("b")})) << "it says nothing of the image: the next is the first";
}

TEST(SlowStart, StopsWhereTheFirstDidNotStart) {
    EXPECT_FALSE(reason_to_stop({pending("a"), pending("b")}));
    EXPECT_FALSE(reason_to_stop({starting("a"), pending("b")}));
    EXPECT_FALSE(reason_to_stop({running("a"), pending("b")}));
    EXPECT_FALSE(reason_to_stop({done("a"), pending("b")}));
    EXPECT_FALSE(reason_to_stop({gone("a"), pending("b")}));
    EXPECT_FALSE(reason_to_stop({refused("a"), pending("b")}));
    const auto reason = reason_to_stop({unstarted("a"), pending("b")});
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->reason, Reason::image_pull_failed);
}

TEST(RecordedEnd, IsReadFromARowOfAContainerThatWasSeenToEnd) {
    api::TargetStatus row;
    row.state = "Terminated";
    row.reason = "Completed";
    row.exit_code = 0;
    row.finished_at = kLate;
    ASSERT_TRUE(recorded_end(row));
    EXPECT_EQ(recorded_end(row)->phase, Phase::succeeded);
    EXPECT_EQ(recorded_end(row)->finished_at, kLate);
    row.reason = "NonZeroExit";
    EXPECT_EQ(recorded_end(row)->phase, Phase::failed);
    row.reason = "DeadlineExceeded";
    EXPECT_EQ(recorded_end(row)->phase, Phase::expired);
    row.reason = "no such word";
    EXPECT_FALSE(recorded_end(row));
    row.reason = "Completed";
    row.exit_code.reset();
    EXPECT_FALSE(recorded_end(row));
    row.exit_code = 0;
    row.state = "Running";
    EXPECT_FALSE(recorded_end(row));
}

TEST(WithoutContainer, SaysWhetherItIsStillToCome) {
    SessionPart waiting;
    EXPECT_EQ(progress_without_container(waiting).state, "Pending");
    EXPECT_EQ(progress_without_container(waiting).phase, Phase::injecting);
    waiting.refused = SessionPart::Refused{.reason = Reason::target_gone, .message = "gone"};
    EXPECT_EQ(progress_without_container(waiting).state, "NotInjected");
    EXPECT_EQ(progress_without_container(waiting).phase, Phase::failed);
    EXPECT_EQ(progress_without_container(waiting).message, "gone");
}

}  // namespace
}  // namespace endoscope::controller
