#include "kube/runtime/ca_rotation.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace kube {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNow(seconds(1'767'323'045));
const RotationTimes kTimes{.ca_lifetime = hours(300), .leaf_lifetime = hours(10)};

Authority authority(const std::string& name, WallTime not_after) {
    return {.keys = {.certificate_pem = name + "\n", .key_pem = "key of " + name}, .not_after = not_after};
}

AuthoritySet fresh() {
    return {.current = authority("a", kNow + hours(300))};
}

TEST(CaRotation, NothingIsDueForTwoThirdsOfALife) {
    EXPECT_EQ(due_step(fresh(), std::nullopt, kNow, kTimes), RotationStep::none);
    EXPECT_EQ(due_step(fresh(), std::nullopt, kNow + hours(200) - seconds(1), kTimes), RotationStep::none);
    EXPECT_EQ(due_step(fresh(), std::nullopt, kNow + hours(200), kTimes), RotationStep::prepare);
}

TEST(CaRotation, ALifeThatIsSetShorterHoldsAtOnce) {
    const RotationTimes shorter{.ca_lifetime = hours(299), .leaf_lifetime = hours(10)};
    EXPECT_EQ(due_step(fresh(), std::nullopt, kNow, shorter), RotationStep::prepare);
}

TEST(CaRotation, TheNextOneSignsOnlyWhenItHasBeenTrustedForLongEnough) {
    const AuthoritySet set = prepare(fresh(), authority("b", kNow + hours(500)));
    const WallTime now = kNow + hours(201);
    EXPECT_EQ(due_step(set, std::nullopt, now, kTimes), RotationStep::none);
    EXPECT_EQ(due_step(set, minutes(1) - seconds(1), now, kTimes), RotationStep::none);
    EXPECT_EQ(due_step(set, minutes(1), now, kTimes), RotationStep::promote);
    EXPECT_EQ(bundle_of(set), "a\nb\n") << "trusted before it signs";
    EXPECT_EQ(set.current.keys.certificate_pem, "a\n");
}

TEST(CaRotation, TheOldOneIsForgottenWhenNoLeafOfItCanBeAlive) {
    const WallTime now = kNow + hours(201);
    const AuthoritySet set = promote(prepare(fresh(), authority("b", kNow + hours(500))), now, kTimes);
    EXPECT_EQ(set.current.keys.certificate_pem, "b\n");
    EXPECT_FALSE(set.next);
    EXPECT_EQ(bundle_of(set), "a\nb\n");
    // Another replica may have signed with it until it looked again.
    EXPECT_GE(set.previous_until, now + hours(10) + kTimes.poll_interval());
    EXPECT_EQ(due_step(set, std::nullopt, set.previous_until - seconds(1), kTimes), RotationStep::none);
    EXPECT_EQ(due_step(set, std::nullopt, set.previous_until, kTimes), RotationStep::retire);
    EXPECT_EQ(bundle_of(retire(set)), "b\n");
    // Nor can a leaf outlive its authority.
    const WallTime late = kNow + hours(299);
    EXPECT_EQ(promote(prepare(fresh(), authority("b", kNow + hours(500))), late, kTimes).previous_until,
              kNow + hours(300));
}

TEST(CaRotation, ARotationWaitsForTheEndOfTheOneBefore) {
    AuthoritySet set = prepare(fresh(), authority("b", kNow + hours(500)));
    set.previous_pem = "0\n";
    set.previous_until = kNow + hours(250);
    EXPECT_EQ(due_step(set, hours(1), kNow + hours(210), kTimes), RotationStep::none);
    EXPECT_EQ(due_step(set, hours(1), kNow + hours(250), kTimes), RotationStep::retire);
}

TEST(CaRotation, AfterALongAbsenceNothingIsWaitedFor) {
    const WallTime late = kNow + hours(400);
    EXPECT_EQ(due_step(fresh(), std::nullopt, late, kTimes), RotationStep::prepare);
    const AuthoritySet set = prepare(fresh(), authority("b", late + hours(300)));
    EXPECT_EQ(due_step(set, std::nullopt, late, kTimes), RotationStep::promote) << "what is dead is trusted by nobody";
    const AuthoritySet both_dead = prepare(fresh(), authority("b", kNow + hours(390)));
    EXPECT_EQ(due_step(both_dead, hours(1), late, kTimes), RotationStep::prepare) << "a dead one is never promoted";
}

TEST(CaRotation, EverySetOfTimesIsValidOrRefused) {
    const std::vector<std::tuple<Duration, Duration, bool>> rows = {
        {hours(8760), hours(168), true},   {hours(3), hours(1), true},       {hours(3) - seconds(1), hours(1), false},
        {seconds(15), seconds(5), true},   {seconds(15), seconds(4), false}, {hours(1), hours(0), false},
        {hours(8760), hours(8760), false},
    };
    for (const auto& [ca, leaf, valid] : rows) {
        EXPECT_EQ(validate({.ca_lifetime = ca, .leaf_lifetime = leaf}).has_value(), valid)
            << ca / seconds(1) << " " << leaf / seconds(1);
    }
}

TEST(CaRotation, IntervalsScaleWithLivesAndAreBounded) {
    EXPECT_EQ(RotationTimes().poll_interval(), seconds(30));
    EXPECT_EQ(RotationTimes().propagation(), minutes(1));
    const RotationTimes quick{.ca_lifetime = seconds(30), .leaf_lifetime = seconds(10)};
    EXPECT_EQ(quick.poll_interval(), seconds(1));
    EXPECT_EQ(quick.propagation(), std::chrono::milliseconds(1500));
    EXPECT_EQ(renewal_time(kNow, kNow + seconds(30)), kNow + seconds(20));
}

}  // namespace
}  // namespace kube
