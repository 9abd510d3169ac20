#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// Bytes of `status.targets[].output`.
inline constexpr std::size_t kMaxOutput = 8192;

/// What of a container's log goes into the status: its last `lines` lines (at least 1), as `api::visible` writes them,
/// without the line feed at the end. At most `kMaxOutput` bytes: of more, the end, below a line that says that
/// something was left out. It begins with a line, or with a character where a line is so long that more than half would
/// be lost.
std::string log_tail(std::string_view log, std::int64_t lines);

}  // namespace endoscope::controller
