#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/signal.hpp"
#include "kube/base/token_bucket.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <utility>

namespace kube {

/// Who goes first when the client's own rate limit makes requests wait. It never changes what the server does with
/// them (that is API Priority and Fairness).
enum class RequestPriority {
    low,     ///< Background work: initial lists, Events.
    normal,  ///< Reads and writes that somebody waits for.
    high,    ///< Writes that a running piece of work depends on.
    exempt,  ///< Never limited: the lease, watches.
};

/// Makes callers wait for a token; the waiting ones are served by priority, those of one priority in their order.
/// A caller that is cancelled leaves its place to the next. All calls on the I/O thread.
/// Source: client-go util/flowcontrol (a token bucket without priorities).
class RateLimiter {
  public:
    RateLimiter(Clock& clock, double per_second, int burst);
    RateLimiter(const RateLimiter&) = delete;
    RateLimiter& operator=(const RateLimiter&) = delete;

    /// True with a token taken, false when `stop` was requested before.
    boost::asio::awaitable<bool> acquire(RequestPriority priority, std::stop_token stop);

    std::size_t waiting() const { return waiting_.size(); }

  private:
    struct Waiter {
        Signal wake;
        bool granted = false;
    };
    using Place = std::pair<int, std::uint64_t>;  ///< Negated priority, then order of arrival.
    class Waiting;

    void grant();
    void arm();

    Clock& clock_;
    TokenBucket bucket_;
    std::map<Place, Waiter*> waiting_;
    std::uint64_t arrivals_ = 0;
    std::unique_ptr<Timer> timer_;
};

}  // namespace kube
