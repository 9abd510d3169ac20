#pragma once

#include "kube/base/signal.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>

namespace kube {

/// Owns coroutines that run beside each other on the I/O thread and must all have ended before what they use dies.
/// The group must outlive its tasks: `co_await join()` before destroying it.
class TaskGroup {
  public:
    explicit TaskGroup(boost::asio::any_io_executor executor);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    /// Starts `task`. An exception that leaves it is a programming error: it is logged with `name` and kept for `join`.
    void spawn(std::string name, boost::asio::awaitable<void> task);
    /// Suspends until no task runs; rethrows the first exception.
    boost::asio::awaitable<void> join();
    std::size_t running() const;
    /// What runs still, for a log: names with their number, "worker (16), events".
    std::string names() const;

  private:
    struct State;
    boost::asio::any_io_executor executor_;
    std::shared_ptr<State> state_;
};

}  // namespace kube
