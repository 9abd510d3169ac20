#pragma once

#include "controller/admission.hpp"
#include "controller/audit.hpp"
#include "controller/reconciler.hpp"
#include "controller/seal_rotation.hpp"
#include "kube/base/task_group.hpp"
#include "kube/client/client.hpp"
#include "kube/client/remote_command.hpp"
#include "kube/net/http.hpp"
#include "kube/runtime/admission.hpp"
#include "kube/runtime/events.hpp"
#include "kube/runtime/leader_election.hpp"
#include "kube/runtime/metrics.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace endoscope::controller {

struct OperatorOptions {
    std::string ns = "endoscope-system";  ///< Where its Secrets live, and where nothing is ever injected.
    int max_concurrent_reconciles = 16;
    std::size_t most_pod_watches = PodFollower::kMostWatches;
    kube::WebhookObserver* webhooks = nullptr;            ///< Outlives the operator.
    kube::Duration sync_limit = std::chrono::minutes(2);  ///< For the first complete caches; then `run` fails.
    kube::Duration sync_period{};                         ///< See `kube::run_resync`; 0 = never. Requests and policies.
    kube::Duration retain_finished{};    ///< Requests are removed when they have been over for that long; 0 = never.
    kube::Duration reconcile_timeout{};  ///< See `kube::ControllerOptions`.
    SealKeySettings seal_keys;
    std::uint64_t seed = 0;          ///< Of jitter: replicas must not all do everything at the same moment.
    bool deny_at_admission = false;  ///< See `AdmissionContext`.
    /// Reconciles and writes only while this leads; nullptr: the only replica. Outlives the operator.
    kube::LeaderElection* election = nullptr;
    /// Of each write while there is an election: the lease's duration less the renew deadline.
    std::optional<kube::Duration> write_timeout;
};

/// The whole operator but for its listeners and its process: caches, queue, reconciler, admission. It runs on whatever
/// `Client` and `Clock` it is given, so that it runs unchanged on the wire and in a test.
class Operator {
  public:
    /// `client` and `commands` speak to the same API server. What is passed by reference outlives the operator.
    Operator(boost::asio::any_io_executor executor, kube::Client& client, kube::CommandRunner& commands,
             kube::Clock& clock, kube::Registry registry, AuditLog& audit, kube::EventRecorder& events,
             OperatorOptions options);
    ~Operator();
    Operator(const Operator&) = delete;
    Operator& operator=(const Operator&) = delete;

    /// Keeps the caches and the seal keys, and reconciles while it leads, until `stop`; then lets running reconciles
    /// finish. Afterwards nothing writes and nothing records Events any more. Admission is served on every replica.
    /// Fails when the caches are not complete in time.
    boost::asio::awaitable<kube::Result<void>> run(std::stop_token stop);

    /// What `run` still waits for, for a log.
    std::string running() const;
    /// All caches have had their first complete list.
    bool synced() const;
    /// Why requests can neither be sealed nor verified; empty when they can.
    std::string seal_keys_problem() const;
    /// Answers the webhooks' reviews.
    kube::HttpHandler admission_handler() const;
    /// Answers /metrics.
    kube::HttpHandler metrics_handler() const;

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace endoscope::controller
