#pragma once

#include "kube/net/certificates.hpp"

#include <optional>
#include <string>

namespace kube {

/// A certificate authority of our own.
struct Authority {
    KeyPair keys;
    WallTime not_after{};
};

/// Every authority that matters now. All of their certificates make up the bundle that clients trust; only `current`
/// signs. At most three at any time, because a rotation begins only when the one before it has ended.
struct AuthoritySet {
    Authority current;
    std::optional<Authority> next = {};  ///< Trusted already or about to be; signs nothing yet.
    std::string previous_pem = {};       ///< Signs nothing any more, but a leaf of it may still be served. Empty: none.
    WallTime previous_until = {};        ///< From then on no leaf of it can be alive.
};

struct RotationTimes {
    Duration ca_lifetime = std::chrono::hours(24 * 365);
    Duration leaf_lifetime = std::chrono::hours(24 * 7);

    /// How often every replica looks at what is stored and installed: 30 s, or a tenth of a leaf's life.
    Duration poll_interval() const;
    /// How long a new authority must have stood in the bundles before it signs: until then an API server may still
    /// verify with an older copy of its configuration. A minute, or a twentieth of the authority's life.
    Duration propagation() const;
};

/// A leaf must live for five seconds at least, a CA three times as long as a leaf: otherwise rotations would overlap.
Result<void> validate(const RotationTimes& times);

/// What brings a set forward. Each is one write.
enum class RotationStep {
    none,
    prepare,  ///< A new authority enters as `next`.
    promote,  ///< `next` becomes `current`, which becomes `previous`.
    retire,   ///< `previous` leaves.
};

/// The step that is due. `next_trusted_for`: how long `next` has been seen in every bundle; nothing when it has not.
/// Source of the order (trust first, sign later, forget last): RFC 4210 4.4 and kube-controller-manager's CA rotation.
RotationStep due_step(const AuthoritySet& set, std::optional<Duration> next_trusted_for, WallTime now,
                      const RotationTimes& times);

/// The set after `prepare` with `fresh`. Also a way to rotate on demand.
AuthoritySet prepare(AuthoritySet set, Authority fresh);
/// The set after `promote`; there must be a `next`.
AuthoritySet promote(AuthoritySet set, WallTime now, const RotationTimes& times);
/// The set after `retire`.
AuthoritySet retire(AuthoritySet set);

/// The certificates that clients must trust, the oldest first, so that a promotion changes nothing in it.
std::string bundle_of(const AuthoritySet& set);

/// When two thirds of a certificate's life are over: time to renew it.
WallTime renewal_time(WallTime issued, WallTime not_after);

}  // namespace kube
