#pragma once

#include "controller/image_reference.hpp"
#include "controller/verdict.hpp"

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace endoscope::controller {

// The single rules of the verdict, for verdict.cpp only; each says of itself why it denies, or that it does not. Their
// order is in verdict_rules.cpp.

/// Why a rule denies.
struct Denial {
    api::Reason reason;
    std::string message;  ///< Names the field and what to do.
};

using RuleResult = std::optional<Denial>;

/// What the rules of one policy look at. `pod` and `target` are nullptr while the Pod has not been looked up; rules
/// that need them then pass.
struct RuleContext {
    const Facts& facts;
    const CompiledPolicy& policy;
    const ImageReference& image;
    /// The first policy that selects the namespace and denies the image, with the pattern; nullptr where none does.
    const CompiledPolicy* denying_policy = nullptr;
    const ImagePattern* denying_pattern = nullptr;
    /// Whether the requester is known to be authorised. Until then no message quotes the lists of a policy.
    bool is_authorized = false;
    const PodView* pod = nullptr;
    const PodView::Container* target = nullptr;
};

/// Whether the Pod, and the container in it, can be debugged at all. `target` is nullptr where there is no such one.
RuleResult check_target(const api::DebugRequest& request, const PodView& pod, const PodView::Container* target);

/// The rules of a policy from "who" to "number", in their order; the first that fails.
RuleResult check_policy(const RuleContext& context);

/// The security context that the container ends with under a policy: the profile's, with the user and group of
/// `runAs`; or why it may not have it.
std::expected<api::SecurityContext, Denial> resolve_security_context(const RuleContext& context);

/// Pod Security Standards at the namespace's level, on the Pod, which must have been looked up, with the container
/// added. Passes while the labels of the namespace have not been looked up.
RuleResult check_pod_security(const RuleContext& context, const ContainerPlan& plan);

namespace rules {

/// The profile, then `runAs`.
RuleResult check_security_context(const RuleContext& context);
RuleResult check_env(const RuleContext& context);
RuleResult check_command(const RuleContext& context);

RuleResult check_target_allowed(const RuleContext& context);
RuleResult check_host_pid(const RuleContext& context);
RuleResult check_host_network(const RuleContext& context);
RuleResult check_host_ipc(const RuleContext& context);
RuleResult check_privileged(const RuleContext& context);

RuleResult check_deadline(const RuleContext& context);
RuleResult check_number_of_targets(const RuleContext& context);
RuleResult check_exclusive(const RuleContext& context);
RuleResult check_limits(const RuleContext& context);

inline Denial deny(api::Reason reason, std::string message) {
    return {reason, std::move(message)};
}

/// The text in quotation marks, printable.
std::string in_quotes(std::string_view text);

/// `policy "name"`.
std::string policy_name(const RuleContext& context);

/// " (a, b)" for what a list of the policy has, cut where it is long, or nothing for a requester who may not know yet.
std::string listed(const RuleContext& context, const std::vector<std::string>& names);

/// Whether one of the names or globs matches.
bool any_matches(const std::vector<std::string>& globs, std::string_view name);

}  // namespace rules
}  // namespace endoscope::controller
