#include "tests/support/manual_clock.hpp"

namespace kube::test {

class ManualClock::PendingCall final : public Timer {
  public:
    PendingCall(std::weak_ptr<Calls> calls, std::shared_ptr<bool> done, Calls::iterator position)
        : calls_(std::move(calls)), done_(std::move(done)), position_(position) {}
    ~PendingCall() override {
        const auto calls = calls_.lock();
        if (calls && !*done_) calls->erase(position_);
    }
    PendingCall(const PendingCall&) = delete;
    PendingCall& operator=(const PendingCall&) = delete;

  private:
    std::weak_ptr<Calls> calls_;
    std::shared_ptr<bool> done_;
    Calls::iterator position_;
};

ManualClock::ManualClock(WallTime start) : wall_(start) {}
ManualClock::~ManualClock() = default;

std::unique_ptr<Timer> ManualClock::call_at(SteadyTime when, std::function<void()> callback) {
    auto done = std::make_shared<bool>(false);
    const auto position = calls_->emplace(when, [done, run = std::move(callback)] {
        *done = true;
        run();
    });
    return std::make_unique<PendingCall>(calls_, std::move(done), position);
}

void ManualClock::move_to(SteadyTime when) {
    if (when <= steady_) return;
    wall_ += std::chrono::duration_cast<WallTime::duration>(when - steady_);
    steady_ = when;
}

bool ManualClock::advance_to_next() {
    if (calls_->empty()) return false;
    // Taken out before it runs: the callback may destroy its own timer.
    const auto first = calls_->extract(calls_->begin());
    move_to(first.key());
    first.mapped()();
    return true;
}

void ManualClock::advance(Duration by) {
    const SteadyTime target = steady_ + by;
    while (!calls_->empty() && calls_->begin()->first <= target) advance_to_next();
    move_to(target);
}

std::size_t ManualClock::pending() const {
    return calls_->size();
}

}  // namespace kube::test
