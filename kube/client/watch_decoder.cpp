#include "kube/client/watch_decoder.hpp"

namespace kube {

Result<std::optional<std::string_view>> WatchLines::next() {
    for (;;) {
        const std::size_t end = buffer_.find('\n', searched_);
        if (end == std::string::npos) {
            buffer_.erase(0, consumed_);
            consumed_ = 0;
            searched_ = buffer_.size();
            if (buffer_.size() > max_line_bytes_) return fail(ErrorKind::malformed, "watch event is too large");
            return std::nullopt;
        }
        const std::string_view line = std::string_view(buffer_).substr(consumed_, end - consumed_);
        if (line.size() > max_line_bytes_) return fail(ErrorKind::malformed, "watch event is too large");
        consumed_ = end + 1;
        searched_ = consumed_;
        if (!line.empty()) return line;
    }
}

}  // namespace kube
