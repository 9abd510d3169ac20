#include "controller/verdict_rules.hpp"

#include "api/text.hpp"
#include "controller/name_glob.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace endoscope::controller {

using api::Reason;

namespace rules {

std::string in_quotes(std::string_view text) {
    return "\"" + api::printable(text) + "\"";
}

std::string policy_name(const RuleContext& context) {
    return "policy " + in_quotes(context.policy.name());
}

std::string pod_name(const api::DebugRequest& request, const PodView& pod) {
    return request.spec.target.pod_name.empty() ? "Pod " + in_quotes(pod.name) : "the Pod";
}

std::string of_pod(const RuleContext& context) {
    const bool is_named = !context.facts.request.spec.target.pod_name.empty();
    return is_named ? std::string() : " of " + pod_name(context.facts.request, *context.pod);
}

std::string listed(const RuleContext& context, const std::vector<std::string>& names) {
    if (!context.is_authorized) return {};
    constexpr std::size_t kEnough = 400;
    std::string text;
    for (const std::string& name : names) {
        if (text.size() > kEnough) {
            text += ", ...";
            break;
        }
        text.append(text.empty() ? "" : ", ").append(api::printable(name));
    }
    return " (" + (text.empty() ? "none" : text) + ")";
}

bool any_matches(const std::vector<std::string>& globs, std::string_view name) {
    return std::ranges::any_of(globs, [&](const std::string& glob) { return glob_matches(glob, name); });
}

}  // namespace rules

namespace {

using namespace rules;

// Who.

/// Whether that user may ask as far as they are a service account.
RuleResult check_service_account(const RuleContext& context, std::string_view username, std::string_view role) {
    constexpr std::string_view kPrefix = "system:serviceaccount:";
    const api::PolicyRequesters& requesters = context.policy.spec().requesters;
    if (!username.starts_with(kPrefix) || requesters.allow_service_accounts) return std::nullopt;
    // The user name of "ns/name" is "system:serviceaccount:ns:name". What only looks like one is on no list.
    const std::string_view account = username.substr(kPrefix.size());
    const bool is_listed = std::ranges::any_of(requesters.service_accounts, [&](std::string entry) {
        if (const std::size_t slash = entry.find('/'); slash != std::string::npos) entry[slash] = ':';
        return entry == account;
    });
    if (is_listed) return std::nullopt;
    return deny(Reason::requester_not_allowed,
                std::string(role) + in_quotes(username) + " is a service account, which " + policy_name(context) +
                    " does not allow; list it in requesters.serviceAccounts as namespace/name, or ask as a user");
}

/// The author and, on whose behalf they ask: neither lends the other their right to ask.
RuleResult check_requester(const RuleContext& context) {
    const api::DebugRequestSpec& spec = context.facts.request.spec;
    auto denial = check_service_account(context, spec.requester->username, "requester ");
    if (denial || !spec.on_behalf_of_username) return denial;
    return check_service_account(context, *spec.on_behalf_of_username, "spec.onBehalfOf: ");
}

// Images.

RuleResult check_image_denied(const RuleContext& context) {
    if (context.denying_policy == nullptr) return std::nullopt;
    // Of another policy the requester is told that it denies, not how.
    const bool is_own = context.denying_policy == &context.policy;
    const std::string pattern = is_own ? listed(context, {context.denying_pattern->text()}) : std::string();
    return deny(Reason::image_denied,
                "spec.image: " + context.image.canonical() + " is denied by images.deny of policy " +
                    in_quotes(context.denying_policy->name()) + pattern + "; choose another image");
}

RuleResult check_image_allowed(const RuleContext& context) {
    if (context.policy.allowing(context.image) != nullptr) return std::nullopt;
    return deny(Reason::image_not_allowed, "spec.image: " + context.image.canonical() +
                                               " is not allowed by images.allow of " + policy_name(context) +
                                               listed(context, context.policy.spec().images.allow) +
                                               "; choose an image that is");
}

RuleResult check_digest(const RuleContext& context) {
    if (!context.policy.spec().images.require_digest || !context.image.digest.empty()) return std::nullopt;
    return deny(Reason::digest_required, "spec.image: " + policy_name(context) +
                                             " wants a digest (images.requireDigest); write name@sha256:...");
}

// The reason.

RuleResult check_reason(const RuleContext& context) {
    const std::string& reason = context.facts.request.spec.reason;
    const api::PolicyReason& wanted = context.policy.spec().reason;
    const std::string pattern = listed(context, {wanted.pattern});
    if (reason.empty()) {
        if (!wanted.is_required()) return std::nullopt;
        const std::string form = wanted.pattern.empty() ? "" : " that matches reason.pattern" + pattern;
        return deny(Reason::reason_not_accepted, "spec.reason: " + policy_name(context) + " wants a reason" + form);
    }
    if (context.policy.reason_matches(reason)) return std::nullopt;
    return deny(Reason::reason_not_accepted,
                "spec.reason: does not match reason.pattern of " + policy_name(context) + pattern);
}

constexpr auto kPolicyRules = std::to_array<RuleResult (*)(const RuleContext&)>({
    check_requester,
    check_image_denied,
    check_image_allowed,
    check_digest,
    check_security_context,
    check_env,
    check_command,
    check_target_allowed,
    check_host_pid,
    check_host_network,
    check_host_ipc,
    check_privileged,
    check_reason,
    check_deadline,
    check_number_of_targets,
    check_exclusive,
    check_limits,
});

}  // namespace

RuleResult check_policy(const RuleContext& context) {
    for (const auto rule : kPolicyRules) {
        if (auto denial = rule(context)) return denial;
    }
    return std::nullopt;
}

}  // namespace endoscope::controller
