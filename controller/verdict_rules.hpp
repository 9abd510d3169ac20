#pragma once

#include "controller/image_reference.hpp"
#include "controller/verdict.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>

namespace endoscope::controller {

// The single rules of the verdict. For verdict.cpp only; each says of itself why it denies, or that it does not.

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
    std::span<const CompiledPolicy* const> selecting;  ///< All policies that select the namespace, also invalid ones.
    const ImageReference& image;
    const PodView* pod = nullptr;
    const PodView::Container* target = nullptr;
};

/// Whether the Pod, and the container in it, can be debugged at all. `target` is nullptr where there is no such one.
RuleResult check_target(const api::DebugRequest& request, const PodView& pod, const PodView::Container* target);

/// The rules of a policy from "who" to "number", in their order; the first that fails.
RuleResult check_policy(const RuleContext& context);

/// User and group that the container is given; absent ones are inherited from the Pod or the image.
struct Identity {
    std::optional<std::int64_t> user;
    std::optional<std::int64_t> group;
};

/// Which user and group the request ends with under a policy, or why it may not have them.
std::expected<Identity, Denial> resolve_run_as(const RuleContext& context);

}  // namespace endoscope::controller
