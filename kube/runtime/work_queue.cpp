#include "kube/runtime/work_queue.hpp"

#include <algorithm>

namespace kube {
namespace asio = boost::asio;

namespace {
constexpr Duration kBaseDelay = std::chrono::milliseconds(5);
constexpr Duration kMaxDelay = std::chrono::seconds(1000);
constexpr int kDoublingsToMax = 18;  // 5 ms << 18 is past the maximum; shifting on would overflow
}  // namespace

WorkQueue::WorkQueue(asio::any_io_executor executor, Clock& clock, QueueObserver* observer)
    : clock_(clock), observer_(observer), changed_(std::move(executor)) {}

WorkQueue::~WorkQueue() = default;

Duration WorkQueue::backoff(int failures) {
    if (failures >= kDoublingsToMax) return kMaxDelay;
    return std::min<Duration>(kBaseDelay * (1 << failures), kMaxDelay);
}

void WorkQueue::add(const std::string& key) {
    if (!dirty_.try_emplace(key, clock_.steady_now()).second) return;
    if (processing_.contains(key)) return;  // `done` puts it back
    ready_.push_back(key);
    if (observer_ != nullptr) observer_->on_add(ready_.size());
    changed_.notify_all();
}

void WorkQueue::add_after(const std::string& key, Duration delay) {
    if (delay <= Duration::zero()) {
        add(key);
        return;
    }
    const SteadyTime when = clock_.steady_now() + delay;
    const auto [entry, inserted] = due_.try_emplace(key, when);
    if (!inserted) {
        if (entry->second <= when) return;
        schedule_.erase({entry->second, key});
        entry->second = when;
    }
    schedule_.emplace(when, key);
    arm();
}

void WorkQueue::add_rate_limited(const std::string& key) {
    const int failures = failures_[key]++;
    if (observer_ != nullptr) observer_->on_retry();
    add_after(key, backoff(failures));
}

void WorkQueue::forget(const std::string& key) {
    failures_.erase(key);
}

int WorkQueue::requeues(const std::string& key) const {
    const auto found = failures_.find(key);
    return found == failures_.end() ? 0 : found->second;
}

void WorkQueue::arm() {
    if (schedule_.empty()) {
        timer_.reset();
        return;
    }
    const SteadyTime next = schedule_.begin()->first;
    if (timer_ && armed_for_ == next) return;
    armed_for_ = next;
    timer_ = clock_.call_at(next, [this] { release_due(); });
}

void WorkQueue::release_due() {
    const SteadyTime now = clock_.steady_now();
    while (!schedule_.empty() && schedule_.begin()->first <= now) {
        const std::string key = schedule_.begin()->second;
        schedule_.erase(schedule_.begin());
        due_.erase(key);
        add(key);
    }
    timer_.reset();
    arm();
}

asio::awaitable<std::optional<std::string>> WorkQueue::get(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
    while (ready_.empty() && !stop.stop_requested()) co_await changed_.wait();
    if (stop.stop_requested()) co_return std::nullopt;
    std::string key = std::move(ready_.front());
    ready_.pop_front();
    const SteadyTime now = clock_.steady_now();
    const auto added = dirty_.find(key);
    if (observer_ != nullptr) observer_->on_get(ready_.size(), now - added->second);
    dirty_.erase(added);
    processing_.emplace(key, now);
    co_return key;
}

void WorkQueue::done(const std::string& key) {
    const auto found = processing_.find(key);
    if (found == processing_.end()) return;
    if (observer_ != nullptr) observer_->on_done(clock_.steady_now() - found->second);
    processing_.erase(found);
    if (!dirty_.contains(key)) return;
    ready_.push_back(key);
    if (observer_ != nullptr) observer_->on_add(ready_.size());
    changed_.notify_all();
}

}  // namespace kube
