#include "api/text.hpp"
#include "controller/pod_security.hpp"
#include "controller/verdict_rules.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

// The rules about the container that is to be added.

namespace endoscope::controller {

using api::Reason;

namespace {

using namespace rules;

/// The user and group that the request asks for, where it asks.
std::expected<api::RunAs, Denial> asked_identity(const RuleContext& context, const api::RunAs& asked) {
    const auto refuse = [](std::string message) {
        return std::unexpected(deny(Reason::run_as_not_allowed, std::move(message)));
    };
    if (!asked.match_target) return asked;
    if (!context.policy.spec().run_as.allow_match_target) {
        return refuse("spec.runAs.matchTarget: is not allowed by runAs.allowMatchTarget of " + policy_name(context) +
                      "; leave it out or name a user");
    }
    if (context.pod == nullptr || context.target == nullptr) return api::RunAs{};
    api::RunAs found;
    found.user = context.target->run_as_user ? context.target->run_as_user : context.pod->run_as_user;
    found.group = context.target->run_as_group ? context.target->run_as_group : context.pod->run_as_group;
    if (found.user) return found;
    return refuse("spec.runAs.matchTarget: " + pod_name(context.facts.request, *context.pod) +
                  " does not say which user its container runs as; name one in spec.runAs.user");
}

}  // namespace

std::expected<api::SecurityContext, Denial> resolve_security_context(const RuleContext& context) {
    const api::DebugRequestSpec& spec = context.facts.request.spec;
    const api::PolicyRunAs& allowed = context.policy.spec().run_as;
    const api::SecurityContext* const profile = context.policy.profile(spec.profile);
    if (profile == nullptr) {
        std::vector<std::string> names = context.policy.spec().profiles;
        for (const api::CustomProfile& custom : context.policy.spec().custom_profiles) names.push_back(custom.name);
        return std::unexpected(deny(Reason::profile_not_allowed,
                                    "spec.profile: " + in_quotes(spec.profile) + " is not allowed by profiles of " +
                                        policy_name(context) + listed(context, names) + "; choose one that is"));
    }
    api::SecurityContext result = *profile;
    if (!spec.run_as) {
        const bool nobody_named = !result.run_as_user && context.pod != nullptr && !context.pod->run_as_user;
        if (result.run_as_non_root == true && nobody_named) result.run_as_user = allowed.default_user;
        return result;
    }
    const auto refuse = [&](std::string message) {
        const std::string field = spec.run_as->match_target ? "spec.runAs.matchTarget: " : "spec.runAs.user: ";
        return std::unexpected(deny(Reason::run_as_not_allowed, field + std::move(message)));
    };
    if (result.run_as_user) {
        return refuse("profile " + in_quotes(spec.profile) + " sets the user itself; leave spec.runAs out");
    }
    const auto asked = asked_identity(context, *spec.run_as);
    if (!asked) return std::unexpected(asked.error());
    if (!asked->user) return result;
    const std::string whose = spec.run_as->match_target ? of_pod(context) : std::string();
    if (*asked->user < allowed.min_user) {
        return refuse("user " + std::to_string(*asked->user) + whose + " is below runAs.minUser of " +
                      policy_name(context) + listed(context, {std::to_string(allowed.min_user)}));
    }
    if (result.run_as_non_root == true && *asked->user == 0) {
        return refuse("profile " + in_quotes(spec.profile) +
                      " does not run as user 0; choose another user or another profile");
    }
    result.run_as_user = asked->user;
    result.run_as_group = asked->group;
    return result;
}

ContainerPlan plan_container(const RuleContext& context) {
    // The rules of the policy have passed, so that there is a security context.
    return {.name = container_name(context.facts.request, context.pod->uid),
            .image = context.image.canonical(),
            .has_digest = !context.image.digest.empty(),
            .target_container = context.target->name,
            .profile = context.facts.request.spec.profile,
            .security_context = resolve_security_context(context).value_or(api::SecurityContext{})};
}

RuleResult check_pod_security(const RuleContext& context) {
    if (context.pod == nullptr || !context.facts.namespace_labels) return std::nullopt;
    const PodSecurityEnforcement enforcement = pod_security_enforcement(*context.facts.namespace_labels);
    if (enforcement.level == PodSecurityLevel::privileged) return std::nullopt;
    const api::DebugRequest& request = context.facts.request;
    const std::string pod = pod_name(request, *context.pod);
    if (context.pod->security == nullptr) {
        return deny(Reason::pod_security_violation, pod + " could not be judged by Pod Security Standards");
    }
    PodSecuritySubject changed = *context.pod->security;
    add_ephemeral_container(changed, build_ephemeral_container(request, plan_container(context)));
    const auto violation = pod_security_violation(changed, enforcement);
    if (!violation) return std::nullopt;
    // An old container that does not comply blocks every new one, and cannot be removed: another profile will not help.
    if (pod_security_violation(*context.pod->security, enforcement)) {
        return deny(Reason::pod_security_violation, "spec.target: " + pod +
                                                        " as it is breaks the rules of its namespace, so that nothing "
                                                        "can be added to it; debug another or replace it. With the "
                                                        "new container it " +
                                                        *violation);
    }
    return deny(Reason::pod_security_violation,
                "spec.profile: " + pod + " with the container of profile " + in_quotes(request.spec.profile) +
                    " breaks the rules of its namespace; choose a stricter profile. It " + *violation);
}

std::vector<std::string> warnings_on(const Facts& facts, const std::vector<ContainerPlan>& plans) {
    std::vector<const PodView*> nameless;
    std::vector<const PodView*> root;
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const PodView& pod = (*facts.pods)[i];
        const api::SecurityContext& context = plans[i].security_context;
        if (context.run_as_non_root != true || context.run_as_user) continue;
        if (!pod.run_as_user) nameless.push_back(&pod);
        if (pod.run_as_user == 0) root.push_back(&pod);
    }
    const auto named = [&](const std::vector<const PodView*>& pods) {
        const std::string others = pods.size() == 1 ? "" : " (and " + std::to_string(pods.size() - 1) + " more)";
        return pod_name(facts.request, *pods.front()) + others;
    };
    const std::string profile = "profile " + facts.request.spec.profile;
    std::vector<std::string> warnings;
    if (!nameless.empty()) {
        warnings.push_back(profile + " sets no user and " + named(nameless) +
                           " names none: the kubelet will refuse an image that runs as root; set spec.runAs.user");
    }
    if (!root.empty()) {
        warnings.push_back(named(root) + " runs as user 0, which the kubelet refuses with " + profile +
                           "; set spec.runAs.user");
    }
    return warnings;
}

namespace rules {

RuleResult check_security_context(const RuleContext& context) {
    auto resolved = resolve_security_context(context);
    if (resolved) return std::nullopt;
    return std::move(resolved.error());
}

RuleResult check_env(const RuleContext& context) {
    const std::vector<std::string>& allowed = context.policy.spec().env_allowed_names;
    for (const api::EnvVar& variable : context.facts.request.spec.env) {
        if (any_matches(allowed, variable.name)) continue;
        return deny(Reason::env_not_allowed, "spec.env: " + in_quotes(variable.name) +
                                                 " is not allowed by env.allowedNames of " + policy_name(context) +
                                                 listed(context, allowed));
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

}  // namespace rules
}  // namespace endoscope::controller
