#pragma once

#include "kube/base/error.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace kube {

/// Cuts a watch body into its documents, one per line. A state machine without I/O.
class WatchLines {
  public:
    explicit WatchLines(std::size_t max_line_bytes = std::size_t{16} << 20) : max_line_bytes_(max_line_bytes) {}

    /// Where the reader appends what arrives.
    std::string& input() { return buffer_; }
    /// The next complete line without its newline, empty lines skipped; valid until `input()` is used again. An error
    /// when a line outgrows the limit. A partial last line at the end of the stream is simply never returned.
    Result<std::optional<std::string_view>> next();

  private:
    std::size_t max_line_bytes_;
    std::string buffer_;
    std::size_t consumed_ = 0;
    std::size_t searched_ = 0;  ///< No newline up to here: a long line is not searched anew with every piece.
};

enum class WatchEventType { added, modified, deleted, bookmark };

}  // namespace kube
