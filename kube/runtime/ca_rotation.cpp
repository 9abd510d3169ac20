#include "kube/runtime/ca_rotation.hpp"

#include <algorithm>

namespace kube {

namespace {

constexpr Duration kLongestPoll = std::chrono::seconds(30);
constexpr Duration kLongestPropagation = std::chrono::minutes(1);
constexpr Duration kShortestLeaf = std::chrono::seconds(5);
constexpr int kLeavesInACa = 3;

WallTime::duration wall(Duration duration) {
    return std::chrono::duration_cast<WallTime::duration>(duration);
}

}  // namespace

Duration RotationTimes::poll_interval() const {
    return std::min(kLongestPoll, leaf_lifetime / 10);
}

Duration RotationTimes::propagation() const {
    return std::min(kLongestPropagation, ca_lifetime / 20);
}

Result<void> validate(const RotationTimes& times) {
    if (times.leaf_lifetime < kShortestLeaf) {
        return fail(ErrorKind::config, "a certificate must live for 5s at least");
    }
    if (times.ca_lifetime < kLeavesInACa * times.leaf_lifetime) {
        return fail(ErrorKind::config, "a CA must live three times as long as a certificate at least");
    }
    return {};
}

RotationStep due_step(const AuthoritySet& set, std::optional<Duration> next_trusted_for, WallTime now,
                      const RotationTimes& times) {
    if (!set.previous_pem.empty() && now >= set.previous_until) return RotationStep::retire;
    const bool dead = now >= set.current.not_after;
    if (set.next && now < set.next->not_after) {
        // What a dead authority signed is trusted by nobody: there is nothing to wait for.
        if (dead) return RotationStep::promote;
        const bool trusted = next_trusted_for && *next_trusted_for >= times.propagation();
        return trusted && set.previous_pem.empty() ? RotationStep::promote : RotationStep::none;
    }
    const auto life = wall(times.ca_lifetime);
    // A life that was set shorter holds for the authority that is there already, too.
    const bool due = now >= set.current.not_after - life / 3 || set.current.not_after > now + life;
    return set.next || due ? RotationStep::prepare : RotationStep::none;
}

AuthoritySet prepare(AuthoritySet set, Authority fresh) {
    set.next = std::move(fresh);
    return set;
}

AuthoritySet promote(AuthoritySet set, WallTime now, const RotationTimes& times) {
    set.previous_pem = set.current.keys.certificate_pem;
    // A replica signs with it until it has looked again.
    const WallTime last_leaf = now + wall(times.leaf_lifetime + 2 * times.poll_interval());
    set.previous_until = std::min(set.current.not_after, last_leaf);
    set.current = std::move(*set.next);
    set.next.reset();
    return set;
}

AuthoritySet retire(AuthoritySet set) {
    set.previous_pem.clear();
    set.previous_until = {};
    return set;
}

std::string bundle_of(const AuthoritySet& set) {
    const std::string bundle = set.previous_pem + set.current.keys.certificate_pem;
    return set.next ? bundle + set.next->keys.certificate_pem : bundle;
}

WallTime renewal_time(WallTime issued, WallTime not_after) {
    return issued + (not_after - issued) * 2 / 3;
}

}  // namespace kube
