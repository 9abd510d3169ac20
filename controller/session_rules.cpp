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

/// The sessions that are open in the Pod, by request, with the container that each joins: those that hold a place
/// there, and those that the Pod itself shows. The Pod knows of sessions whose request is finished or was deleted, and
/// of such as were injected a moment before the operator restarted.
std::map<std::string, std::string> open_sessions(const RuleContext& context) {
    if (context.pod == nullptr) return {};
    std::map<std::string, std::string> open;
    const auto& in_pod = context.facts.sessions.in_pod;
    if (const auto found = in_pod.find(context.pod->name); found != in_pod.end()) open = found->second;
    const api::DebugRequest& request = context.facts.request;
    const std::string own = request.namespace_name + "/" + request.name;
    for (const PodView::EphemeralContainer& container : context.pod->ephemeral_containers) {
        if (container.request.empty() || container.request == own || !is_open(*context.pod, container)) continue;
        open.insert_or_assign(container.request, container.target_container);
    }
    return open;
}

/// The denial where `wanted` sessions more than are `active` would be more than `most`.
RuleResult check_places(const RuleContext& context, std::int64_t active, std::int64_t wanted, std::int64_t most,
                        const std::string& where, const char* field) {
    if (active + wanted <= most) return std::nullopt;
    const std::string asked =
        wanted == 1 ? "" : ", the request is for " + std::to_string(wanted) + " more (one in each Pod)";
    const char* const remedy = wanted == 1 ? "ask again when one has ended" : "ask for fewer Pods or again later";
    return Denial{Reason::limit_exceeded, std::to_string(active) + " sessions are active " + where + asked + ", and " +
                                              policy_name(context) + " allows " + std::to_string(most) + " (limits." +
                                              field + "); " + remedy};
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
        return Denial{Reason::session_exists,
                      "DebugRequest " + in_quotes(request) + " has a session open in container " +
                          in_quotes(context.target->name) + of_pod(context) + ", and " + policy_name(context) +
                          " allows one at a time (limits.exclusive); ask again when it has "
                          "ended"};
    }
    return std::nullopt;
}

RuleResult check_limits(const RuleContext& context) {
    const api::PolicyLimits& limits = context.policy.spec().limits;
    const Sessions& sessions = context.facts.sessions;
    if (context.pod != nullptr) {
        const auto active = static_cast<std::int64_t>(open_sessions(context).size());
        const std::string where = "in " + pod_name(context.facts.request, *context.pod);
        if (auto denial = check_places(context, active, 1, limits.max_per_pod, where, "maxPerPod")) return denial;
    }
    const auto wanted = context.pod == nullptr ? 1 : static_cast<std::int64_t>(context.facts.pods->size());
    if (auto denial = check_places(context, sessions.in_namespace, wanted, limits.max_active_per_namespace,
                                   "in the namespace", "maxActivePerNamespace")) {
        return denial;
    }
    return check_places(context, sessions.by_requester, wanted, limits.max_active_per_requester, "by this requester",
                        "maxActivePerRequester");
}

}  // namespace endoscope::controller::rules
