#pragma once

#include "kube/base/clock.hpp"
#include "tests/support/manual_clock.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>

namespace simulation {

/// What one simulated process runs on: an io_context of its own, so that it can be frozen (nobody polls it) or killed
/// between any two of its steps, as a kernel would.
class ProcessContext : public boost::asio::io_context {
  public:
    ProcessContext() : io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE) {}

    /// Destroys every suspended coroutine and pending handler. What they used may be destroyed afterwards; nothing runs
    /// here any more.
    void kill() { shutdown(); }

  private:
    /// Having nothing to do for a moment is not an end.
    boost::asio::executor_work_guard<executor_type> work_ = boost::asio::make_work_guard(*this);
};

/// The clocks of one process: steady time is the world's, the wall clock is off by `offset`, which may jump.
/// Callbacks run as handlers of the process, so a frozen one runs them when it thaws and a killed one never.
class ProcessClock final : public kube::Clock {
  public:
    ProcessClock(kube::test::ManualClock& world, ProcessContext& context) : world_(world), context_(context) {}

    kube::WallTime now() const override { return world_.now() + offset; }
    kube::SteadyTime steady_now() const override { return world_.steady_now(); }
    std::unique_ptr<kube::Timer> call_at(kube::SteadyTime when, std::function<void()> callback) override;

    std::chrono::microseconds offset{0};

  private:
    kube::test::ManualClock& world_;
    ProcessContext& context_;
};

}  // namespace simulation
