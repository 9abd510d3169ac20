#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace kube {

/// Writes lines to a file descriptor without waiting for a reader for long. A line that a pipe has no room for within
/// `patience` is dropped, and while the reader stays away the following ones are dropped at once; the first that passes
/// again is preceded by one that tells how many are missing.
class LineWriter {
  public:
    /// `notice` renders the line about dropped ones. The descriptor stays the caller's.
    using Notice = std::string (*)(std::uint64_t dropped);
    LineWriter(int descriptor, Notice notice, std::chrono::milliseconds patience = std::chrono::milliseconds(100))
        : descriptor_(descriptor), notice_(notice), patience_(patience) {}

    /// `line` without its newline.
    void write(std::string_view line);
    std::uint64_t dropped() const { return dropped_; }

  private:
    bool put(std::string text);

    int descriptor_;
    Notice notice_;
    std::chrono::milliseconds patience_;
    std::uint64_t dropped_ = 0;  ///< Since the last notice.
    bool is_stuck_ = false;
    bool is_inside_line_ = false;  ///< The last line was given up in its middle.
};

}  // namespace kube
