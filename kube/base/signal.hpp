#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>

namespace kube {

/// Wakes coroutines that wait for a condition on the one I/O thread. It carries no state: the waiter checks its
/// condition, waits, and checks again. A `notify_all` with nobody waiting is forgotten.
class Signal {
  public:
    explicit Signal(boost::asio::any_io_executor executor);
    ~Signal();
    Signal(const Signal&) = delete;
    Signal& operator=(const Signal&) = delete;

    /// Suspends until the next notification.
    boost::asio::awaitable<void> wait();
    void notify_all();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace kube
