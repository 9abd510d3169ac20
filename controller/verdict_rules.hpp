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

/// What the rules of one policy look at, on one of the request's Pods. `pod` and `target` are nullptr while the Pods
/// have not been looked up; rules that need them then pass.
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

RuleResult check_spec(const api::DebugRequest& request);

std::expected<ImageReference, Denial> read_image(const api::DebugRequest& request);

/// Whether it is known who asks.
RuleResult check_stamp(const Facts& facts);

RuleResult check_own_namespace(const Facts& facts);

/// The denial where no policy selects the namespace.
Denial no_policy_selects(const Facts& facts);

/// The look-up that is needed to know whether the request may go on under that policy; nothing where it is known.
std::optional<Need> missing_authorization(const Facts& facts, const CompiledPolicy& policy);

/// Whether author and subject are known to have the rights that the policy asks for.
bool is_authorized(const Facts& facts, const CompiledPolicy& policy);

/// Why they do not have them; passes what has not been looked up.
RuleResult check_authorization(const Facts& facts, const CompiledPolicy& policy);

/// The denial where there is no Pod.
Denial target_not_found(const api::DebugRequest& request);

/// Whether the Pod, and the container in it, can be debugged at all. `target` is nullptr where there is no such one.
RuleResult check_target(const api::DebugRequest& request, const PodView& pod, const PodView::Container* target);

/// The rules of a policy from "who" to "number", in their order; the first that fails.
RuleResult check_policy(const RuleContext& context);

/// The security context that the container ends with under a policy: the profile's, with the user and group of
/// `runAs`; or why it may not have it.
std::expected<api::SecurityContext, Denial> resolve_security_context(const RuleContext& context);

/// The container for the Pod, which must have been looked up, under a policy whose rules have passed.
ContainerPlan plan_container(const RuleContext& context);

/// Pod Security Standards at the namespace's level, on the Pod with the container added, under a policy whose rules
/// have passed. Passes while Pod or labels of the namespace have not been looked up.
RuleResult check_pod_security(const RuleContext& context);

/// What whoever asks should know of the containers that they get, once for all Pods.
std::vector<std::string> warnings_on(const Facts& facts, const std::vector<ContainerPlan>& plans);

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

/// How a message speaks of the Pod: "the Pod" where the request names it, else `Pod "name"`, since the requester has
/// not chosen it.
std::string pod_name(const api::DebugRequest& request, const PodView& pod);

/// ` of Pod "name"`, or nothing where the request names the Pod. For rules that have looked at one.
std::string of_pod(const RuleContext& context);

/// " (a, b)" for what a list of the policy has, cut where it is long, or nothing for a requester who may not know yet.
std::string listed(const RuleContext& context, const std::vector<std::string>& names);

/// Whether one of the names or globs matches.
bool any_matches(const std::vector<std::string>& globs, std::string_view name);

}  // namespace rules
}  // namespace endoscope::controller
