#pragma once

#include "kube/base/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace kube {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// A pending `Clock::call_at`. Destroying it cancels the call; it never blocks.
class Timer {
  public:
    virtual ~Timer() = default;
};

/// The only source of time in Endoscope. Production uses `SystemClock`; tests and the simulation use a clock that
/// moves only when told to. Everything runs on the one I/O thread.
class Clock {
  public:
    virtual ~Clock() = default;
    /// Wall-clock time, for timestamps that leave the process. May jump.
    virtual WallTime now() const = 0;
    /// Monotonic time, for deadlines and back-off.
    virtual SteadyTime steady_now() const = 0;
    /// Runs `callback` on the I/O thread once `when` is reached, unless the returned timer is destroyed first.
    [[nodiscard]] virtual std::unique_ptr<Timer> call_at(SteadyTime when, std::function<void()> callback) = 0;

    [[nodiscard]] std::unique_ptr<Timer> call_after(Duration delay, std::function<void()> callback) {
        return call_at(steady_now() + delay, std::move(callback));
    }
};

/// Real time on an Asio executor.
std::unique_ptr<Clock> make_system_clock(boost::asio::any_io_executor executor);

/// Suspends until `delay` has passed (true) or `stop` was requested (false).
boost::asio::awaitable<bool> sleep_for(Clock& clock, Duration delay, std::stop_token stop);

/// RFC 3339 with exactly six fractional digits, as metav1.MicroTime demands.
std::string format_micro_time(WallTime time);

/// RFC 3339 in whole seconds, as metav1.Time is written.
std::string format_time(WallTime time);

/// Reads an RFC 3339 timestamp with any offset; digits beyond microseconds are dropped. Nothing when it is none.
std::optional<WallTime> parse_time(std::string_view text);

}  // namespace kube
