#include "kube/client/rate_limiter.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <string>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart = SteadyTime(std::chrono::hours(1));

TEST(TokenBucket, ABurstThenTheRate) {
    TokenBucket bucket(10, 3);
    SteadyTime now = kStart;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.try_take(now));
    EXPECT_FALSE(bucket.try_take(now));
    EXPECT_FALSE(bucket.try_take(now + milliseconds(99)));
    EXPECT_TRUE(bucket.try_take(now + milliseconds(100)));
    EXPECT_FALSE(bucket.try_take(now + milliseconds(199)));
    now += seconds(60);  // a rest fills the bucket, and no further
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.try_take(now));
    EXPECT_FALSE(bucket.try_take(now));
}

TEST(TokenBucket, AWaitUntilTheNextTokenIsNeverTooShort) {
    for (const double rate : {0.3, 3.0, 7.0, 333.3}) {
        TokenBucket bucket(rate, 1);
        SteadyTime now = kStart;
        for (int i = 0; i < 1000; ++i) {
            ASSERT_TRUE(bucket.try_take(now));
            ASSERT_GT(bucket.available_at(), now);
            now = bucket.available_at();
        }
        const double elapsed = std::chrono::duration<double>(now - kStart).count();
        EXPECT_NEAR(elapsed, 1000 / rate, 1000 / rate * 1e-6);
    }
}

TEST(TokenBucket, ReservationsQueueUp) {
    TokenBucket bucket(10, 2);
    EXPECT_EQ(bucket.reserve(kStart), Duration::zero());
    EXPECT_EQ(bucket.reserve(kStart), Duration::zero());
    EXPECT_EQ(bucket.reserve(kStart), milliseconds(100));
    EXPECT_EQ(bucket.reserve(kStart), milliseconds(200));
}

asio::awaitable<void> enter(RateLimiter& limiter, RequestPriority priority, std::string name, std::string& order,
                            std::stop_token stop = {}) {
    const bool admitted = co_await limiter.acquire(priority, stop);
    order += admitted ? name : "(" + name + ")";
}

asio::awaitable<void> serves_by_priority() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    RateLimiter limiter(clock, 1, 1);
    std::string order;
    co_await enter(limiter, RequestPriority::low, "0", order);
    test::spawn(executor, enter(limiter, RequestPriority::low, "a", order));
    test::spawn(executor, enter(limiter, RequestPriority::normal, "b", order));
    test::spawn(executor, enter(limiter, RequestPriority::high, "c", order));
    test::spawn(executor, enter(limiter, RequestPriority::high, "d", order));
    co_await test::settle();
    EXPECT_EQ(order, "0");
    EXPECT_EQ(limiter.waiting(), 4U);
    co_await enter(limiter, RequestPriority::exempt, "!", order);
    for (int i = 0; i < 4; ++i) {
        clock.advance(seconds(1));
        co_await test::settle();
    }
    EXPECT_EQ(order, "0!cdba");
    EXPECT_EQ(clock.pending(), 0U);
}
TEST(RateLimiter, ServesByPriorityThenInOrder) {
    test::run_coro(serves_by_priority());
}

asio::awaitable<void> nobody_overtakes() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    RateLimiter limiter(clock, 1, 1);
    std::string order;
    co_await enter(limiter, RequestPriority::normal, "0", order);
    test::spawn(executor, enter(limiter, RequestPriority::normal, "a", order));
    co_await test::settle();
    clock.advance(seconds(1));  // the token is a's, although a has not run yet
    test::spawn(executor, enter(limiter, RequestPriority::normal, "b", order));
    co_await test::settle();
    EXPECT_EQ(order, "0a");
    clock.advance(seconds(1));
    co_await test::settle();
    EXPECT_EQ(order, "0ab");
}
TEST(RateLimiter, ANewcomerDoesNotOvertake) {
    test::run_coro(nobody_overtakes());
}

asio::awaitable<void> cancelled_waiters() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    RateLimiter limiter(clock, 1, 1);
    std::string order;
    std::stop_source stop;
    co_await enter(limiter, RequestPriority::normal, "0", order);
    test::spawn(executor, enter(limiter, RequestPriority::high, "a", order, stop.get_token()));
    test::spawn(executor, enter(limiter, RequestPriority::low, "b", order));
    co_await test::settle();
    stop.request_stop();
    co_await test::settle();
    EXPECT_EQ(order, "0(a)");
    EXPECT_EQ(limiter.waiting(), 1U);
    clock.advance(seconds(1));
    co_await test::settle();
    EXPECT_EQ(order, "0(a)b") << "the token of the cancelled one is the next one's";
    co_await enter(limiter, RequestPriority::high, "c", order, stop.get_token());
    EXPECT_EQ(order, "0(a)b(c)");
}
TEST(RateLimiter, ACancelledWaiterFreesItsPlace) {
    test::run_coro(cancelled_waiters());
}

}  // namespace
}  // namespace kube
