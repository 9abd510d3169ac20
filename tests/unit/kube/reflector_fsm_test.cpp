#include "kube/runtime/reflector_fsm.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

using List = ReflectorFsm::List;
using Watch = ReflectorFsm::Watch;
using Wait = ReflectorFsm::Wait;
using std::chrono::seconds;

constexpr SteadyTime kNow = SteadyTime(std::chrono::hours(1));

Error error_of(ErrorKind kind, int status = 0) {
    Error error;
    error.kind = kind;
    error.http_status = status;
    return error;
}

/// A machine that has listed up to resourceVersion 10 and watches.
ReflectorFsm watching() {
    ReflectorFsm fsm(1);
    fsm.start();
    fsm.on_page("10", "");
    return fsm;
}

TEST(ReflectorFsm, ListsFromTheWatchCacheThenWatchesFromTheListsVersion) {
    ReflectorFsm fsm(1);
    EXPECT_EQ(std::get<List>(fsm.start()).resource_version, "0");
    const auto watch = std::get<Watch>(fsm.on_page("10", ""));
    EXPECT_EQ(watch.resource_version, "10");
    EXPECT_GE(watch.timeout, seconds(300));
    EXPECT_LE(watch.timeout, seconds(600));
}

TEST(ReflectorFsm, LaterPagesCarryOnlyTheToken) {
    ReflectorFsm fsm(1);
    fsm.start();
    const auto next = std::get<List>(fsm.on_page("10", "token"));
    EXPECT_EQ(next.continue_token, "token");
    EXPECT_EQ(next.resource_version, "");
}

TEST(ReflectorFsm, ResumesFromAKnownStateWithoutAList) {
    ReflectorFsm fsm(1, "77");
    EXPECT_EQ(std::get<Watch>(fsm.start()).resource_version, "77");
}

TEST(ReflectorFsm, ACleanEndResumesFromTheLastEventWithoutAList) {
    ReflectorFsm fsm = watching();
    fsm.on_event("15");
    EXPECT_EQ(std::get<Watch>(fsm.on_watch_end(std::nullopt, seconds(300), kNow)).resource_version, "15");
    EXPECT_EQ(fsm.relists(), 1U);
}

TEST(ReflectorFsm, AVeryShortWatchBacksOffAndResumes) {
    ReflectorFsm fsm = watching();
    EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_watch_end(std::nullopt, seconds(0), kNow)));
    EXPECT_EQ(std::get<Watch>(fsm.on_waited()).resource_version, "10");
}

TEST(ReflectorFsm, ExpiredListsAtOnceWithoutAVersionThenBacksOff) {
    ReflectorFsm fsm = watching();
    EXPECT_EQ(std::get<List>(fsm.on_watch_end(error_of(ErrorKind::gone, 410), seconds(9), kNow)).resource_version, "");
    EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_list_error(error_of(ErrorKind::gone, 410), kNow)));
    EXPECT_EQ(std::get<List>(fsm.on_waited()).resource_version, "");
    EXPECT_EQ(std::get<Watch>(fsm.on_page("20", "")).resource_version, "20");
}

TEST(ReflectorFsm, AnExpiredContinueTokenStartsTheListAnew) {
    ReflectorFsm fsm(1);
    fsm.start();
    fsm.on_page("10", "token");
    const auto again = std::get<List>(fsm.on_list_error(error_of(ErrorKind::gone, 410), kNow));
    EXPECT_EQ(again.continue_token, "");
    EXPECT_EQ(again.resource_version, "");
    EXPECT_FALSE(again.paged);
    EXPECT_TRUE(std::get<List>(fsm.on_list_error(error_of(ErrorKind::gone, 410), kNow)).paged);
    EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_list_error(error_of(ErrorKind::gone, 410), kNow)));
}

TEST(ReflectorFsm, TooLargeResourceVersionFallsBackToAQuorumRead) {
    ReflectorFsm fsm = watching();
    Error error = error_of(ErrorKind::server, 504);
    error.causes.push_back({.reason = "ResourceVersionTooLarge", .message = {}, .field = {}});
    EXPECT_EQ(std::get<List>(fsm.on_watch_end(error, seconds(9), kNow)).resource_version, "");
}

TEST(ReflectorFsm, NoRelistOnTooManyRequestsOrRefusedConnections) {
    for (const ErrorKind kind :
         {ErrorKind::too_many_requests, ErrorKind::transport, ErrorKind::tls, ErrorKind::timeout}) {
        ReflectorFsm fsm = watching();
        EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_watch_end(error_of(kind), seconds(0), kNow)));
        EXPECT_EQ(std::get<Watch>(fsm.on_waited()).resource_version, "10");
    }
}

TEST(ReflectorFsm, BackoffOnTooManyRequestsIsAtLeastWhatTheServerAsks) {
    Error busy = error_of(ErrorKind::too_many_requests, 429);
    busy.retry_after = seconds(20);
    ReflectorFsm fsm = watching();
    EXPECT_EQ(std::get<Wait>(fsm.on_watch_end(busy, seconds(0), kNow)).delay, seconds(20));
    ReflectorFsm listing(1);
    listing.start();
    EXPECT_EQ(std::get<Wait>(listing.on_list_error(busy, kNow)).delay, seconds(20));
    busy.retry_after = std::chrono::hours(10);
    EXPECT_EQ(std::get<Wait>(listing.on_list_error(busy, kNow)).delay, seconds(60));
    busy.retry_after = seconds(0);
    EXPECT_GE(std::get<Wait>(listing.on_list_error(busy, kNow)).delay, std::chrono::milliseconds(800));
}

TEST(ReflectorFsm, ABreakAfterEventsResumesAtOnce) {
    ReflectorFsm fsm = watching();
    fsm.on_event("12");
    EXPECT_EQ(std::get<Watch>(fsm.on_watch_end(error_of(ErrorKind::transport), seconds(3), kNow)).resource_version,
              "12");
}

TEST(ReflectorFsm, OtherErrorsRelistFromTheLastVersionAfterABackoff) {
    for (const ErrorKind kind : {ErrorKind::forbidden, ErrorKind::not_found, ErrorKind::server, ErrorKind::malformed}) {
        ReflectorFsm fsm = watching();
        fsm.on_event("12");
        EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_watch_end(error_of(kind), seconds(3), kNow)));
        EXPECT_EQ(std::get<List>(fsm.on_waited()).resource_version, "12");
    }
}

TEST(ReflectorFsm, ForbiddenForAnHourDoesNotSpin) {
    ReflectorFsm fsm(7);
    fsm.start();
    Duration total{};
    int lists = 0;
    while (total < std::chrono::hours(1)) {
        total += std::get<Wait>(fsm.on_list_error(error_of(ErrorKind::forbidden, 403), kNow + total)).delay;
        fsm.on_waited();
        ++lists;
    }
    EXPECT_LT(lists, 140);  // a cap of 30 s and jitter up to twice that
    EXPECT_GT(lists, 40);
}

TEST(ReflectorFsm, AListFromTheLastVersionIsNotPagedUnlessThereIsNoWatchCache) {
    ReflectorFsm cached = watching();
    cached.on_watch_end(error_of(ErrorKind::server, 500), seconds(9), kNow);
    const auto whole = std::get<List>(cached.on_waited());
    EXPECT_EQ(whole.resource_version, "10");
    EXPECT_FALSE(whole.paged);
    ReflectorFsm uncached(1);
    EXPECT_TRUE(std::get<List>(uncached.start()).paged);
    uncached.on_page("10", "token");  // a watch cache would have sent all of it
    uncached.on_page("10", "");
    uncached.on_watch_end(error_of(ErrorKind::server, 500), seconds(9), kNow);
    EXPECT_TRUE(std::get<List>(uncached.on_waited()).paged);
}

TEST(ReflectorFsm, AConsistentStartListsWithoutAVersionUntilAListIsComplete) {
    ReflectorFsm fsm(1, "", nullptr, true);
    const auto first = std::get<List>(fsm.start());
    EXPECT_EQ(first.resource_version, "");
    EXPECT_TRUE(first.paged);
    EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_list_error(error_of(ErrorKind::server, 503), kNow)));
    EXPECT_EQ(std::get<List>(fsm.on_waited()).resource_version, "") << "a failure is no reason for an older state";
    const auto next = std::get<List>(fsm.on_page("10", "token"));
    EXPECT_EQ(next.continue_token, "token");
    EXPECT_EQ(next.resource_version, "") << "later pages carry only the token";
    EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_list_error(error_of(ErrorKind::server, 503), kNow)));
    EXPECT_EQ(std::get<List>(fsm.on_waited()).resource_version, "");
    fsm.on_page("10", "token");
    EXPECT_EQ(std::get<Watch>(fsm.on_page("10", "")).resource_version, "10");
}

TEST(ReflectorFsm, AfterAConsistentStartListsAreFromTheLastVersionInOnePiece) {
    ReflectorFsm fsm(1, "", nullptr, true);
    fsm.start();
    fsm.on_page("10", "token");  // pages of a consistent read do not mean that there is no watch cache
    fsm.on_page("10", "");
    fsm.on_watch_end(error_of(ErrorKind::server, 500), seconds(9), kNow);
    const auto again = std::get<List>(fsm.on_waited());
    EXPECT_EQ(again.resource_version, "10");
    EXPECT_FALSE(again.paged);
}

TEST(ReflectorFsm, AKnownStateNeedsNoConsistentStart) {
    ReflectorFsm fsm(1, "77", nullptr, true);
    EXPECT_EQ(std::get<Watch>(fsm.start()).resource_version, "77");
    fsm.on_watch_end(error_of(ErrorKind::server, 500), seconds(9), kNow);
    EXPECT_EQ(std::get<List>(fsm.on_waited()).resource_version, "77");
}

TEST(ReflectorFsm, TheListsVersionIsThatOfItsFirstPage) {
    ReflectorFsm fsm(1);
    fsm.start();
    fsm.on_page("10", "a");
    fsm.on_page("11", "b");
    EXPECT_EQ(std::get<Watch>(fsm.on_page("12", "")).resource_version, "10");
}

TEST(ReflectorFsm, AWatchThatExpiresBeforeItBeginsListsAtOnceOnlyOnce) {
    ReflectorFsm fsm = watching();
    const Error gone = error_of(ErrorKind::gone, 410);
    EXPECT_TRUE(std::holds_alternative<List>(fsm.on_watch_end(gone, seconds(0), kNow)));
    fsm.on_page("20", "");
    EXPECT_TRUE(std::holds_alternative<Wait>(fsm.on_watch_end(gone, seconds(0), kNow)));
    fsm.on_waited();
    fsm.on_page("30", "");
    fsm.on_event("31");  // this watch was one
    EXPECT_TRUE(std::holds_alternative<List>(fsm.on_watch_end(gone, seconds(0), kNow)));
}

TEST(ReflectorFsm, TheVersionOfADeletionOrBookmarkCounts) {
    ReflectorFsm fsm = watching();
    fsm.on_event("12");
    fsm.on_event("");
    EXPECT_EQ(fsm.resource_version(), "12");
}

TEST(Backoff, DoublesToItsCapWithJitterAndResetsAfterAQuietTime) {
    Backoff backoff(3);
    SteadyTime now = kNow;
    Duration base = std::chrono::milliseconds(800);
    for (int i = 0; i < 10; ++i) {
        const Duration delay = backoff.next(now);
        EXPECT_GE(delay, base);
        EXPECT_LT(delay, 2 * base);
        base = std::min<Duration>(base * 2, seconds(30));
        now += delay;
    }
    backoff.next(now);
    now += std::chrono::minutes(2);
    EXPECT_GE(backoff.next(now), seconds(30)) << "not yet two minutes without a call";
    EXPECT_LT(backoff.next(now + std::chrono::minutes(5)), std::chrono::milliseconds(1600));
}

}  // namespace
}  // namespace kube
