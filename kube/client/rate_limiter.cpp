#include "kube/client/rate_limiter.hpp"

#include <boost/asio/this_coro.hpp>

namespace kube {
namespace asio = boost::asio;

/// A place in the queue for as long as the caller waits, however its wait ends.
class RateLimiter::Waiting {
  public:
    Waiting(RateLimiter& limiter, Place place, Waiter& waiter) : limiter_(limiter), place_(place) {
        limiter_.waiting_.emplace(place_, &waiter);
        limiter_.arm();
    }
    ~Waiting() {
        if (limiter_.waiting_.erase(place_) > 0) limiter_.arm();
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

  private:
    RateLimiter& limiter_;
    Place place_;
};

RateLimiter::RateLimiter(Clock& clock, double per_second, int burst) : clock_(clock), bucket_(per_second, burst) {}

asio::awaitable<bool> RateLimiter::acquire(RequestPriority priority, std::stop_token stop) {
    if (stop.stop_requested()) co_return false;
    if (priority == RequestPriority::exempt) co_return true;
    if (waiting_.empty() && bucket_.try_take(clock_.steady_now())) co_return true;
    const auto executor = co_await asio::this_coro::executor;
    Waiter waiter{Signal(executor)};
    const Waiting place(*this, Place(-static_cast<int>(priority), arrivals_++), waiter);
    const std::stop_callback on_stop(stop, [&waiter] { waiter.wake.notify_all(); });
    while (!waiter.granted && !stop.stop_requested()) co_await waiter.wake.wait();
    co_return waiter.granted;
}

void RateLimiter::grant() {
    while (!waiting_.empty() && bucket_.try_take(clock_.steady_now())) {
        Waiter& next = *waiting_.begin()->second;
        waiting_.erase(waiting_.begin());
        next.granted = true;
        next.wake.notify_all();
    }
    arm();
}

void RateLimiter::arm() {
    timer_.reset();
    if (!waiting_.empty()) timer_ = clock_.call_at(bucket_.available_at(), [this] { grant(); });
}

}  // namespace kube
