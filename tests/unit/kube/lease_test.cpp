#include "kube/runtime/lease.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <regex>
#include <set>

namespace kube {
namespace {

using Read = LeaseFsm::Read;
using Write = LeaseFsm::Write;
using Wait = LeaseFsm::Wait;
using End = LeaseFsm::End;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kWall = WallTime(seconds(1'767'323'045));  // 2026-01-02T03:04:05Z
constexpr std::string_view kWallText = "2026-01-02T03:04:05.000000Z";

/// `elapsed` after the start of a test, with a wall clock that agrees.
LeaseFsm::Instant at(Duration elapsed) {
    return {SteadyTime(std::chrono::hours(1)) + elapsed,
            kWall + std::chrono::duration_cast<WallTime::duration>(elapsed)};
}

Result<Lease> failed(ErrorKind kind) {
    return fail(kind, "no");
}

Lease lease_of(const std::string& holder, const std::string& version = "7", const std::string& renewed = "then",
               int duration = 15) {
    return {.record = {.holder = holder,
                       .duration_seconds = duration,
                       .acquire_time = "long ago",
                       .renew_time = renewed,
                       .transitions = 4},
            .resource_version = version};
}

/// The answer to a write: what was written, under a new version.
Lease stored(const LeaseFsm::Action& action, const std::string& version) {
    return {.record = std::get<Write>(action).record, .resource_version = version};
}

Duration delay_of(const LeaseFsm::Action& action) {
    return std::get<Wait>(action).delay;
}

std::string name_of(const LeaseFsm::Action& action) {
    if (std::holds_alternative<Read>(action)) return "read";
    if (std::holds_alternative<Wait>(action)) return "wait";
    if (const auto* write = std::get_if<Write>(&action)) {
        if (write->resource_version.empty()) return "create";
        return write->record.holder.empty() ? "give back" : "write";
    }
    switch (std::get<End>(action).how) {
        case LeaseEnd::lost:
            return "lost";
        case LeaseEnd::released:
            return "released";
        case LeaseEnd::stopped:
            return "stopped";
    }
    return "";
}

/// "me" became the leader by a write decided at 0 s, whose answer had version 10.
LeaseFsm leader() {
    LeaseFsm fsm("me", {}, 1);
    fsm.start(at(seconds(0)));
    const auto write = fsm.on_read(failed(ErrorKind::not_found), at(seconds(0)));
    fsm.on_written(stored(write, "10"), at(milliseconds(5)));
    return fsm;
}

TEST(LeaseCandidate, DoesWhatTheLeaseSays) {
    struct Row {
        const char* what;
        Result<Lease> answer;
        const char* action;
        int transitions;
        std::string_view acquired;
    };
    const Row rows[] = {
        {"no Lease", failed(ErrorKind::not_found), "create", 0, kWallText},
        {"nobody holds it", lease_of(""), "write", 5, kWallText},
        {"never held", Lease{.record = {}, .resource_version = "7"}, "write", 1, kWallText},
        {"ours, by a write whose answer was lost", lease_of("me"), "write", 4, "long ago"},
        {"another holds it", lease_of("other"), "wait", 0, ""},
        {"another holds it, for how long it does not say", lease_of("other", "7", "then", 0), "wait", 0, ""},
        {"forbidden", failed(ErrorKind::forbidden), "wait", 0, ""},
        {"server error", failed(ErrorKind::server), "wait", 0, ""},
        {"time-out", failed(ErrorKind::timeout), "wait", 0, ""},
        {"nonsense", failed(ErrorKind::malformed), "wait", 0, ""},
    };
    for (const Row& row : rows) {
        LeaseFsm fsm("me", {}, 1);
        EXPECT_EQ(name_of(fsm.start(at(seconds(0)))), "read");
        const auto action = fsm.on_read(row.answer, at(seconds(0)));
        EXPECT_EQ(name_of(action), row.action) << row.what;
        EXPECT_FALSE(fsm.is_leader(at(seconds(0)).steady)) << row.what;
        if (const auto* write = std::get_if<Write>(&action)) {
            EXPECT_EQ(write->record, (LeaseRecord{.holder = "me",
                                                  .duration_seconds = 15,
                                                  .acquire_time = std::string(row.acquired),
                                                  .renew_time = std::string(kWallText),
                                                  .transitions = row.transitions}))
                << row.what;
            EXPECT_EQ(write->resource_version, row.answer ? "7" : "") << row.what;
            fsm.on_written(stored(action, "8"), at(milliseconds(5)));
            EXPECT_TRUE(fsm.is_leader(at(milliseconds(5)).steady)) << row.what;
        }
    }
}

TEST(LeaseCandidate, WaitsBetweenOneAndTwoPointTwoRetryPeriods) {
    LeaseFsm fsm("me", {}, 1);
    fsm.start(at(seconds(0)));
    std::set<Duration> delays;
    for (int i = 0; i < 200; ++i) {
        const Duration delay = delay_of(fsm.on_read(failed(ErrorKind::server), at(seconds(0))));
        EXPECT_GE(delay, seconds(2));
        EXPECT_LT(delay, milliseconds(4400));
        delays.insert(delay);
        EXPECT_EQ(name_of(fsm.on_waited(at(seconds(0)))), "read");
    }
    EXPECT_LT(*delays.begin(), milliseconds(2400));
    EXPECT_GT(*delays.rbegin(), milliseconds(4000));
}

TEST(LeaseCandidate, TakesALeaseThatHasNotChangedForItsDuration) {
    struct Row {
        const char* what;
        Lease first;  // Received at 0 s.
        Lease later;  // Received at `when`.
        Duration when;
        const char* action;
    };
    const Lease other = lease_of("other");
    const Row rows[] = {
        {"still held", other, other, milliseconds(14'999), "wait"},
        {"run out", other, other, seconds(15), "write"},
        {"only its metadata changed", other, lease_of("other", "8"), seconds(15), "write"},
        {"renewed", other, lease_of("other", "8", "later"), seconds(15), "wait"},
        {"renewed by a clock that went back", other, lease_of("other", "8", "earlier"), seconds(90), "wait"},
        {"taken by a third", other, lease_of("third"), seconds(15), "wait"},
        {"given back", other, lease_of("", "8"), seconds(1), "write"},
        {"the holder's duration counts", lease_of("other", "7", "then", 60), lease_of("other", "7", "then", 60),
         milliseconds(59'999), "wait"},
        {"and when it is over", lease_of("other", "7", "then", 60), lease_of("other", "7", "then", 60), seconds(60),
         "write"},
        {"a shorter one as well", lease_of("other", "7", "then", 3), lease_of("other", "7", "then", 3), seconds(3),
         "write"},
        {"without one, ours", lease_of("other", "7", "then", 0), lease_of("other", "7", "then", 0),
         milliseconds(14'999), "wait"},
    };
    for (const Row& row : rows) {
        LeaseFsm fsm("me", {}, 1);
        fsm.start(at(seconds(0)));
        EXPECT_EQ(name_of(fsm.on_read(row.first, at(seconds(0)))), "wait") << row.what;
        fsm.on_waited(at(row.when));
        const auto action = fsm.on_read(row.later, at(row.when));
        EXPECT_EQ(name_of(action), row.action) << row.what;
        if (const auto* write = std::get_if<Write>(&action)) {
            EXPECT_EQ(write->resource_version, row.later.resource_version) << row.what;
            EXPECT_EQ(write->record.transitions, 5) << row.what;
        }
    }
}

TEST(LeaseCandidate, WakesWhenTheLeaseRunsOut) {
    LeaseFsm fsm("me", {}, 1);
    fsm.start(at(seconds(0)));
    fsm.on_read(lease_of("other"), at(seconds(0)));
    fsm.on_waited(at(seconds(14)));
    EXPECT_EQ(delay_of(fsm.on_read(lease_of("other"), at(seconds(14)))), seconds(1));
}

TEST(LeaseCandidate, ReadsAfterARefusalOnceAtOnceThenLater) {
    for (const ErrorKind kind : {ErrorKind::conflict, ErrorKind::already_exists, ErrorKind::timeout}) {
        LeaseFsm fsm("me", {}, 1);
        fsm.start(at(seconds(0)));
        fsm.on_read(failed(ErrorKind::not_found), at(seconds(0)));
        EXPECT_EQ(name_of(fsm.on_written(failed(kind), at(seconds(0)))), "read") << to_string(kind);
        fsm.on_read(lease_of(""), at(seconds(0)));
        EXPECT_EQ(name_of(fsm.on_written(failed(kind), at(seconds(0)))), "wait") << to_string(kind);
        EXPECT_FALSE(fsm.is_leader(at(seconds(0)).steady));
    }
}

TEST(LeaseCandidate, ASuccessThatIsHeardOfTooLateIsNotLeadership) {
    LeaseFsm fsm("me", {}, 1);
    fsm.start(at(seconds(0)));
    const auto write = fsm.on_read(lease_of(""), at(seconds(0)));
    const auto next = fsm.on_written(stored(write, "8"), at(seconds(10)));
    EXPECT_EQ(name_of(next), "read");
    EXPECT_FALSE(fsm.is_leader(at(seconds(10)).steady));
    const auto again = fsm.on_read(Lease(stored(write, "8")), at(seconds(10)));
    EXPECT_EQ(std::get<Write>(again).record.acquire_time, kWallText) << "it has been ours since then";
    EXPECT_EQ(std::get<Write>(again).record.transitions, 5) << "counted once";
    fsm.on_written(stored(again, "9"), at(seconds(11)));
    EXPECT_TRUE(fsm.is_leader(at(seconds(11)).steady));
}

TEST(LeaseLeader, LeadsForTheRenewDeadlineFromTheDecisionToWrite) {
    LeaseFsm fsm("me", {}, 1);
    fsm.start(at(seconds(0)));
    const auto write = fsm.on_read(failed(ErrorKind::not_found), at(seconds(1)));
    EXPECT_FALSE(fsm.is_leader(at(seconds(1)).steady));
    EXPECT_EQ(delay_of(fsm.on_written(stored(write, "10"), at(seconds(4)))), seconds(2));
    EXPECT_EQ(fsm.leading_until(), at(seconds(11)).steady);
    EXPECT_TRUE(fsm.is_leader(at(milliseconds(10'999)).steady));
    EXPECT_FALSE(fsm.is_leader(at(seconds(11)).steady)) << "nobody had to tell it";
}

TEST(LeaseLeader, RenewsWithOneWriteOnWhatItWroteLast) {
    LeaseFsm fsm = leader();
    const auto renewal = fsm.on_waited(at(seconds(2)));
    const auto& write = std::get<Write>(renewal);
    EXPECT_EQ(write.resource_version, "10");
    EXPECT_EQ(write.record.acquire_time, kWallText);
    EXPECT_EQ(write.record.renew_time, "2026-01-02T03:04:07.000000Z");
    EXPECT_EQ(write.record.transitions, 0);
    EXPECT_EQ(delay_of(fsm.on_written(stored(renewal, "11"), at(seconds(3)))), seconds(2));
    EXPECT_EQ(std::get<Write>(fsm.on_waited(at(seconds(5)))).resource_version, "11");
}

TEST(LeaseLeader, NeverAssumesAfterAFailure) {
    struct Row {
        ErrorKind kind;
        const char* next;
        bool still;  // May it write until it knows?
    };
    const Row rows[] = {{ErrorKind::conflict, "read", false},  {ErrorKind::not_found, "read", false},
                        {ErrorKind::timeout, "read", true},    {ErrorKind::transport, "wait", true},
                        {ErrorKind::server, "wait", true},     {ErrorKind::too_many_requests, "wait", true},
                        {ErrorKind::malformed, "wait", true},  {ErrorKind::unauthorized, "wait", true},
                        {ErrorKind::forbidden, "wait", true},  {ErrorKind::invalid, "wait", true},
                        {ErrorKind::bad_request, "wait", true}};
    for (const Row& row : rows) {
        LeaseFsm fsm = leader();
        fsm.on_waited(at(seconds(2)));
        auto next = fsm.on_written(failed(row.kind), at(seconds(3)));
        EXPECT_EQ(name_of(next), row.next) << to_string(row.kind);
        EXPECT_EQ(fsm.is_leader(at(seconds(3)).steady), row.still) << to_string(row.kind);
        EXPECT_TRUE(fsm.leading()) << to_string(row.kind);
        if (name_of(next) == "wait") next = fsm.on_waited(at(seconds(5)));
        EXPECT_EQ(name_of(next), "read") << to_string(row.kind);
        const auto renewal = fsm.on_read(lease_of("me", "12"), at(seconds(5)));
        EXPECT_EQ(std::get<Write>(renewal).resource_version, "12");
        fsm.on_written(stored(renewal, "13"), at(seconds(6)));
        EXPECT_TRUE(fsm.is_leader(at(milliseconds(14'999)).steady)) << to_string(row.kind);
        EXPECT_EQ(name_of(fsm.on_waited(at(seconds(8)))), "write") << "with one write again";
    }
}

TEST(LeaseLeader, LosesWhatTheServerSaysIsNotItsOwn) {
    struct Row {
        const char* what;
        Result<Lease> answer;
        const char* action;
        bool still;
    };
    const Row rows[] = {{"another's", lease_of("other"), "lost", false},
                        {"nobody's", lease_of(""), "lost", false},
                        {"deleted", failed(ErrorKind::not_found), "create", false},
                        {"unknown", failed(ErrorKind::transport), "wait", true},
                        {"its own", lease_of("me"), "write", true}};
    for (const Row& row : rows) {
        LeaseFsm fsm = leader();
        fsm.on_waited(at(seconds(2)));
        fsm.on_written(failed(ErrorKind::transport), at(seconds(2)));
        EXPECT_EQ(name_of(fsm.on_waited(at(seconds(4)))), "read") << row.what;
        EXPECT_EQ(name_of(fsm.on_read(row.answer, at(seconds(4)))), row.action) << row.what;
        EXPECT_EQ(fsm.is_leader(at(seconds(4)).steady), row.still) << row.what;
    }
}

TEST(LeaseLeader, ADeletedLeaseIsMadeAnewAndLeadershipGoesOn) {
    LeaseFsm fsm = leader();
    fsm.on_waited(at(seconds(2)));
    fsm.on_written(failed(ErrorKind::not_found), at(seconds(2)));
    const auto create = fsm.on_read(failed(ErrorKind::not_found), at(seconds(2)));
    fsm.on_written(stored(create, "20"), at(seconds(2)));
    EXPECT_TRUE(fsm.is_leader(at(seconds(11)).steady));
}

TEST(LeaseLeader, LossIsFinalHoweverItIsFound) {
    // All of them at 10 s, when the renewal decided on at 0 s has run out.
    const std::pair<const char*, std::function<LeaseFsm::Action(LeaseFsm&)>> reports[] = {
        {"waited", [](LeaseFsm& f) { return f.on_waited(at(seconds(10))); }},
        {"read its own", [](LeaseFsm& f) { return f.on_read(lease_of("me"), at(seconds(10))); }},
        {"read failed", [](LeaseFsm& f) { return f.on_read(failed(ErrorKind::timeout), at(seconds(10))); }},
        {"write failed", [](LeaseFsm& f) { return f.on_written(failed(ErrorKind::timeout), at(seconds(10))); }},
        {"write succeeded", [](LeaseFsm& f) { return f.on_written(lease_of("me"), at(seconds(10))); }},
        {"asked to release", [](LeaseFsm& f) { return f.release(at(seconds(10))); }},
    };
    for (const auto& [what, report] : reports) {
        LeaseFsm fsm = leader();
        fsm.on_waited(at(seconds(9)));
        EXPECT_EQ(name_of(report(fsm)), "lost") << what;
        for (const auto& [then, again] : reports) EXPECT_EQ(name_of(again(fsm)), "lost") << what << ", " << then;
        EXPECT_FALSE(fsm.leading());
        EXPECT_FALSE(fsm.is_leader(at(seconds(5)).steady)) << what;
    }
}

TEST(LeaseLeader, NothingItDoesOutlastsItsLeadership) {
    LeaseFsm fsm = leader();
    EXPECT_EQ(std::get<Write>(fsm.on_waited(at(seconds(2)))).timeout, seconds(5));
    EXPECT_EQ(std::get<Read>(fsm.on_written(failed(ErrorKind::timeout), at(seconds(7)))).timeout, seconds(3));
    EXPECT_EQ(delay_of(fsm.on_read(failed(ErrorKind::server), at(seconds(9)))), seconds(1));
    LeaseFsm quick("me", {.lease = seconds(3), .renew_deadline = milliseconds(1500), .retry_period = seconds(1)}, 1);
    EXPECT_EQ(std::get<Read>(quick.start(at(seconds(0)))).timeout, seconds(1)) << "never less than a second";
}

TEST(LeaseLeader, EveryRenewalIsAChangeWhateverTheWallClockDoes) {
    LeaseFsm fsm = leader();
    std::set<std::string> written = {std::string(kWallText)};
    const std::regex micro_time("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z");
    const Duration walls[] = {seconds(0),      seconds(0), seconds(0), std::chrono::hours(9000), seconds(0), seconds(2),
                              seconds(-86400), seconds(0), seconds(1), std::chrono::hours(9000)};
    Duration elapsed = seconds(0);
    for (const Duration wall : walls) {
        elapsed += seconds(2);
        const auto renewal = fsm.on_waited({at(elapsed).steady, at(wall).wall});
        const std::string& time = std::get<Write>(renewal).record.renew_time;
        EXPECT_TRUE(std::regex_match(time, micro_time)) << time;
        EXPECT_TRUE(written.insert(time).second) << time << " was written before";
        fsm.on_written(stored(renewal, "11"), at(elapsed));
        EXPECT_TRUE(fsm.is_leader(at(elapsed).steady));
    }
}

TEST(LeaseRelease, GivesBackOnlyWhatIsStillOurs) {
    LeaseFsm fsm = leader();
    const auto back = fsm.release(at(seconds(3)));
    EXPECT_EQ(std::get<Write>(back).resource_version, "10");
    EXPECT_EQ(std::get<Write>(back).record, (LeaseRecord{.holder = "",
                                                         .duration_seconds = 1,
                                                         .acquire_time = "2026-01-02T03:04:08.000000Z",
                                                         .renew_time = "2026-01-02T03:04:08.000000Z",
                                                         .transitions = 0}));
    EXPECT_FALSE(fsm.is_leader(at(seconds(3)).steady)) << "not even until the answer";
    EXPECT_EQ(name_of(fsm.on_written(stored(back, "11"), at(seconds(3)))), "released");
}

TEST(LeaseRelease, FollowsEveryAnswer) {
    struct Row {
        const char* what;
        ErrorKind first;  // Of the write that gives back.
        Result<Lease> read;
        const char* after_read;
    };
    const Row rows[] = {
        {"a renewal got in between", ErrorKind::conflict, lease_of("me", "11"), "give back"},
        {"it had happened", ErrorKind::timeout, lease_of("", "11"), "stopped"},
        {"another has it", ErrorKind::conflict, lease_of("other", "11"), "stopped"},
        {"deleted", ErrorKind::not_found, failed(ErrorKind::not_found), "stopped"},
        {"no answer", ErrorKind::timeout, failed(ErrorKind::timeout), "wait"},
    };
    for (const Row& row : rows) {
        LeaseFsm fsm = leader();
        fsm.release(at(seconds(3)));
        EXPECT_EQ(name_of(fsm.on_written(failed(row.first), at(seconds(4)))), "read") << row.what;
        EXPECT_EQ(name_of(fsm.on_read(row.read, at(seconds(4)))), row.after_read) << row.what;
    }
}

TEST(LeaseRelease, IsTriedForTheRenewDeadlineAtMost) {
    LeaseFsm fsm = leader();
    EXPECT_EQ(std::get<Write>(fsm.release(at(seconds(3)))).timeout, seconds(5));
    EXPECT_EQ(std::get<Read>(fsm.on_written(failed(ErrorKind::timeout), at(seconds(8)))).timeout, seconds(5));
    EXPECT_EQ(delay_of(fsm.on_read(failed(ErrorKind::transport), at(seconds(12)))), seconds(1));
    EXPECT_EQ(name_of(fsm.on_waited(at(seconds(13)))), "stopped");
}

TEST(LeaseRelease, ReadsFirstWhereAWriteOfOursMayHaveHappened) {
    LeaseFsm renewing = leader();
    renewing.on_waited(at(seconds(2)));
    renewing.on_written(failed(ErrorKind::cancelled), at(seconds(2)));
    EXPECT_EQ(name_of(renewing.release(at(seconds(2)))), "read");
    EXPECT_EQ(name_of(renewing.on_read(lease_of("me", "11"), at(seconds(2)))), "give back");

    LeaseFsm acquiring("me", {}, 1);
    acquiring.start(at(seconds(0)));
    acquiring.on_read(lease_of(""), at(seconds(0)));
    acquiring.on_written(failed(ErrorKind::cancelled), at(seconds(0)));
    EXPECT_EQ(name_of(acquiring.release(at(seconds(0)))), "read");
    EXPECT_EQ(name_of(acquiring.on_read(lease_of("me", "8"), at(seconds(0)))), "give back");

    LeaseFsm waiting("me", {}, 1);
    waiting.start(at(seconds(0)));
    waiting.on_read(lease_of("other"), at(seconds(0)));
    EXPECT_EQ(name_of(waiting.release(at(seconds(1)))), "stopped") << "nothing to give back, nothing sent";
}

}  // namespace
}  // namespace kube
