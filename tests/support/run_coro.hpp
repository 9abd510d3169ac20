#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace kube::test {

/// Runs a coroutine on an io_context of its own until everything on it has ended. The test fails when the coroutine
/// throws, waits for something that never happens, or takes longer than three minutes.
/// ASSERT_* cannot be used in coroutines (it returns); use EXPECT_*.
void run_coro(boost::asio::awaitable<void> task);

/// Lets everything that is ready to run on this executor run, and what becomes ready by it.
boost::asio::awaitable<void> settle();

/// Runs `task` beside the caller. An exception that leaves it fails the test.
void spawn(boost::asio::any_io_executor executor, boost::asio::awaitable<void> task);

}  // namespace kube::test
