#include "api/text.hpp"
#include "controller/verdict_rules.hpp"

#include <algorithm>
#include <utility>

// The rules about the Pod and the container in it.

namespace endoscope::controller {

using api::Reason;

namespace {

using namespace rules;

RuleResult check_container_found(const api::DebugRequest& request, const PodView& pod,
                                 const PodView::Container* target) {
    if (target != nullptr) return std::nullopt;
    // Only an authorised requester gets this far, so the names may be told.
    std::string names;
    for (const PodView::Container& container : pod.containers) {
        names.append(names.empty() ? "" : ", ").append(api::printable(container.name));
    }
    const std::string& asked =
        request.spec.target.container.empty() ? pod.default_container : request.spec.target.container;
    return deny(Reason::container_not_found, "spec.target.container: " + pod_name(request, pod) + " has no container " +
                                                 in_quotes(asked) + "; it has " + names);
}

}  // namespace

Denial target_not_found(const api::DebugRequest& request) {
    const std::string& name = request.spec.target.pod_name;
    const std::string where = "namespace " + in_quotes(request.namespace_name);
    if (name.empty()) {
        return deny(Reason::target_not_found, "spec.target: no running Pod of " + where + " matches");
    }
    return deny(Reason::target_not_found, "spec.target.podName: there is no Pod " + in_quotes(name) + " in " + where);
}

RuleResult check_target(const api::DebugRequest& request, const PodView& pod, const PodView::Container* target) {
    if (auto denial = check_container_found(request, pod, target)) return denial;
    const char* const field = request.spec.target.pod_name.empty() ? "spec.target" : "spec.target.podName";
    const std::string name = std::string(field) + ": Pod " + in_quotes(pod.name);
    if (pod.node_name.empty()) {
        return deny(Reason::target_not_scheduled, name + " is not assigned to a node yet; ask again when it runs");
    }
    const bool ended = pod.phase == "Succeeded" || pod.phase == "Failed";
    if (pod.phase != "Running" && !ended) {
        return deny(Reason::target_not_running, name + " is not running (phase " +
                                                    in_quotes(pod.phase.empty() ? "Unknown" : pod.phase) +
                                                    "); ask again when it runs");
    }
    if (pod.deleting) return deny(Reason::target_terminating, name + " is being deleted; choose another Pod");
    if (ended) return deny(Reason::target_terminated, name + " has ended; choose a Pod that runs");
    if (pod.is_static) {
        return deny(Reason::target_static, name + " is a static Pod, to which the API server adds no containers");
    }
    if (pod.is_windows) return deny(Reason::target_windows, name + " runs on Windows, which is not supported");
    return std::nullopt;
}

namespace rules {

RuleResult check_target_allowed(const RuleContext& context) {
    if (context.pod == nullptr || context.target == nullptr) return std::nullopt;
    const api::PolicyTargets& targets = context.policy.spec().targets;
    const bool is_named = !context.facts.request.spec.target.pod_name.empty();
    const std::string pod = is_named ? "a Pod" : pod_name(context.facts.request, *context.pod);
    const auto refuse = [&](const std::string& what, std::string_view field) {
        return deny(Reason::target_not_allowed, "spec.target: " + what + " is not allowed by targets." +
                                                    std::string(field) + " of " + policy_name(context));
    };
    if (!targets.pod_selector.matches(context.pod->labels)) return refuse(pod + " with these labels", "podSelector");
    const std::string& container = context.target->name;
    if (!targets.containers.empty() && !any_matches(targets.containers, container)) {
        return refuse("container " + in_quotes(container) + of_pod(context), "containers");
    }
    if (!any_matches(targets.allow_service_accounts, context.pod->service_account)) {
        const std::string account = "service account " + in_quotes(context.pod->service_account);
        return refuse(pod + " that runs as " + account, "allowServiceAccounts");
    }
    return std::nullopt;
}

namespace {

RuleResult check_trait(const RuleContext& context, bool present, bool allowed, Reason reason, const char* what,
                       const char* field) {
    if (!present || allowed) return std::nullopt;
    return deny(reason, "spec.target: " + pod_name(context.facts.request, *context.pod) + " " + what + ", which " +
                            policy_name(context) + " does not allow (targets." + field + ")");
}

}  // namespace

RuleResult check_host_pid(const RuleContext& context) {
    return check_trait(context, context.pod != nullptr && context.pod->host_pid,
                       context.policy.spec().targets.allow_host_pid, Reason::target_host_pid,
                       "shares the node's process namespace", "allowHostPID");
}

RuleResult check_host_network(const RuleContext& context) {
    return check_trait(context, context.pod != nullptr && context.pod->host_network,
                       context.policy.spec().targets.allow_host_network, Reason::target_host_network,
                       "shares the node's network namespace", "allowHostNetwork");
}

RuleResult check_host_ipc(const RuleContext& context) {
    return check_trait(context, context.pod != nullptr && context.pod->host_ipc,
                       context.policy.spec().targets.allow_host_ipc, Reason::target_host_ipc,
                       "shares the node's IPC namespace", "allowHostIPC");
}

RuleResult check_privileged(const RuleContext& context) {
    // Any container of the Pod counts, not the target alone: they share the Pod's network and volumes.
    const bool present =
        context.pod != nullptr && std::ranges::any_of(context.pod->containers, &PodView::Container::privileged);
    return check_trait(context, present, context.policy.spec().targets.allow_privileged, Reason::target_privileged,
                       "has a privileged container", "allowPrivileged");
}

}  // namespace rules
}  // namespace endoscope::controller
