#pragma once

#include "kube/base/clock.hpp"

namespace kube {

/// A rate with bursts: `burst` tokens at first, one more every 1 / `per_second`. No I/O and no clock of its own; whole
/// nanoseconds, so that a wait until `available_at` never ends a moment too early (the generic cell rate algorithm,
/// ITU-T I.371).
class TokenBucket {
  public:
    /// `per_second` must be greater than 0; a `burst` below 1 counts as 1.
    TokenBucket(double per_second, int burst);

    /// Takes a token if there is one.
    bool try_take(SteadyTime now);
    /// Takes a token that may not be there yet: how long to wait for it.
    Duration reserve(SteadyTime now);
    /// When the next token can be taken; in the past if there is one.
    SteadyTime available_at() const { return full_at_ - tolerance_; }

  private:
    Duration interval_;
    Duration tolerance_;    ///< How far `full_at_` may be ahead while there still is a token.
    SteadyTime full_at_{};  ///< When the bucket will be full if nothing is taken any more.
};

}  // namespace kube
