#pragma once

#include "controller/operator.hpp"
#include "kube/runtime/leader_election.hpp"
#include "tests/simulation/network.hpp"

#include <memory>
#include <optional>
#include <string>

namespace simulation {

/// Keys are read so often that a rotation is over within a run.
inline constexpr endoscope::controller::SealKeySettings kSealKeys{.rotation = kube::Duration::zero(),
                                                                  .refresh = std::chrono::seconds(5)};

/// One life of one replica of the operator, from its start to its end or until it is killed.
class OperatorProcess {
  public:
    struct Settings {
        bool elects = false;
        std::size_t most_pod_watches = 32;
        std::chrono::microseconds wall_offset{0};
        std::function<void(std::string_view line)> on_audit;
    };
    OperatorProcess(kube::test::ManualClock& world, Network& network, std::string name, Settings settings);
    /// Kills it if it still runs.
    ~OperatorProcess();
    OperatorProcess(const OperatorProcess&) = delete;
    OperatorProcess& operator=(const OperatorProcess&) = delete;

    const std::string& name() const { return name_; }
    ProcessContext& context() { return context_; }
    ProcessClock& clock() { return clock_; }
    /// SIGTERM.
    void terminate() { stop_.request_stop(); }
    /// Set once its main coroutine has returned; the exit code.
    std::optional<int> exit_code() const { return exit_code_; }
    /// Where webhook calls arrive; nothing until it serves.
    std::optional<Network::Port> webhook_port();
    bool synced() const { return operator_ && operator_->synced(); }
    bool leads() const { return operator_ && (!election_ || election_->is_leader()); }
    /// The sum of a counter's series in its metrics.
    double counter(const std::string& family) const;

  private:
    boost::asio::awaitable<void> main();
    boost::asio::awaitable<kube::Result<void>> run();
    boost::asio::awaitable<void> reconcile();
    boost::asio::awaitable<void> hold_lease();
    boost::asio::awaitable<void> serve_webhook(std::unique_ptr<kube::ByteStream> stream);

    std::string name_;  ///< Tells it from its predecessors.
    std::size_t most_pod_watches_;
    ProcessContext context_;
    ProcessClock clock_;
    kube::Registry registry_;
    endoscope::controller::AuditLog audit_;
    kube::Client client_;
    std::unique_ptr<kube::CommandRunner> commands_;
    kube::Client election_client_;
    kube::EventRecorder events_;
    std::unique_ptr<kube::LeaderElection> election_;
    std::unique_ptr<endoscope::controller::Operator> operator_;
    std::stop_source stop_;
    std::stop_source election_stop_;
    std::stop_source event_stop_;
    bool serving_ = false;
    std::optional<int> exit_code_;
};

}  // namespace simulation
