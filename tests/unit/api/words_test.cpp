// The closed lists of words: reasons, phases, condition statuses.

#include "api/condition.hpp"
#include "api/phase.hpp"
#include "api/reason.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace endoscope::api {
namespace {

TEST(Reason, EveryWordIsUniqueAndReadBack) {
    std::set<std::string_view> words;
    for (int i = 0; i <= static_cast<int>(Reason::accepted); ++i) {
        const auto reason = static_cast<Reason>(i);
        EXPECT_TRUE(words.insert(to_string(reason)).second) << to_string(reason);
        EXPECT_EQ(reason_from_string(to_string(reason)), reason);
    }
    EXPECT_EQ(reason_from_string("notauthorized"), std::nullopt);
    EXPECT_EQ(reason_from_string(""), std::nullopt);
}

TEST(Reason, VerdictsRankInTheOrderOfTheRules) {
    EXPECT_LT(Reason::invalid_spec, Reason::identity_missing);
    EXPECT_LT(Reason::policy_invalid, Reason::not_authorized);
    EXPECT_LT(Reason::not_authorized, Reason::target_not_found);
    EXPECT_LT(Reason::target_windows, Reason::requester_not_allowed);
    EXPECT_LT(Reason::image_denied, Reason::image_not_allowed);
    EXPECT_LT(Reason::limit_exceeded, Reason::allowed);
}

struct PhaseRow {
    Phase phase;
    const char* word;
    bool terminal;
    bool place;
};

TEST(Phase, Table) {
    const PhaseRow rows[] = {
        {Phase::pending, "Pending", false, false},    {Phase::awaiting_approval, "AwaitingApproval", false, true},
        {Phase::injecting, "Injecting", false, true}, {Phase::starting, "Starting", false, true},
        {Phase::running, "Running", false, true},     {Phase::succeeded, "Succeeded", true, false},
        {Phase::failed, "Failed", true, false},       {Phase::denied, "Denied", true, false},
        {Phase::expired, "Expired", true, false},
    };
    for (const PhaseRow& row : rows) {
        EXPECT_EQ(to_string(row.phase), row.word);
        EXPECT_EQ(phase_from_string(row.word), row.phase);
        EXPECT_EQ(is_terminal(row.phase), row.terminal) << row.word;
        EXPECT_EQ(holds_a_place(row.phase), row.place) << row.word;
    }
    EXPECT_EQ(phase_from_string("Approved"), std::nullopt);
}

}  // namespace
}  // namespace endoscope::api
