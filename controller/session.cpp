#include "controller/session.hpp"

#include <algorithm>

namespace endoscope::controller {

bool Session::is_injected() const {
    return std::ranges::any_of(parts, &SessionPart::injected);
}

SessionPart* Session::find(std::string_view pod) {
    const auto found = std::ranges::find(parts, pod, &SessionPart::pod);
    return found == parts.end() ? nullptr : &*found;
}

const SessionPart* Session::find(std::string_view pod) const {
    const auto found = std::ranges::find(parts, pod, &SessionPart::pod);
    return found == parts.end() ? nullptr : &*found;
}

api::TimePoint session_now(const SessionPart& part, std::string_view started_at, kube::SteadyTime steady) {
    using std::chrono::duration_cast;
    const auto since = [&](kube::SteadyTime then) { return duration_cast<api::TimePoint::duration>(steady - then); };
    const api::TimePoint by_our_clock = part.injected_at + since(part.injected_steady);
    const auto started = api::parse_timestamp(started_at);
    if (!started) return by_our_clock;
    auto ran_for = by_our_clock - *started;
    if (!part.adopted) ran_for = std::min(ran_for, since(part.injected_steady));
    ran_for = std::max(ran_for, part.seen_running ? since(*part.seen_running) : api::TimePoint::duration::zero());
    return *started + ran_for;
}

}  // namespace endoscope::controller
