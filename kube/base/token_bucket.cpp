#include "kube/base/token_bucket.hpp"

#include <algorithm>

namespace kube {

namespace {
constexpr double kNanosecondsPerSecond = 1e9;
constexpr double kSlowest = 1e-6;  // one in eleven days; slower would overflow
}  // namespace

TokenBucket::TokenBucket(double per_second, int burst)
    : interval_(static_cast<Duration::rep>(kNanosecondsPerSecond / std::max(per_second, kSlowest))),
      tolerance_(interval_ * (std::max(burst, 1) - 1)) {}

bool TokenBucket::try_take(SteadyTime now) {
    if (available_at() > now) return false;
    full_at_ = std::max(full_at_, now) + interval_;
    return true;
}

Duration TokenBucket::reserve(SteadyTime now) {
    const Duration wait = std::max(available_at() - now, Duration::zero());
    full_at_ = std::max(full_at_, now) + interval_;
    return wait;
}

}  // namespace kube
