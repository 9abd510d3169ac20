#pragma once

#include "kube/runtime/events.hpp"
#include "kube/runtime/leader_election.hpp"

#include <memory>
#include <string>

namespace endoscope::cmd {

/// Tells of an election by metrics and by Events on the Lease, as client-go does.
class LeaderReporter final : public kube::LeaderObserver {
  public:
    LeaderReporter(std::unique_ptr<kube::LeaderObserver> metrics, kube::EventRecorder& events,
                   const kube::LeaderElectionOptions& election)
        : metrics_(std::move(metrics)), events_(events), identity_(election.identity) {
        lease_.api_version = "coordination.k8s.io/v1";
        lease_.kind = "Lease";
        lease_.ns = election.ns;
        lease_.name = election.name;
    }
    void on_status(bool leading) override {
        metrics_->on_status(leading);
        if (leading == leading_) return;
        leading_ = leading;
        events_.record({.regarding = lease_,
                        .related = std::nullopt,
                        .type = kube::EventType::normal,
                        .reason = "LeaderElection",
                        .action = leading ? "Lead" : "StopLeading",  // equal ones would be folded into a series
                        .note = identity_ + (leading ? " became leader" : " stopped leading")});
    }
    void on_slow_path() override { metrics_->on_slow_path(); }

  private:
    std::unique_ptr<kube::LeaderObserver> metrics_;
    kube::EventRecorder& events_;
    std::string identity_;
    kube::ObjectReference lease_;
    bool leading_ = false;
};

}  // namespace endoscope::cmd
