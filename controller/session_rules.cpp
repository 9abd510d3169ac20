#include "controller/verdict_rules.hpp"

#include <map>
#include <string>
#include <utility>

// The rules about time and number.

namespace endoscope::controller::rules {

using api::Reason;

namespace {

/// Whether the container shows that its session goes on: it runs, or it may yet start. One that waits with an error is
/// the business of its own request, which holds its place until it has failed.
bool is_open(const PodView& pod, const PodView::EphemeralContainer& container) {
    const PodView::EphemeralStatus* const status = pod.find_ephemeral_status(container.name);
    if (status == nullptr) return true;
    switch (status->state) {
        case PodView::State::terminated:
            return false;
        case PodView::State::waiting:
            return status->reason.empty() || status->reason == "ContainerCreating" ||
                   status->reason == "PodInitializing";
        case PodView::State::unknown:
        case PodView::State::running:
            return true;
    }
    return true;
}

/// The sessions that are open in the Pod, with the container that each joins: those that hold a place there, and those
/// that the Pod itself shows. The Pod knows of sessions whose request is finished or was deleted, and of such as were
/// injected a moment before the operator restarted.
std::map<std::string, std::string> open_sessions(const RuleContext& context) {
    std::map<std::string, std::string> open = context.facts.sessions.in_pod;
    if (context.pod == nullptr) return open;
    const api::DebugRequest& request = context.facts.request;
    const std::string own = request.namespace_name + "/" + request.name;
    for (const PodView::EphemeralContainer& container : context.pod->ephemeral_containers) {
        if (container.request.empty() || container.request == own || !is_open(*context.pod, container)) continue;
        open.insert_or_assign(container.request, container.target_container);
    }
    return open;
}

Denial too_many(const RuleContext& context, std::int64_t active, std::int64_t most, const char* where,
                const char* field) {
    return {Reason::limit_exceeded, std::to_string(active) + " sessions are active " + where + ", and " +
                                        policy_name(context) + " allows " + std::to_string(most) + " (limits." + field +
                                        "); ask again when one has ended"};
}

}  // namespace

RuleResult check_deadline(const RuleContext& context) {
    const auto& wanted = context.facts.request.spec.deadline_seconds;
    const std::int64_t most = context.policy.spec().limits.max_deadline_seconds;
    if (!wanted || *wanted <= most) return std::nullopt;
    return Denial{Reason::deadline_too_long, "spec.deadlineSeconds: " + policy_name(context) + " allows at most " +
                                                 std::to_string(most) + " (limits.maxDeadlineSeconds)"};
}

RuleResult check_number_of_targets(const RuleContext& context) {
    const std::int64_t wanted = context.facts.request.spec.target.max_pods.value_or(1);
    const std::int64_t most = context.policy.spec().limits.max_pods;
    if (wanted <= most) return std::nullopt;
    return Denial{Reason::too_many_targets, "spec.target.maxPods: " + policy_name(context) + " allows at most " +
                                                std::to_string(most) + " Pods in one request (limits.maxPods)"};
}

RuleResult check_exclusive(const RuleContext& context) {
    if (!context.policy.spec().limits.exclusive || context.target == nullptr) return std::nullopt;
    const PodView::Container* const fallback = context.pod->default_target();
    for (const auto& [request, container] : open_sessions(context)) {
        const bool joins_default = container.empty() && fallback == context.target;
        if (container != context.target->name && !joins_default) continue;
        return Denial{Reason::session_exists, "DebugRequest " + in_quotes(request) +
                                                  " has a session open in container " +
                                                  in_quotes(context.target->name) + ", and " + policy_name(context) +
                                                  " allows one at a time (limits.exclusive); ask again when it has "
                                                  "ended"};
    }
    return std::nullopt;
}

RuleResult check_limits(const RuleContext& context) {
    const api::PolicyLimits& limits = context.policy.spec().limits;
    const Sessions& sessions = context.facts.sessions;
    const auto in_pod = static_cast<std::int64_t>(open_sessions(context).size());
    if (in_pod >= limits.max_per_pod) {
        return too_many(context, in_pod, limits.max_per_pod, "in the Pod", "maxPerPod");
    }
    if (sessions.in_namespace >= limits.max_active_per_namespace) {
        return too_many(context, sessions.in_namespace, limits.max_active_per_namespace, "in the namespace",
                        "maxActivePerNamespace");
    }
    if (sessions.by_requester >= limits.max_active_per_requester) {
        return too_many(context, sessions.by_requester, limits.max_active_per_requester, "by this requester",
                        "maxActivePerRequester");
    }
    return std::nullopt;
}

}  // namespace endoscope::controller::rules
