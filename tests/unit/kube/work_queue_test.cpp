#include "kube/runtime/work_queue.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

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

asio::awaitable<void> random_operations() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    WorkQueue queue(executor, clock);
    std::mt19937 random(1);
    std::set<std::string> processing;
    std::map<std::string, int> unanswered;  // adds that no later get has served
    for (int i = 0; i < 20000; ++i) {
        const std::string key(1, static_cast<char>('a' + random() % 6));
        switch (random() % 4) {
            case 0:
                queue.add(key);
                ++unanswered[key];
                break;
            case 1:
                if (queue.depth() > 0) {
                    const auto got = co_await queue.get({});
                    EXPECT_TRUE(processing.insert(*got).second) << "one key in two hands";
                    unanswered[*got] = 0;
                }
                break;
            case 2:
                if (!processing.empty()) {
                    queue.done(*processing.begin());
                    processing.erase(processing.begin());
                }
                break;
            default:
                queue.add_after(key, milliseconds(random() % 5));
                ++unanswered[key];
                clock.advance(milliseconds(random() % 3));
        }
        EXPECT_EQ(queue.processing(), processing.size());
    }
    clock.advance(seconds(1));
    while (!processing.empty() || queue.depth() > 0) {
        if (queue.depth() > 0) {
            const auto got = co_await queue.get({});
            processing.insert(*got);
            unanswered[*got] = 0;
        }
        queue.done(*processing.begin());
        processing.erase(processing.begin());
    }
    for (const auto& [key, adds] : unanswered) EXPECT_EQ(adds, 0) << key << " was added and never handed out";
}
TEST(WorkQueue, EveryAddIsFollowedByARun) {
    test::run_coro(random_operations());
}

}  // namespace
}  // namespace kube
