#pragma once

#include "kube/client/client.hpp"
#include "kube/client/connection_observer.hpp"
#include "kube/runtime/leader_election.hpp"
#include "kube/runtime/reflector.hpp"
#include "kube/runtime/work_queue.hpp"

#include <functional>
#include <memory>
#include <string>

namespace prometheus {
class Registry;
}

namespace kube {

/// Where metrics live. Names and buckets of everything in `kube/` are those of client-go, controller-runtime and
/// client_golang, so that the ecosystem's dashboards and alerts work unchanged.
using Registry = std::shared_ptr<prometheus::Registry>;

Registry make_registry();

/// The text exposition format (version 0.0.4), with the `process_*` family read from /proc at this moment.
std::string render_metrics(const Registry& registry);

/// `rest_client_*` of a client.
std::unique_ptr<RequestObserver> make_request_metrics(const Registry& registry);

/// `rest_client_transport_ca_reload_total` and `rest_client_exec_plugin_call_total`.
std::unique_ptr<ConnectionObserver> make_connection_metrics(const Registry& registry);

/// `workqueue_*` of the queue `name`.
std::unique_ptr<QueueObserver> make_queue_metrics(const Registry& registry, const std::string& name);

/// How one reconcile ended, as controller-runtime counts it. A terminal error is an error that is not retried.
enum class ReconcileOutcome { success, error, requeue, requeue_after, terminal_error };

/// `controller_runtime_*` of one controller.
class ControllerObserver {
  public:
    virtual ~ControllerObserver() = default;
    virtual void on_start() = 0;
    virtual void on_end(ReconcileOutcome outcome, Duration elapsed) = 0;
    virtual void on_exception() = 0;
    /// The reconcile was still running at its deadline.
    virtual void on_timeout() = 0;
};

std::unique_ptr<ControllerObserver> make_controller_metrics(const Registry& registry, const std::string& name,
                                                            int max_concurrent);

/// Health of the reflector of `resource`: `<prefix>_reflector_synced`, `_seconds_since_event`, `_relists_total`,
/// `_watch_errors_total` and `_handler_errors_total`. Reflectors that share an observer are counted together; then the
/// gauges mean nothing and `with_gauges` is false. `clock` must outlive the registry.
std::unique_ptr<ReflectorObserver> make_reflector_metrics(const Registry& registry, Clock& clock,
                                                          const std::string& prefix, const std::string& resource,
                                                          bool with_gauges = true);

/// Has `refresh` called before every rendering, for values that change by themselves, until the returned handle is
/// destroyed.
[[nodiscard]] std::shared_ptr<void> before_rendering(const Registry& registry, std::function<void()> refresh);

/// `leader_election_master_status` and `leader_election_slowpath_total` of the lease `name`.
std::unique_ptr<LeaderObserver> make_leader_metrics(const Registry& registry, const std::string& name);

}  // namespace kube
