#include "tests/support/run_coro.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <exception>

namespace kube::test {
namespace asio = boost::asio;

namespace {

constexpr int kSettleRounds = 200;

void report(const std::exception_ptr& failure) {
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        ADD_FAILURE() << "a coroutine threw: " << error.what();
    } catch (...) {
        ADD_FAILURE() << "a coroutine threw";
    }
}

}  // namespace

void run_coro(asio::awaitable<void> task) {
    asio::io_context context(1);
    bool finished = false;
    asio::co_spawn(context, std::move(task), [&finished](const std::exception_ptr& failure) {
        finished = true;
        report(failure);
    });
    context.run_for(std::chrono::minutes(3));
    EXPECT_TRUE(finished) << "the coroutine waits for something that never happens";
}

asio::awaitable<void> settle() {
    const auto executor = co_await asio::this_coro::executor;
    for (int i = 0; i < kSettleRounds; ++i) co_await asio::post(executor, asio::use_awaitable);
}

void spawn(asio::any_io_executor executor, asio::awaitable<void> task) {
    asio::co_spawn(executor, std::move(task), report);
}

}  // namespace kube::test
