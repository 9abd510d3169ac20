#include "api/timestamp.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace endoscope::api {
namespace {

using namespace std::chrono_literals;

TEST(Timestamp, ReadsRfc3339) {
    const TimePoint base = std::chrono::sys_days{std::chrono::year{2026} / 1 / 31} + 12h;
    EXPECT_EQ(parse_timestamp("2026-01-31T12:00:00Z"), base);
    EXPECT_EQ(parse_timestamp("2026-01-31t12:00:00z"), base);
    EXPECT_EQ(parse_timestamp("2026-01-31T12:00:00.123456789Z"), base + 123456us);
    EXPECT_EQ(parse_timestamp("2026-01-31T14:30:00+02:30"), base);
    EXPECT_EQ(parse_timestamp("2026-01-31T11:00:00-01:00"), base);
    EXPECT_EQ(parse_timestamp("2024-02-29T00:00:00Z"), std::chrono::sys_days{std::chrono::year{2024} / 2 / 29});
}

TEST(Timestamp, RefusesTheRest) {
    for (const char* bad : {"", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
                            "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z",
                            "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00Zx", "2026-01-31 12:00:00Z",
                            "2026-01-31T12:00:00+2:00", "2026-01-31T12:00:00+24:00", "+026-01-31T12:00:00Z", "null"}) {
        EXPECT_EQ(parse_timestamp(bad), std::nullopt) << bad;
    }
}

TEST(Timestamp, WritesWholeSeconds) {
    EXPECT_EQ(format_timestamp(*parse_timestamp("2026-01-05T02:03:04.9Z")), "2026-01-05T02:03:04Z");
    EXPECT_EQ(format_timestamp(*parse_timestamp("1969-12-31T23:59:59Z")), "1969-12-31T23:59:59Z");
}

}  // namespace
}  // namespace endoscope::api
