#include "kube/runtime/backoff.hpp"

#include <algorithm>

namespace kube {

Backoff::Backoff(std::uint64_t seed, Duration base, Duration cap, Duration reset_after)
    : random_(seed), base_(base), cap_(cap), reset_after_(reset_after), current_(base) {}

Duration Backoff::next(SteadyTime now) {
    if (last_ != SteadyTime{} && now - last_ > reset_after_) current_ = base_;
    last_ = now;
    const Duration delay = current_;
    current_ = std::min(current_ * 2, cap_);
    std::uniform_int_distribution<Duration::rep> jitter(0, std::max<Duration::rep>(delay.count() - 1, 0));
    return delay + Duration(jitter(random_));
}

}  // namespace kube
