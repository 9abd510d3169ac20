#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace kube {

/// The texts of the warnings with code 299 in one `Warning` header value, in order (RFC 7234 section 5.5: code, agent,
/// quoted text, optional quoted date; several separated by commas). Other codes speak of HTTP caches. What is malformed
/// is skipped up to the next comma, so that it loses no other warning. Texts are as sent, quotes unescaped; they may
/// hold UTF-8.
std::vector<std::string> parse_warnings(std::string_view value);

/// Remembers which warnings were told already: the API server repeats one with every request. Memory is bounded; the
/// oldest are forgotten first.
class WarningMemory {
  public:
    explicit WarningMemory(std::size_t capacity = 1000) : capacity_(capacity) {}

    /// True the first time.
    bool is_new(const std::string& text);

  private:
    std::size_t capacity_;
    std::deque<std::size_t> order_;
    std::unordered_set<std::size_t> seen_;  ///< Hashes of the texts.
};

}  // namespace kube
