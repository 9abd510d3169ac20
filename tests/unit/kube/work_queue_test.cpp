#include "kube/runtime/work_queue.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

asio::awaitable<void> collapses() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    queue.add("a");
    queue.add("a");
    queue.add("b");
    EXPECT_EQ(queue.depth(), 2U);
    const auto first = co_await queue.get({});
    EXPECT_EQ(first, "a");
    // Any number of adds while it is handled gives exactly one more run, and not before it is done.
    queue.add("a");
    queue.add("a");
    EXPECT_EQ(queue.depth(), 1U);
    const auto second = co_await queue.get({});
    EXPECT_EQ(second, "b");
    queue.done("b");
    EXPECT_EQ(queue.depth(), 0U);
    queue.done("a");
    EXPECT_EQ(queue.depth(), 1U);
    const auto third = co_await queue.get({});
    EXPECT_EQ(third, "a");
    queue.done("a");
    EXPECT_EQ(queue.depth() + queue.processing() + queue.waiting(), 0U);
}
TEST(WorkQueue, CollapsesWhileProcessing) {
    test::run_coro(collapses());
}

asio::awaitable<void> earlier_time_wins() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    queue.add_after("a", seconds(10));
    queue.add_after("a", seconds(5));
    queue.add_after("a", seconds(20));
    queue.add_after("b", seconds(7));
    EXPECT_EQ(queue.waiting(), 2U);
    EXPECT_EQ(queue.depth(), 0U);
    clock.advance(milliseconds(4999));
    EXPECT_EQ(queue.depth(), 0U);
    clock.advance(milliseconds(1));
    EXPECT_EQ(queue.depth(), 1U);
    clock.advance(seconds(2));
    EXPECT_EQ(queue.depth(), 2U);
    queue.add_after("c", seconds(0));
    EXPECT_EQ(queue.depth(), 3U);
}
TEST(WorkQueue, OfTwoTimesTheEarlierStays) {
    test::run_coro(earlier_time_wins());
}

TEST(WorkQueue, BackoffDoublesFromFiveMillisecondsToItsCap) {
    EXPECT_EQ(WorkQueue::backoff(0), milliseconds(5));
    EXPECT_EQ(WorkQueue::backoff(1), milliseconds(10));
    EXPECT_EQ(WorkQueue::backoff(10), milliseconds(5120));
    EXPECT_EQ(WorkQueue::backoff(17), milliseconds(655360));
    EXPECT_EQ(WorkQueue::backoff(18), seconds(1000));
    EXPECT_EQ(WorkQueue::backoff(1000000), seconds(1000));
}

asio::awaitable<void> rate_limits_each_key() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    for (int i = 0; i < 3; ++i) {
        queue.add_rate_limited("a");
        clock.advance(seconds(1));
        const auto key = co_await queue.get({});
        EXPECT_EQ(key, "a");
        queue.done("a");
    }
    EXPECT_EQ(queue.requeues("a"), 3);
    EXPECT_EQ(queue.requeues("b"), 0);
    queue.add_rate_limited("a");
    clock.advance(milliseconds(39));
    EXPECT_EQ(queue.depth(), 0U);
    clock.advance(milliseconds(1));
    EXPECT_EQ(queue.depth(), 1U);
    queue.forget("a");
    EXPECT_EQ(queue.requeues("a"), 0);
}
TEST(WorkQueue, EveryKeyHasItsOwnBackoff) {
    test::run_coro(rate_limits_each_key());
}

asio::awaitable<void> take_until_stopped(WorkQueue& queue, std::stop_token stop, int& ended) {
    for (;;) {
        const auto key = co_await queue.get(stop);
        if (!key) break;
        queue.done(*key);
    }
    ++ended;
}

asio::awaitable<void> stop_wakes_all() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    std::stop_source stop;
    int ended = 0;
    for (int i = 0; i < 5; ++i) test::spawn(executor, take_until_stopped(queue, stop.get_token(), ended));
    co_await test::settle();
    EXPECT_EQ(ended, 0);
    stop.request_stop();
    co_await test::settle();
    EXPECT_EQ(ended, 5);
}
TEST(WorkQueue, AStopLeavesNoWorkerParked) {
    test::run_coro(stop_wakes_all());
}

asio::awaitable<void> priorities() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    queue.add("initial 1", kLowPriority);
    queue.add("initial 2", kLowPriority);
    queue.add("initial 3", kLowPriority);
    queue.add("change");
    queue.add("initial 3");             // changed meanwhile: moves up
    queue.add("change", kLowPriority);  // a resync moves nothing down
    queue.add_after("later", seconds(1), kLowPriority);
    queue.add_after("later", seconds(2), 7);  // the earlier time, the higher priority
    clock.advance(seconds(1));
    std::string order;
    while (queue.depth() > 0) {
        const auto key = co_await queue.get({});
        order += *key + "@" + std::to_string(queue.priority(*key)) + " ";
        queue.done(*key);
    }
    EXPECT_EQ(order, "later@7 initial 3@0 change@0 initial 1@-100 initial 2@-100 ");
    EXPECT_EQ(queue.priority("change"), 0);
}
TEST(WorkQueue, ChangesComeBeforeTheInitialListAndResyncs) {
    test::run_coro(priorities());
}

asio::awaitable<void> upgrade_while_processing() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    queue.add("a", kLowPriority);
    const auto first = co_await queue.get({});
    queue.add("b", -50);
    queue.add("a", kLowPriority);
    queue.add("a", 0);
    queue.done("a");
    const auto second = co_await queue.get({});
    EXPECT_EQ(second, "a") << "the priority it got while it was handled";
    EXPECT_EQ(queue.depth(), 1U);
}
TEST(WorkQueue, AKeyBeingHandledKeepsTheHighestPriorityItIsAddedWith) {
    test::run_coro(upgrade_while_processing());
}

asio::awaitable<void> overall_rate() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock, nullptr, {.retries_per_second = 10, .retry_burst = 2});
    for (const char* key : {"a", "b", "c", "d"}) queue.add_rate_limited(key);
    clock.advance(milliseconds(5));
    EXPECT_EQ(queue.depth(), 2U) << "the burst, after each key's own 5 ms";
    clock.advance(milliseconds(95));
    EXPECT_EQ(queue.depth(), 3U);
    clock.advance(milliseconds(100));
    EXPECT_EQ(queue.depth(), 4U);
    queue.add("e");
    EXPECT_EQ(queue.depth(), 5U) << "only retries are limited";
}
TEST(WorkQueue, RetriesOfAllKeysTogetherCanBeLimited) {
    test::run_coro(overall_rate());
}

asio::awaitable<void> shuts_down() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    int ended = 0;
    for (const char* key : {"a", "b", "c"}) queue.add(key);
    queue.add_after("later", seconds(1));
    queue.shut_down();
    queue.add("d");
    queue.add_after("d", seconds(1));
    queue.add_rate_limited("d");
    clock.advance(seconds(10));
    EXPECT_EQ(queue.depth(), 3U);
    for (int i = 0; i < 4; ++i) test::spawn(executor, take_until_stopped(queue, {}, ended));
    co_await test::settle();
    EXPECT_EQ(ended, 4) << "what was queued is handled, then every worker is told";
    EXPECT_EQ(queue.depth() + queue.waiting() + queue.processing(), 0U);
    EXPECT_EQ(clock.pending(), 0U);
}
TEST(WorkQueue, QueueDrainageOnShutDown) {
    test::run_coro(shuts_down());
}

asio::awaitable<void> drain(WorkQueue& queue, bool& drained) {
    co_await queue.shut_down_with_drain();
    drained = true;
}

asio::awaitable<void> drains() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    for (const bool cut_short : {false, true}) {
        WorkQueue queue(executor, clock);
        queue.add("a");
        const auto key = co_await queue.get({});
        queue.add("a");  // before the shutdown: still to be run
        bool drained = false;
        test::spawn(executor, drain(queue, drained));
        co_await test::settle();
        EXPECT_FALSE(drained);
        if (cut_short) {
            queue.shut_down();
        } else {
            queue.done(*key);
        }
        co_await test::settle();
        EXPECT_TRUE(drained);
        EXPECT_EQ(queue.depth(), cut_short ? 0U : 1U);
    }
}
TEST(WorkQueue, ShutDownWithDrainWaitsAndAShutDownEndsTheWait) {
    test::run_coro(drains());
}

/// Counts what an observer is told, and holds it against the queue.
class Recorder final : public QueueObserver {
  public:
    void on_attach(const WorkQueue& queue) override { queue_ = &queue; }
    void on_detach() override { queue_ = nullptr; }
    void on_add() override { ++adds; }
    void on_depth(int priority, std::size_t depth) override {
        depths[priority] = depth;
        std::size_t total = 0;
        for (const auto& [at, count] : depths) total += count;
        EXPECT_EQ(total, queue_->depth());
    }
    void on_get(Duration waited) override {
        ++gets;
        EXPECT_GE(waited, Duration::zero());
    }
    void on_done(Duration) override { ++dones; }
    void on_retry() override {}

    std::map<int, std::size_t> depths;
    long adds = 0;
    long gets = 0;
    long dones = 0;

  private:
    const WorkQueue* queue_ = nullptr;
};

/// What the queue must do, said in the simplest way: priorities by a search, times by a list.
class Model {
  public:
    void add(const std::string& key, int priority) {
        const auto found = dirty.find(key);
        if (found == dirty.end()) {
            dirty[key] = {priority, ++order_};
        } else {
            found->second.first = std::max(found->second.first, priority);
        }
    }
    void add_after(const std::string& key, SteadyTime now, Duration delay, int priority) {
        if (delay <= Duration::zero()) {
            add(key, priority);
            return;
        }
        const auto [entry, inserted] = due.try_emplace(key, now + delay, priority);
        if (inserted) return;
        entry->second.first = std::min(entry->second.first, now + delay);
        entry->second.second = std::max(entry->second.second, priority);
    }
    void pass(SteadyTime now) {
        std::vector<std::tuple<SteadyTime, std::string, int>> over;
        for (const auto& [key, entry] : due) {
            if (entry.first <= now) over.emplace_back(entry.first, key, entry.second);
        }
        std::ranges::sort(over);
        for (const auto& [when, key, priority] : over) {
            due.erase(key);
            add(key, priority);
        }
    }
    std::size_t depth() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(dirty, [this](const auto& entry) { return !processing.contains(entry.first); }));
    }
    std::string get() {
        const std::string* best = nullptr;
        for (const auto& [key, entry] : dirty) {
            if (processing.contains(key)) continue;
            if (best == nullptr || entry.first > dirty[*best].first ||
                (entry.first == dirty[*best].first && entry.second < dirty[*best].second)) {
                best = &key;
            }
        }
        const std::string key = *best;
        dirty.erase(key);
        processing.insert(key);
        return key;
    }

    std::map<std::string, std::pair<int, int>> dirty;  ///< Priority and order.
    std::set<std::string> processing;
    std::map<std::string, std::pair<SteadyTime, int>> due;

  private:
    int order_ = 0;
};

asio::awaitable<void> against_a_model() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    Recorder recorder;
    WorkQueue queue(executor, clock, &recorder);
    Model model;
    std::mt19937 random(7);
    constexpr int kOperations = 250000;
    constexpr std::array kPriorities = {kLowPriority, -50, 0, 10};
    for (int i = 0; i < kOperations && !testing::Test::HasFailure(); ++i) {
        const std::string key(1, static_cast<char>('a' + random() % 10));
        const int priority = kPriorities.at(random() % kPriorities.size());
        const Duration delay = milliseconds(random() % 8);
        switch (random() % 6) {
            case 0:
                queue.add(key, priority);
                model.add(key, priority);
                break;
            case 1:
                queue.add_after(key, delay, priority);
                model.add_after(key, clock.steady_now(), delay, priority);
                break;
            case 2:
            case 3:
                if (queue.depth() > 0) {
                    const auto got = co_await queue.get({});
                    EXPECT_EQ(*got, model.get());
                }
                break;
            case 4:
                if (!model.processing.empty()) {
                    const std::string done = *model.processing.begin();
                    queue.done(done);
                    model.processing.erase(done);
                }
                break;
            default:
                clock.advance(milliseconds(random() % 3));
                model.pass(clock.steady_now());
        }
        EXPECT_EQ(queue.depth(), model.depth());
        EXPECT_EQ(queue.processing(), model.processing.size());
        EXPECT_EQ(queue.waiting(), model.due.size());
    }
    clock.advance(seconds(1));
    while (queue.depth() + queue.processing() > 0) {
        for (const std::string& key : std::set(model.processing)) {
            queue.done(key);
            model.processing.erase(key);
        }
        model.pass(clock.steady_now());
        if (queue.depth() == 0) break;
        const auto got = co_await queue.get({});
        EXPECT_EQ(*got, model.get());
    }
    EXPECT_EQ(queue.depth() + queue.processing() + queue.waiting(), 0U) << "everything is released";
    EXPECT_EQ(recorder.adds, recorder.gets);
    EXPECT_EQ(recorder.gets, recorder.dones);
}
TEST(WorkQueue, ManyOperationsAgreeWithASimpleModel) {
    test::run_coro(against_a_model());
}

}  // namespace
}  // namespace kube
