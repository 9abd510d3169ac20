#pragma once

#include "api/debug_policy.hpp"
#include "api/timestamp.hpp"
#include "controller/cluster.hpp"
#include "controller/policy.hpp"
#include "kube/base/clock.hpp"
#include "kube/runtime/controller.hpp"
#include "kube/runtime/store.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <stop_token>
#include <string>

namespace endoscope::controller {

/// A policy in the cache.
struct CachedPolicy {
    std::shared_ptr<const CompiledPolicy> policy;
};

/// The status that a policy should have: condition `Accepted`, from the same validation by which it is judged.
api::DebugPolicyStatus policy_status(const CompiledPolicy& policy, api::TimePoint now);

/// Tells the author of a DebugPolicy whether it was understood: writes `status` where it is not as it should be, also
/// after somebody else has written it.
class PolicyReconciler final : public kube::Reconciler {
  public:
    PolicyReconciler(kube::Clock& clock, Cluster& cluster, const kube::Store<CachedPolicy>& policies)
        : clock_(clock), cluster_(cluster), policies_(policies) {}

    boost::asio::awaitable<kube::Result<kube::ReconcileResult>> reconcile(std::string key,
                                                                          std::stop_token stop) override;

  private:
    kube::Clock& clock_;
    Cluster& cluster_;
    const kube::Store<CachedPolicy>& policies_;
};

}  // namespace endoscope::controller
