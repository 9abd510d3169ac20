#include "kube/base/clock.hpp"

#include "kube/base/signal.hpp"

#include <boost/asio/steady_timer.hpp>

#include <cstdio>

namespace kube {
namespace asio = boost::asio;

namespace {

class SystemTimer final : public Timer {
  public:
    SystemTimer(const asio::any_io_executor& executor, SteadyTime when, std::function<void()> callback)
        : state_(std::make_shared<State>(executor, std::move(callback))) {
        state_->timer.expires_at(when);
        state_->timer.async_wait([state = state_](const boost::system::error_code& code) {
            if (code || !state->callback) return;
            // Moved out first: the callback may destroy the timer that owns it.
            const auto run = std::move(state->callback);
            state->callback = nullptr;
            run();
        });
    }
    ~SystemTimer() override {
        state_->callback = nullptr;
        state_->timer.cancel();
    }
    SystemTimer(const SystemTimer&) = delete;
    SystemTimer& operator=(const SystemTimer&) = delete;

  private:
    struct State {
        State(const asio::any_io_executor& executor, std::function<void()> run)
            : timer(executor), callback(std::move(run)) {}
        asio::steady_timer timer;
        std::function<void()> callback;
    };
    std::shared_ptr<State> state_;
};

class SystemClock final : public Clock {
  public:
    explicit SystemClock(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    WallTime now() const override {
        return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    }
    SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
    std::unique_ptr<Timer> call_at(SteadyTime when, std::function<void()> callback) override {
        return std::make_unique<SystemTimer>(executor_, when, std::move(callback));
    }

  private:
    asio::any_io_executor executor_;
};

}  // namespace

std::unique_ptr<Clock> make_system_clock(asio::any_io_executor executor) {
    return std::make_unique<SystemClock>(std::move(executor));
}

asio::awaitable<bool> sleep_for(Clock& clock, Duration delay, std::stop_token stop) {
    if (stop.stop_requested()) co_return false;
    const auto executor = co_await asio::this_coro::executor;
    Signal wake(executor);
    bool elapsed = false;
    const auto timer = clock.call_after(delay, [&] {
        elapsed = true;
        wake.notify_all();
    });
    const std::stop_callback on_stop(stop, [&] { wake.notify_all(); });
    while (!elapsed && !stop.stop_requested()) co_await wake.wait();
    co_return elapsed;
}

std::string format_micro_time(WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{second - day};
    char text[40];
    const int length =
        std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                      static_cast<int>(clock.seconds().count()), static_cast<int>((time - second).count()));
    return {text, static_cast<std::size_t>(length)};
}

}  // namespace kube
