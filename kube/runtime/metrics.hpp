#pragma once

#include "kube/client/client.hpp"
#include "kube/client/connection_observer.hpp"
#include "kube/runtime/leader_election.hpp"
#include "kube/runtime/work_queue.hpp"

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

/// `rest_client_requests_total` and `rest_client_request_duration_seconds`.
std::unique_ptr<RequestObserver> make_request_metrics(const Registry& registry);

/// `rest_client_transport_ca_reload_total` and `rest_client_exec_plugin_call_total`.
std::unique_ptr<ConnectionObserver> make_connection_metrics(const Registry& registry);

/// `workqueue_*` of the queue `name`.
std::unique_ptr<QueueObserver> make_queue_metrics(const Registry& registry, const std::string& name);

/// How one reconcile ended, as controller-runtime counts it.
enum class ReconcileOutcome { success, error, requeue_after };

/// `controller_runtime_*` of one controller.
class ControllerObserver {
  public:
    virtual ~ControllerObserver() = default;
    virtual void on_start() = 0;
    virtual void on_end(ReconcileOutcome outcome, Duration elapsed) = 0;
    virtual void on_exception() = 0;
};

std::unique_ptr<ControllerObserver> make_controller_metrics(const Registry& registry, const std::string& name,
                                                            int max_concurrent);

/// `leader_election_master_status` and `leader_election_slowpath_total` of the lease `name`.
std::unique_ptr<LeaderObserver> make_leader_metrics(const Registry& registry, const std::string& name);

}  // namespace kube
