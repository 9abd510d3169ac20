#include "controller/session.hpp"

#include <algorithm>

namespace endoscope::controller {

api::TimePoint session_now(const Session& session, std::string_view started_at, kube::SteadyTime steady) {
    using std::chrono::duration_cast;
    const auto since = [&](kube::SteadyTime then) { return duration_cast<api::TimePoint::duration>(steady - then); };
    const api::TimePoint by_our_clock = session.injected_at + since(session.injected_steady);
    const auto started = api::parse_timestamp(started_at);
    if (!started) return by_our_clock;
    auto ran_for = by_our_clock - *started;
    if (!session.adopted) ran_for = std::min(ran_for, since(session.injected_steady));
    ran_for = std::max(ran_for, session.seen_running ? since(*session.seen_running) : api::TimePoint::duration::zero());
    return *started + ran_for;
}

}  // namespace endoscope::controller
