#include "kube/base/line_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

namespace kube {

void LineWriter::write(std::string_view line) {
    if (dropped_ > 0 && put(notice_(dropped_) + "\n")) dropped_ = 0;
    if (!put(std::string(line) + "\n")) ++dropped_;
}

bool LineWriter::put(std::string text) {
    if (is_inside_line_) text.insert(0, "\n");
    for (std::size_t sent = 0; sent < text.size();) {
        pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
        const int patience = is_stuck_ ? 0 : static_cast<int>(patience_.count());
        const int polled = poll(&ready, 1, patience);
        if (polled < 0 && errno == EINTR) continue;
        is_stuck_ = polled == 0;
        // A pipe that is ready has room for PIPE_BUF bytes: so much never blocks (pipe(7)).
        const std::size_t size = std::min<std::size_t>(text.size() - sent, PIPE_BUF);
        const ssize_t written = polled == 1 ? ::write(descriptor_, text.data() + sent, size) : -1;
        if (written < 0) {
            if (polled == 1 && errno == EINTR) continue;
            if (sent > 0) is_inside_line_ = true;
            return false;
        }
        sent += static_cast<std::size_t>(written);
    }
    is_inside_line_ = false;
    return true;
}

}  // namespace kube
