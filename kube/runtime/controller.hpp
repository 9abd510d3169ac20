#pragma once

#include "kube/runtime/metrics.hpp"
#include "kube/runtime/work_queue.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

namespace kube {

/// What a successful reconcile asks for.
struct ReconcileResult {
    std::optional<Duration> requeue_after;
};

/// Brings one object to its desired state. An error is retried with the key's back-off.
class Reconciler {
  public:
    virtual ~Reconciler() = default;
    virtual boost::asio::awaitable<Result<ReconcileResult>> reconcile(std::string key, std::stop_token stop) = 0;
};

/// Workers that take keys from a queue and reconcile them (controller-runtime's controller). A worker is a coroutine,
/// not a thread. On stop the running reconciles finish; no further key is taken.
class Controller {
  public:
    Controller(std::string name, WorkQueue& queue, Reconciler& reconciler, Clock& clock, ControllerObserver& observer);

    /// One worker; spawn as many as should run side by side. `abandon` ends a running reconcile, too: for a process
    /// that must not write any more.
    boost::asio::awaitable<void> work(std::stop_token stop, std::stop_token abandon = {});

  private:
    boost::asio::awaitable<Result<ReconcileResult>> guarded(std::string key, std::stop_token stop);

    std::string name_;
    WorkQueue& queue_;
    Reconciler& reconciler_;
    Clock& clock_;
    ControllerObserver& observer_;
};

}  // namespace kube
