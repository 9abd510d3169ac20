#pragma once

#include <iosfwd>

namespace endoscope::cli {

/// Where a command reads and writes.
struct Streams {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
};

// Exit codes of the commands; other people's scripts rely on them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitInvalid = 2;  ///< Unreadable or invalid input, also a wrong flag.
inline constexpr int kExitDenied = 3;   ///< At least one request is denied.

}  // namespace endoscope::cli
