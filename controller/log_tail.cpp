#include "controller/log_tail.hpp"

#include "api/text.hpp"

namespace endoscope::controller {

namespace {

constexpr std::string_view kLeftOut = "[... earlier output left out]\n";

/// Where the last `lines` lines begin.
std::size_t start_of(std::string_view log, std::int64_t lines) {
    std::size_t start = log.size();
    for (; lines > 0; --lines) {
        const std::size_t end = start == 0 ? std::string_view::npos : log.rfind('\n', start - 1);
        if (end == std::string_view::npos) return 0;
        start = end;
    }
    return start + 1;
}

}  // namespace

std::string log_tail(std::string_view log, std::int64_t lines) {
    if (log.ends_with('\n')) log.remove_suffix(log.ends_with("\r\n") ? 2 : 1);
    std::string output = api::visible(log.substr(start_of(log, lines)));
    if (output.size() <= kMaxOutput) return output;
    constexpr std::size_t kRoom = kMaxOutput - kLeftOut.size();
    std::size_t start = output.size() - kRoom;
    // The byte before counts, too: the first one that there is room for may begin a line.
    if (const std::size_t end = output.find('\n', start - 1); end < start + kRoom / 2) {
        start = end + 1;
    } else {
        while ((static_cast<unsigned char>(output[start]) & 0xC0U) == 0x80U) ++start;
    }
    return std::string(kLeftOut) + output.substr(start);
}

}  // namespace endoscope::controller
