#pragma once

#include "kube/base/clock.hpp"

#include <cstdint>
#include <random>

namespace kube {

/// Exponential back-off with jitter, as client-go's reflector uses it: 800 ms doubling to 30 s, the delay drawn
/// uniformly from [d, 2d), starting anew when it was not asked for during two minutes.
class Backoff {
  public:
    explicit Backoff(std::uint64_t seed, Duration base = std::chrono::milliseconds(800),
                     Duration cap = std::chrono::seconds(30), Duration reset_after = std::chrono::minutes(2));

    /// The delay before the next attempt.
    Duration next(SteadyTime now);

  private:
    std::mt19937_64 random_;
    Duration base_;
    Duration cap_;
    Duration reset_after_;
    Duration current_;
    SteadyTime last_{};
};

}  // namespace kube
