#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace endoscope::api {

using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;

/// Reads an RFC 3339 time ("2026-01-31T12:00:00Z", fractions and offsets too). Digits beyond the microsecond are
/// dropped. Nothing for any other text, also for times that do not exist (30 February, hour 24); second 60 is refused.
std::optional<TimePoint> parse_timestamp(std::string_view text);

/// Writes whole seconds as meta/v1 Time does: "2026-01-31T12:00:00Z".
std::string format_timestamp(TimePoint time);

}  // namespace endoscope::api
