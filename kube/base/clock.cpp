#include "kube/base/clock.hpp"

#include "kube/base/signal.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
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

std::string format_time(WallTime time) {
    const std::string text = format_micro_time(time);
    return text.substr(0, text.find('.')) + "Z";
}

namespace {

/// Takes `digits` digits and the character behind them off `text`; -1 when they are not there.
int take_number(std::string_view& text, std::size_t digits, char end) {
    int value = 0;
    if (text.size() < digits) return -1;
    for (const char c : text.substr(0, digits)) {
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    if (end == '\0') return value;
    if (!text.starts_with(end)) return -1;
    text.remove_prefix(1);
    return value;
}

/// "Z" or "+01:30" as what to subtract.
std::optional<std::chrono::minutes> take_offset(std::string_view text) {
    if (text == "Z" || text == "z") return std::chrono::minutes(0);
    const bool negative = text.starts_with('-');
    if (!negative && !text.starts_with('+')) return std::nullopt;
    text.remove_prefix(1);
    const int hours = take_number(text, 2, ':');
    const int minutes = take_number(text, 2, '\0');
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || !text.empty()) return std::nullopt;
    return std::chrono::minutes((negative ? -1 : 1) * (hours * 60 + minutes));
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
    const int year = take_number(text, 4, '-');
    const int month = take_number(text, 2, '-');
    const int day = take_number(text, 2, 'T');
    const int hour = take_number(text, 2, ':');
    const int minute = take_number(text, 2, ':');
    const int second = take_number(text, 2, '\0');
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (year < 0 || month < 0 || day < 0 || !date.ok()) return std::nullopt;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
    std::chrono::microseconds fraction(0);
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        std::chrono::microseconds unit(100'000);
        const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
        if (digits == 0) return std::nullopt;
        for (const char c : text.substr(0, digits)) {
            fraction += unit * (c - '0');
            unit /= 10;
        }
        text.remove_prefix(digits);
    }
    const auto offset = take_offset(text);
    if (!offset) return std::nullopt;
    return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second) + fraction - *offset;
}

}  // namespace kube
