#include "controller/policy_reconciler.hpp"

#include "api/text.hpp"
#include "kube/base/log.hpp"

namespace endoscope::controller {
namespace asio = boost::asio;

api::DebugPolicyStatus policy_status(const CompiledPolicy& policy, api::TimePoint now) {
    const bool valid = !policy.error();
    api::DebugPolicyStatus status = policy.status();
    status.observed_generation = policy.generation();
    status.message = valid ? "" : api::truncated(policy.error()->text(), api::bounds::kMessage);
    api::set_condition(status.conditions,
                       {.type = std::string(api::condition_type::kAccepted),
                        .status = valid ? api::ConditionStatus::is_true : api::ConditionStatus::is_false,
                        .reason = std::string(to_string(valid ? api::Reason::accepted : api::Reason::policy_invalid)),
                        .message = valid ? "the policy is in force"
                                         : "the policy allows nothing until this is mended: " + status.message,
                        .last_transition_time = api::format_timestamp(now),
                        .observed_generation = policy.generation()});
    return status;
}

asio::awaitable<kube::Result<kube::ReconcileResult>> PolicyReconciler::reconcile(std::string key,
                                                                                 std::stop_token stop) {
    const auto cached = policies_.get(key);
    if (!cached) co_return kube::ReconcileResult();
    const CompiledPolicy& policy = *cached->policy;
    const api::DebugPolicyStatus status = policy_status(policy, clock_.now());
    if (status == policy.status()) co_return kube::ReconcileResult();
    if (policy.error()) {
        kube::log::warn("policies", "a DebugPolicy is invalid and allows nothing",
                        {{"policy", policy.name()}, {"error", policy.error()->text()}});
    }
    const auto written = co_await cluster_.write_policy_status(policy.name(), policy.uid(), status, stop);
    if (!written && written.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(written.error());
    co_return kube::ReconcileResult();
}

}  // namespace endoscope::controller
