#pragma once

#include "api/debug_policy.hpp"
#include "controller/image_pattern.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace endoscope::controller {

/// A DebugPolicy made ready for judging: patterns parsed, expressions compiled. A policy that cannot be understood
/// whole is kept too, with its error: it allows nothing, but it still selects its namespaces, and those of its
/// `images.deny` patterns that can be read still deny.
class CompiledPolicy final {
  public:
    explicit CompiledPolicy(api::DebugPolicy policy);
    ~CompiledPolicy();
    CompiledPolicy(const CompiledPolicy&) = delete;
    CompiledPolicy& operator=(const CompiledPolicy&) = delete;

    /// From the object as stored. Never fails: what cannot be read gives an invalid policy.
    static std::shared_ptr<const CompiledPolicy> from_json(const nlohmann::json& object);

    const std::string& name() const { return policy_.name; }
    const std::string& uid() const { return policy_.uid; }
    std::int64_t generation() const { return policy_.generation; }
    const std::string& resource_version() const { return policy_.resource_version; }
    const api::DebugPolicySpec& spec() const { return policy_.spec; }
    const api::DebugPolicyStatus& status() const { return policy_.status; }

    /// What makes the policy invalid, naming the field; nothing for a valid one.
    const std::optional<api::FieldError>& error() const { return error_; }

    enum class Selection : std::uint8_t { selected, not_selected, needs_labels };

    /// Whether the policy selects the namespace. `labels` are the namespace's, nullptr when not looked up: then the
    /// answer is `needs_labels` where they would decide. Globs and label selectors never select kube-system.
    Selection selects(std::string_view namespace_name, const api::Labels* labels) const;

    /// Whether the policy names the namespace itself, not by a glob.
    bool names_literally(std::string_view namespace_name) const;

    /// The first pattern of `images.allow` or `images.deny` that matches, or nullptr.
    const ImagePattern* allowing(const ImageReference& image) const;
    const ImagePattern* denying(const ImageReference& image) const;

    /// Whether `reason.pattern` finds a match in the text; true without a pattern.
    bool reason_matches(std::string_view reason) const;

    /// The security context that the profile of that name gives, built-in or the policy's own; nullptr where the policy
    /// does not allow it.
    const api::SecurityContext* profile(std::string_view name) const;

  private:
    CompiledPolicy(api::DebugPolicy policy, std::optional<api::FieldError> error);

    api::DebugPolicy policy_;
    std::optional<api::FieldError> error_;
    std::vector<ImagePattern> allow_;
    std::vector<ImagePattern> deny_;
    std::map<std::string, api::SecurityContext, std::less<>> profiles_;
    std::unique_ptr<re2::RE2> reason_;
};

}  // namespace endoscope::controller
