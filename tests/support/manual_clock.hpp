#pragma once

#include "kube/base/clock.hpp"

#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>

namespace kube::test {

/// Time that moves only by `advance`. Callbacks run inside `advance`, at their own moment and in order; coroutines they
/// wake run afterwards, so follow an advance inside a coroutine with `settle()`.
class ManualClock final : public Clock {
  public:
    /// 2026-01-02 03:04:05 UTC unless told otherwise.
    explicit ManualClock(WallTime start = WallTime(std::chrono::seconds(1'767'323'045)));
    ~ManualClock() override;

    WallTime now() const override { return wall_; }
    SteadyTime steady_now() const override { return steady_; }
    std::unique_ptr<Timer> call_at(SteadyTime when, std::function<void()> callback) override;

    /// Moves both clocks and runs what becomes due, also what the callbacks themselves schedule.
    void advance(Duration by);
    /// Moves to the earliest pending call and runs it; false when nothing is pending.
    bool advance_to_next();
    /// The wall clock alone jumps, as an administrator or NTP would make it.
    void set_wall(WallTime now) { wall_ = now; }
    std::size_t pending() const;

  private:
    class PendingCall;
    using Calls = std::multimap<SteadyTime, std::function<void()>>;
    void move_to(SteadyTime when);

    WallTime wall_;
    SteadyTime steady_{std::chrono::hours(1)};
    std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();  ///< Timers may outlive the clock.
};

}  // namespace kube::test
