#pragma once

#include "tests/unit/controller/verdict_fixture.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace endoscope::controller::testing {

/// A change that turns the allowed case into one that is denied.
struct Row {
    const char* what;
    api::Reason reason;
    std::function<void(Case&)> change;
    const char* mentions;  ///< What the message names: the field, or the remedy.
};

inline Verdict expect_denied(const Row& row) {
    Case changed;
    row.change(changed);
    Verdict verdict = changed.verdict();
    EXPECT_FALSE(verdict.allowed) << row.what;
    EXPECT_EQ(verdict.reason, row.reason)
        << row.what << ": got " << api::to_string(verdict.reason) << ": " << verdict.message;
    EXPECT_NE(verdict.message.find(row.mentions), std::string::npos) << row.what << ": " << verdict.message;
    EXPECT_TRUE(verdict.containers.empty()) << row.what;
    EXPECT_LE(verdict.message.size(), 1024U) << row.what;
    EXPECT_FALSE(api::to_string(verdict.reason).empty());
    return verdict;
}

/// Denied by the case's policy, whose row says why.
inline void expect_denied_by_policy(const Row& row) {
    const Verdict verdict = expect_denied(row);
    ASSERT_EQ(verdict.policies.size(), 1U) << row.what;
    EXPECT_EQ(verdict.policies[0].reason, row.reason) << row.what;
    ASSERT_TRUE(verdict.policy) << row.what;
    EXPECT_EQ(verdict.policy->name, "main");
}

inline void expect_allowed(const char* what, const std::function<void(Case&)>& change) {
    Case changed;
    change(changed);
    const Verdict verdict = changed.verdict();
    EXPECT_TRUE(verdict.allowed) << what << ": " << verdict.message;
}

}  // namespace endoscope::controller::testing
