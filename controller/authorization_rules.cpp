#include "controller/verdict_rules.hpp"

#include <utility>

// The rules about the right to ask: may the author speak for another, may the subject debug the Pods or use the policy.
// Nothing here says anything about a Pod, not even whether it exists.

namespace endoscope::controller {

using api::Reason;
using rules::deny;
using rules::in_quotes;

namespace {

bool is_on_behalf(const Facts& facts) {
    return facts.request.spec.on_behalf_of_username.has_value();
}

std::string requester(const Facts& facts) {
    return "requester " + in_quotes(facts.request.spec.requester->username);
}

/// Whose rights are asked for, for messages.
std::string subject(const Facts& facts) {
    if (!is_on_behalf(facts)) return requester(facts);
    return in_quotes(*facts.request.spec.on_behalf_of_username) + ", on whose behalf " + requester(facts) + " asks,";
}

/// Says nothing about that user: only what the author may do.
RuleResult check_impersonation(const Facts& facts) {
    if (!is_on_behalf(facts) || !facts.impersonation) return std::nullopt;
    const std::string other = in_quotes(*facts.request.spec.on_behalf_of_username);
    switch (*facts.impersonation) {
        case Authorization::allowed:
            return std::nullopt;
        case Authorization::failed:
            return deny(Reason::authorization_failed, "spec.onBehalfOf: whether " + requester(facts) +
                                                          " may impersonate " + other +
                                                          " could not be checked; it will be tried again");
        case Authorization::denied:
            break;
    }
    return deny(Reason::not_authorized, "spec.onBehalfOf: " + requester(facts) + " may not impersonate " + other +
                                            "; ask for a Role with verb impersonate on that user, or leave "
                                            "spec.onBehalfOf out");
}

std::optional<Authorization> right_of_subject(const Facts& facts, const CompiledPolicy& policy) {
    switch (policy.spec().authorization) {
        case api::AuthorizationMode::pod_permission:
            return facts.pod_permission;
        case api::AuthorizationMode::use_policy: {
            const auto found = facts.use_policy.find(policy.name());
            if (found == facts.use_policy.end()) return std::nullopt;
            return found->second;
        }
    }
    return Authorization::denied;
}

}  // namespace

std::optional<Need> missing_authorization(const Facts& facts, const CompiledPolicy& policy) {
    if (is_on_behalf(facts)) {
        if (!facts.impersonation) return Need{.what = Need::What::impersonation};
        if (facts.impersonation != Authorization::allowed) return std::nullopt;
    }
    if (right_of_subject(facts, policy)) return std::nullopt;
    if (policy.spec().authorization == api::AuthorizationMode::pod_permission) {
        return Need{.what = Need::What::pod_permission};
    }
    return Need{.what = Need::What::use_policy, .policy = policy.name()};
}

bool is_authorized(const Facts& facts, const CompiledPolicy& policy) {
    const bool may_ask = !is_on_behalf(facts) || facts.impersonation == Authorization::allowed;
    return may_ask && right_of_subject(facts, policy) == Authorization::allowed;
}

RuleResult check_authorization(const Facts& facts, const CompiledPolicy& policy) {
    if (auto denial = check_impersonation(facts)) return denial;
    const auto right = right_of_subject(facts, policy);
    if (!right || right == Authorization::allowed) return std::nullopt;
    const std::string who = subject(facts) + " ";
    if (right == Authorization::failed) {
        return deny(Reason::authorization_failed,
                    "whether " + who + "may do this could not be checked; it will be tried again");
    }
    const std::string where = " in namespace " + in_quotes(facts.request.namespace_name);
    // The same words whether the Pod exists or not: who may not debug it is not told either.
    if (policy.spec().authorization == api::AuthorizationMode::pod_permission) {
        const std::string& name = facts.request.spec.target.pod_name;
        return deny(Reason::not_authorized, who + "may not patch pods/ephemeralcontainers of " +
                                                (name.empty() ? "Pods" : "Pod " + in_quotes(name)) + where +
                                                ", or there is no such Pod; ask for a Role that allows it");
    }
    return deny(Reason::not_authorized, who + "may not use DebugPolicy " + in_quotes(policy.name()) + where +
                                            "; ask for a Role with verb use on debugpolicies/" + policy.name());
}

}  // namespace endoscope::controller
