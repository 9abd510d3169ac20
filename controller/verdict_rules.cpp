#include "controller/verdict_rules.hpp"

#include "api/text.hpp"
#include "controller/name_glob.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace endoscope::controller {
namespace {

using api::Reason;

std::string quoted(std::string_view text) {
    return "\"" + api::printable(text) + "\"";
}

std::string policy_name(const RuleContext& context) {
    return "policy " + quoted(context.policy.name());
}

std::string joined(const std::vector<std::string>& names) {
    if (names.empty()) return "none";
    std::string text;
    for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(api::printable(name));
    return text;
}

Denial deny(Reason reason, std::string message) {
    return {reason, std::move(message)};
}

bool any_matches(const std::vector<std::string>& globs, std::string_view name) {
    return std::ranges::any_of(globs, [&](const std::string& glob) { return glob_matches(glob, name); });
}

// Who.

RuleResult check_requester(const RuleContext& context) {
    constexpr std::string_view kPrefix = "system:serviceaccount:";
    const std::string_view username = context.facts.request.spec.requester->username;
    const api::PolicyRequesters& requesters = context.policy.spec().requesters;
    if (!username.starts_with(kPrefix) || requesters.allow_service_accounts) return std::nullopt;
    // The user name of "ns/name" is "system:serviceaccount:ns:name". What only looks like one is on no list.
    const std::string_view account = username.substr(kPrefix.size());
    const bool listed = std::ranges::any_of(requesters.service_accounts, [&](std::string entry) {
        if (const std::size_t slash = entry.find('/'); slash != std::string::npos) entry[slash] = ':';
        return entry == account;
    });
    if (listed) return std::nullopt;
    return deny(Reason::requester_not_allowed,
                "requester " + quoted(username) + " is a service account, which " + policy_name(context) +
                    " does not allow; list it in requesters.serviceAccounts as namespace/name, or ask as a user");
}

// Images.

RuleResult check_image_denied(const RuleContext& context) {
    for (const CompiledPolicy* const policy : context.selecting) {
        const ImagePattern* const pattern = policy->denying(context.image);
        if (pattern == nullptr) continue;
        return deny(Reason::image_denied, "spec.image: " + context.image.canonical() +
                                              " is denied by images.deny of policy " + quoted(policy->name()) + " (" +
                                              pattern->text() + "); choose another image");
    }
    return std::nullopt;
}

RuleResult check_image_allowed(const RuleContext& context) {
    if (context.policy.allowing(context.image) != nullptr) return std::nullopt;
    return deny(Reason::image_not_allowed, "spec.image: " + context.image.canonical() +
                                               " is not allowed by images.allow of " + policy_name(context) + " (" +
                                               joined(context.policy.spec().images.allow) + ")");
}

RuleResult check_digest(const RuleContext& context) {
    if (!context.policy.spec().images.require_digest || !context.image.digest.empty()) return std::nullopt;
    return deny(Reason::digest_required, "spec.image: " + policy_name(context) +
                                             " wants a digest (images.requireDigest); write name@sha256:...");
}

// The container.

RuleResult check_profile(const RuleContext& context) {
    const std::string& name = context.facts.request.spec.profile;
    const auto profile = profile_from_string(name);
    if (profile && context.policy.allows_profile(*profile)) return std::nullopt;
    return deny(Reason::profile_not_allowed, "spec.profile: " + quoted(name) + " is not allowed by profiles of " +
                                                 policy_name(context) + " (" + joined(context.policy.spec().profiles) +
                                                 ")");
}

RuleResult check_run_as(const RuleContext& context) {
    auto identity = resolve_run_as(context);
    if (identity) return std::nullopt;
    return std::move(identity.error());
}

RuleResult check_env(const RuleContext& context) {
    const std::vector<std::string>& allowed = context.policy.spec().env_allowed_names;
    for (const api::EnvVar& variable : context.facts.request.spec.env) {
        if (any_matches(allowed, variable.name)) continue;
        return deny(Reason::env_not_allowed, "spec.env: " + quoted(variable.name) +
                                                 " is not allowed by env.allowedNames of " + policy_name(context) +
                                                 " (" + joined(allowed) + ")");
    }
    return std::nullopt;
}

RuleResult check_command(const RuleContext& context) {
    const api::DebugRequestSpec& spec = context.facts.request.spec;
    const auto& prefixes = context.policy.spec().commands;
    if (spec.mode != api::Mode::command || prefixes.empty()) return std::nullopt;
    const auto fits = [&](const std::vector<std::string>& prefix) {
        // Without a command the image's own entry point runs, whatever that is: `args` alone are no argv.
        if (spec.command.empty() || prefix.size() > spec.command.size() + spec.args.size()) return false;
        for (std::size_t i = 0; i < prefix.size(); ++i) {
            const bool in_command = i < spec.command.size();
            if (prefix[i] != (in_command ? spec.command[i] : spec.args[i - spec.command.size()])) return false;
        }
        return true;
    };
    if (std::ranges::any_of(prefixes, fits)) return std::nullopt;
    return deny(Reason::command_not_allowed,
                "spec.command: begins with none of the commands of " + policy_name(context));
}

// The target.

RuleResult check_target_allowed(const RuleContext& context) {
    if (context.pod == nullptr || context.target == nullptr) return std::nullopt;
    const api::PolicyTargets& targets = context.policy.spec().targets;
    const auto refuse = [&](const std::string& what, std::string_view field) {
        return deny(Reason::target_not_allowed, "spec.target: " + what + " is not allowed by targets." +
                                                    std::string(field) + " of " + policy_name(context));
    };
    if (!targets.pod_selector.matches(context.pod->labels)) return refuse("a Pod with these labels", "podSelector");
    const std::string& container = context.target->name;
    if (!targets.containers.empty() && !any_matches(targets.containers, container)) {
        return refuse("container " + quoted(container), "containers");
    }
    if (!any_matches(targets.allow_service_accounts, context.pod->service_account)) {
        return refuse("a Pod that runs as service account " + quoted(context.pod->service_account),
                      "allowServiceAccounts");
    }
    return std::nullopt;
}

RuleResult check_trait(const RuleContext& context, bool present, bool allowed, Reason reason, const char* what,
                       const char* field) {
    if (!present || allowed) return std::nullopt;
    return deny(reason, std::string("spec.target: the Pod ") + what + ", which " + policy_name(context) +
                            " does not allow (targets." + field + ")");
}

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

// Reason, time, number.

RuleResult check_reason(const RuleContext& context) {
    const std::string& reason = context.facts.request.spec.reason;
    const api::PolicyReason& wanted = context.policy.spec().reason;
    if (reason.empty()) {
        if (!wanted.is_required()) return std::nullopt;
        return deny(Reason::reason_not_accepted, "spec.reason: " + policy_name(context) + " wants a reason" +
                                                     (wanted.pattern.empty() ? "" : " that matches " + wanted.pattern));
    }
    if (context.policy.reason_matches(reason)) return std::nullopt;
    return deny(Reason::reason_not_accepted,
                "spec.reason: does not match reason.pattern of " + policy_name(context) + " (" + wanted.pattern + ")");
}

RuleResult check_deadline(const RuleContext& context) {
    const auto& wanted = context.facts.request.spec.deadline_seconds;
    const std::int64_t most = context.policy.spec().limits.max_deadline_seconds;
    if (!wanted || *wanted <= most) return std::nullopt;
    return deny(Reason::deadline_too_long, "spec.deadlineSeconds: " + policy_name(context) + " allows at most " +
                                               std::to_string(most) + " (limits.maxDeadlineSeconds)");
}

RuleResult check_exclusive(const RuleContext& context) {
    if (!context.policy.spec().limits.exclusive || context.target == nullptr) return std::nullopt;
    const auto& open = context.facts.sessions.open_in_containers;
    if (std::ranges::find(open, context.target->name) == open.end()) return std::nullopt;
    return deny(Reason::session_exists, "another session is open in container " + quoted(context.target->name) +
                                            ", and " + policy_name(context) +
                                            " allows one at a time (limits.exclusive)");
}

RuleResult check_limits(const RuleContext& context) {
    const api::PolicyLimits& limits = context.policy.spec().limits;
    const Sessions& sessions = context.facts.sessions;
    const auto full = [&](std::int64_t active, std::int64_t most, const char* where, const char* field) -> RuleResult {
        if (active < most) return std::nullopt;
        return deny(Reason::limit_exceeded, std::to_string(active) + " sessions are active " + where + ", and " +
                                                policy_name(context) + " allows " + std::to_string(most) + " (limits." +
                                                field + "); ask again when one has ended");
    };
    if (auto denial = full(sessions.in_pod, limits.max_per_pod, "in the Pod", "maxPerPod")) return denial;
    if (auto denial =
            full(sessions.in_namespace, limits.max_active_per_namespace, "in the namespace", "maxActivePerNamespace")) {
        return denial;
    }
    return full(sessions.by_requester, limits.max_active_per_requester, "by this requester", "maxActivePerRequester");
}

constexpr auto kPolicyRules = std::to_array<RuleResult (*)(const RuleContext&)>({
    check_requester,
    check_image_denied,
    check_image_allowed,
    check_digest,
    check_profile,
    check_run_as,
    check_env,
    check_command,
    check_target_allowed,
    check_host_pid,
    check_host_network,
    check_host_ipc,
    check_privileged,
    check_reason,
    check_deadline,
    check_exclusive,
    check_limits,
});

RuleResult check_container_found(const api::DebugRequest& request, const PodView& pod,
                                 const PodView::Container* target) {
    if (target != nullptr) return std::nullopt;
    std::vector<std::string> names;
    for (const PodView::Container& container : pod.containers) names.push_back(container.name);
    const std::string& asked =
        request.spec.target.container.empty() ? pod.default_container : request.spec.target.container;
    return deny(Reason::container_not_found,
                "spec.target.container: the Pod has no container " + quoted(asked) + "; it has " + joined(names));
}

}  // namespace

RuleResult check_target(const api::DebugRequest& request, const PodView& pod, const PodView::Container* target) {
    if (auto denial = check_container_found(request, pod, target)) return denial;
    const std::string name = "spec.target.podName: Pod " + quoted(pod.name);
    if (pod.node_name.empty()) {
        return deny(Reason::target_not_scheduled, name + " is not assigned to a node yet; ask again when it runs");
    }
    const bool ended = pod.phase == "Succeeded" || pod.phase == "Failed";
    if (pod.phase != "Running" && !ended) {
        return deny(Reason::target_not_running, name + " is not running (phase " +
                                                    quoted(pod.phase.empty() ? "Unknown" : pod.phase) +
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

RuleResult check_policy(const RuleContext& context) {
    for (const auto rule : kPolicyRules) {
        if (auto denial = rule(context)) return denial;
    }
    return std::nullopt;
}

std::expected<Identity, Denial> resolve_run_as(const RuleContext& context) {
    const api::DebugRequestSpec& spec = context.facts.request.spec;
    const api::PolicyRunAs& allowed = context.policy.spec().run_as;
    const bool restricted = spec.profile == to_string(Profile::restricted);
    const auto refuse = [](std::string message) {
        return std::unexpected(deny(Reason::run_as_not_allowed, std::move(message)));
    };

    if (!spec.run_as) {
        const bool nobody_named = context.pod != nullptr && !context.pod->run_as_user;
        if (restricted && nobody_named) return Identity{.user = allowed.default_user, .group = std::nullopt};
        return Identity{};
    }
    Identity identity{.user = spec.run_as->user, .group = spec.run_as->group};
    std::string field = "spec.runAs.user: ";
    if (spec.run_as->match_target) {
        field = "spec.runAs.matchTarget: ";
        if (!allowed.allow_match_target) {
            return refuse(field + "is not allowed by runAs.allowMatchTarget of " + policy_name(context));
        }
        if (context.pod == nullptr || context.target == nullptr) return Identity{};
        identity.user = context.target->run_as_user ? context.target->run_as_user : context.pod->run_as_user;
        identity.group = context.target->run_as_group ? context.target->run_as_group : context.pod->run_as_group;
        if (!identity.user) {
            return refuse(field + "the Pod does not say which user its container runs as; name one in spec.runAs.user");
        }
    }
    if (*identity.user < allowed.min_user) {
        return refuse(field + "user " + std::to_string(*identity.user) + " is below runAs.minUser of " +
                      policy_name(context) + " (" + std::to_string(allowed.min_user) + ")");
    }
    if (restricted && *identity.user == 0) {
        return refuse(field + "profile restricted does not run as user 0; choose another user or profile");
    }
    return identity;
}

}  // namespace endoscope::controller
