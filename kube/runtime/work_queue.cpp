#include "kube/runtime/work_queue.hpp"

#include <algorithm>

namespace kube {
namespace asio = boost::asio;

namespace {
constexpr Duration kBaseDelay = std::chrono::milliseconds(5);
constexpr Duration kMaxDelay = std::chrono::seconds(1000);
constexpr int kDoublingsToMax = 18;  // 5 ms << 18 is past the maximum; shifting on would overflow
}  // namespace

WorkQueue::WorkQueue(asio::any_io_executor executor, Clock& clock, QueueObserver* observer, WorkQueueOptions options)
    : clock_(clock), observer_(observer), changed_(std::move(executor)) {
    if (options.retries_per_second > 0) bucket_.emplace(options.retries_per_second, options.retry_burst);
    if (observer_ != nullptr) observer_->on_attach(*this);
}

WorkQueue::~WorkQueue() {
    if (observer_ != nullptr) observer_->on_detach();
}

Duration WorkQueue::backoff(int failures) {
    if (failures >= kDoublingsToMax) return kMaxDelay;
    return std::min<Duration>(kBaseDelay * (1 << failures), kMaxDelay);
}

void WorkQueue::add(const std::string& key, int priority) {
    if (shutting_down_) return;
    const auto [entry, inserted] = dirty_.try_emplace(key, Dirty{clock_.steady_now(), Place(-priority, adds_)});
    Place& place = entry->second.place;
    if (inserted) {
        ++adds_;
        if (observer_ != nullptr) observer_->on_add();
        if (!processing_.contains(key)) push(key, place);  // else `done` puts it back
        return;
    }
    if (-priority >= place.first) return;
    const Place old = place;
    place.first = -priority;
    if (ready_.erase(old) == 0) return;
    tell_depth(-old.first, -1);
    push(key, place);
}

void WorkQueue::push(const std::string& key, Place place) {
    ready_.emplace(place, key);
    tell_depth(-place.first, 1);
    changed_.notify_all();
}

void WorkQueue::tell_depth(int priority, int change) {
    const auto entry = depths_.try_emplace(priority, 0).first;
    entry->second += static_cast<std::size_t>(change);
    if (observer_ != nullptr) observer_->on_depth(priority, entry->second);
    if (entry->second == 0) depths_.erase(entry);
}

void WorkQueue::add_after(const std::string& key, Duration delay, int priority) {
    if (shutting_down_) return;
    if (delay <= Duration::zero()) {
        add(key, priority);
        return;
    }
    const SteadyTime when = clock_.steady_now() + delay;
    const auto [entry, inserted] = due_.try_emplace(key, Due{when, priority});
    Due& due = entry->second;
    if (!inserted) {
        due.priority = std::max(due.priority, priority);
        if (due.when <= when) return;
        schedule_.erase({due.when, key});
        due.when = when;
    }
    schedule_.emplace(when, key);
    arm();
}

void WorkQueue::add_rate_limited(const std::string& key, int priority) {
    if (shutting_down_) return;
    Duration delay = backoff(failures_[key]);
    ++failures_[key];
    if (bucket_) delay = std::max(delay, bucket_->reserve(clock_.steady_now()));
    if (observer_ != nullptr) observer_->on_retry();
    add_after(key, delay, priority);
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
        const auto due = due_.find(key);
        const int priority = due->second.priority;
        due_.erase(due);
        add(key, priority);
    }
    timer_.reset();
    arm();
}

asio::awaitable<std::optional<std::string>> WorkQueue::get(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
    while (ready_.empty() && !shutting_down_ && !stop.stop_requested()) co_await changed_.wait();
    if (ready_.empty() || stop.stop_requested()) co_return std::nullopt;
    const int priority = -ready_.begin()->first.first;
    std::string key = std::move(ready_.begin()->second);
    ready_.erase(ready_.begin());
    tell_depth(priority, -1);
    const SteadyTime now = clock_.steady_now();
    const auto added = dirty_.find(key);
    if (observer_ != nullptr) observer_->on_get(now - added->second.added);
    dirty_.erase(added);
    processing_.emplace(key, Processing{now, priority});
    co_return key;
}

void WorkQueue::done(const std::string& key) {
    const auto found = processing_.find(key);
    if (found == processing_.end()) return;
    if (observer_ != nullptr) observer_->on_done(clock_.steady_now() - found->second.started);
    processing_.erase(found);
    const auto again = dirty_.find(key);
    if (again != dirty_.end()) push(key, again->second.place);
    if (shutting_down_) changed_.notify_all();
}

int WorkQueue::priority(const std::string& key) const {
    const auto found = processing_.find(key);
    return found == processing_.end() ? 0 : found->second.priority;
}

void WorkQueue::shut_down() {
    shutting_down_ = true;
    draining_ = false;
    due_.clear();
    schedule_.clear();
    timer_.reset();
    changed_.notify_all();
}

asio::awaitable<void> WorkQueue::shut_down_with_drain() {
    shut_down();
    draining_ = true;
    while (draining_ && !processing_.empty()) co_await changed_.wait();
}

Duration WorkQueue::unfinished_work() const {
    const SteadyTime now = clock_.steady_now();
    Duration total{};
    for (const auto& [key, entry] : processing_) total += now - entry.started;
    return total;
}

Duration WorkQueue::longest_running() const {
    const SteadyTime now = clock_.steady_now();
    Duration longest{};
    for (const auto& [key, entry] : processing_) longest = std::max<Duration>(longest, now - entry.started);
    return longest;
}

}  // namespace kube
