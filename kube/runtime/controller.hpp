#pragma once

#include "kube/runtime/metrics.hpp"
#include "kube/runtime/work_queue.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <stop_token>
#include <string>

namespace kube {

/// What a reconcile asks for. Without anything: it succeeded.
struct ReconcileResult {
    /// Run again after this time; the key's back-off starts anew.
    std::optional<Duration> requeue_after;
    /// Run again after the key's back-off, although nothing failed.
    bool requeue = false;
    /// It failed in a way that no repetition mends: told and counted, not run again before the object changes.
    std::optional<Error> terminal_error;
};

/// Brings one object to its desired state. An error is retried with the key's back-off.
class Reconciler {
  public:
    virtual ~Reconciler() = default;
    virtual boost::asio::awaitable<Result<ReconcileResult>> reconcile(std::string key, std::stop_token stop) = 0;
};

struct ControllerOptions {
    /// A reconcile that takes longer has its stop requested and counts as failed when it then ends; one that ignores
    /// the request keeps its worker. 0 = no limit.
    Duration reconcile_timeout{};
    std::uint64_t seed = 0;  ///< Of the reconcile ids.
};

/// Workers that take keys from a queue and reconcile them (controller-runtime's controller). A worker is a coroutine,
/// not a thread.
class Controller {
  public:
    Controller(std::string name, WorkQueue& queue, Reconciler& reconciler, Clock& clock, ControllerObserver& observer,
               ControllerOptions options = {});

    /// One worker; spawn as many as should run side by side. After `stop` no further key is taken, and the reconcile
    /// under way goes on to its end, or to `abort`.
    boost::asio::awaitable<void> work(std::stop_token stop, std::stop_token abort);
    /// One worker whose running reconcile is told to stop, too.
    boost::asio::awaitable<void> work(std::stop_token stop) { return work(stop, stop); }

  private:
    boost::asio::awaitable<Result<ReconcileResult>> guarded(std::string key, std::stop_token stop);
    boost::asio::awaitable<Result<ReconcileResult>> within_limit(std::string key, std::stop_token stop);
    ReconcileOutcome conclude(const std::string& key, const std::string& id, const Result<ReconcileResult>& result);
    std::string next_id();

    std::string name_;
    WorkQueue& queue_;
    Reconciler& reconciler_;
    Clock& clock_;
    ControllerObserver& observer_;
    ControllerOptions options_;
    std::mt19937_64 random_;
};

}  // namespace kube
