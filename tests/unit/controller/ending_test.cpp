#include "controller/ending.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using std::chrono::seconds;

TEST(EndingPause, GrowsToAMinute) {
    EXPECT_EQ(pause_after(1, false), seconds(2));
    EXPECT_EQ(pause_after(2, false), seconds(4));
    EXPECT_EQ(pause_after(5, false), seconds(32));
    EXPECT_EQ(pause_after(6, false), seconds(60));
    EXPECT_EQ(pause_after(1000000, false), seconds(60));
    EXPECT_EQ(pause_after(1, true), seconds(60));
}

TEST(EndingRules, AFinalizerIsForWhatMustNotBeLost) {
    EXPECT_FALSE(EndingRules().needs_finalizer());
    EXPECT_TRUE((EndingRules{.on_expiry = api::OnExpiry::terminate, .after_session = {}}).needs_finalizer());
    EXPECT_TRUE((EndingRules{.on_expiry = {}, .after_session = api::AfterSession::evict_pod}).needs_finalizer());
}

}  // namespace
}  // namespace endoscope::controller
