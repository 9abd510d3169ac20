#include "controller/session.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const api::TimePoint kInjected = *api::parse_timestamp("2026-01-31T12:00:00Z");
const kube::SteadyTime kSteady{hours(5)};
constexpr const char* kStarted = "2026-01-31T12:00:02Z";

SessionPart session() {
    SessionPart made;
    made.injected_at = kInjected;
    made.injected_steady = kSteady;
    return made;
}

TEST(SessionClock, GoesOnFromTheInjectionBySteadyTime) {
    EXPECT_EQ(session_now(session(), "", kSteady + seconds(7)), kInjected + seconds(7));
    EXPECT_EQ(session_now(session(), kStarted, kSteady + seconds(7)), kInjected + seconds(7));
}

TEST(SessionClock, AContainerCannotRunLongerThanItIsThere) {
    SessionPart ahead = session();
    ahead.injected_at += hours(1);  // our wall clock was an hour ahead of the node's
    const api::TimePoint started = *api::parse_timestamp(kStarted);
    EXPECT_EQ(session_now(ahead, kStarted, kSteady + seconds(7)), started + seconds(7));
}

TEST(SessionClock, AContainerRunsAtLeastSinceItWasSeenTo) {
    SessionPart behind = session();
    behind.injected_at -= hours(24);
    const api::TimePoint started = *api::parse_timestamp(kStarted);
    EXPECT_EQ(session_now(behind, kStarted, kSteady + seconds(3)), started) << "it cannot start in the future";
    behind.seen_running = kSteady + seconds(3);
    EXPECT_EQ(session_now(behind, kStarted, kSteady + seconds(60)), started + seconds(57));
}

TEST(SessionClock, OfAnAdoptedContainerOnlyTheNodeKnowsHowLongItHasRun) {
    SessionPart adopted = session();
    adopted.adopted = true;
    adopted.injected_at += hours(1);  // found an hour after its start
    adopted.seen_running = kSteady;
    EXPECT_EQ(session_now(adopted, kStarted, kSteady + seconds(7)), kInjected + hours(1) + seconds(7));
}

}  // namespace
}  // namespace endoscope::controller
