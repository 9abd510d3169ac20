#pragma once

#include "api/condition.hpp"
#include "api/field_error.hpp"
#include "api/label_selector.hpp"
#include "api/security_context.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::api {

/// How a requester shows that he may debug.
enum class AuthorizationMode : std::uint8_t {
    pod_permission,  ///< Holds `patch pods/ephemeralcontainers` on the Pod.
    use_policy,      ///< Holds `use` on the DebugPolicy, in the request's namespace.
};

enum class OnExpiry : std::uint8_t { report, terminate, evict_pod };
enum class AfterSession : std::uint8_t { keep, evict_pod };

/// `spec.namespaces`: a namespace is selected where either matches. Both empty: none.
struct PolicyNamespaces {
    std::vector<std::string> names;  ///< Names, or globs with `*`.
    LabelSelector selector;          ///< Empty: none.

    bool operator==(const PolicyNamespaces&) const = default;
};

/// `spec.requesters`. People are always welcome; service accounts only so.
struct PolicyRequesters {
    bool allow_service_accounts = false;
    std::vector<std::string> service_accounts;  ///< "<namespace>/<name>".

    bool operator==(const PolicyRequesters&) const = default;
};

/// `spec.images`. An empty `allow` allows none.
struct PolicyImages {
    std::vector<std::string> allow;
    std::vector<std::string> deny;
    bool require_digest = false;

    bool operator==(const PolicyImages&) const = default;
};

/// `spec.runAs`.
struct PolicyRunAs {
    bool allow_match_target = false;
    std::int64_t min_user = 1;
    std::optional<std::int64_t> default_user;

    bool operator==(const PolicyRunAs&) const = default;
};

/// `spec.targets`. Empty `pod_selector` and `containers` mean any; `allow_service_accounts` is ["*"] by default.
struct PolicyTargets {
    LabelSelector pod_selector;
    std::vector<std::string> containers;
    bool allow_host_pid = false;
    bool allow_host_network = false;
    bool allow_host_ipc = false;
    bool allow_privileged = false;
    std::vector<std::string> allow_service_accounts = {"*"};

    bool operator==(const PolicyTargets&) const = default;
};

/// `spec.reason`. Where `required` is not given, a pattern makes a reason required.
struct PolicyReason {
    std::optional<bool> required;
    std::string pattern;  ///< RE2, not anchored. Empty: any.

    bool is_required() const { return required.value_or(!pattern.empty()); }
    bool operator==(const PolicyReason&) const = default;
};

/// One of `spec.customProfiles`: a profile of the administrator's own.
struct CustomProfile {
    std::string name;
    SecurityContext security_context;

    bool operator==(const CustomProfile&) const = default;
};

/// `spec.approval`. A block without `required` asks for one approver.
struct PolicyApproval {
    std::int64_t required = 1;
    std::int64_t timeout_seconds = 900;

    bool operator==(const PolicyApproval&) const = default;
};

/// `spec.limits`.
struct PolicyLimits {
    std::int64_t max_deadline_seconds = 14400;
    std::int64_t default_deadline_seconds = 3600;  ///< Never more than max_deadline_seconds, whatever it says.
    std::int64_t start_deadline_seconds = 120;
    std::int64_t max_per_pod = 5;
    bool exclusive = false;
    std::int64_t max_active_per_namespace = 20;
    std::int64_t max_active_per_requester = 5;
    std::int64_t max_pods = 5;

    bool operator==(const PolicyLimits&) const = default;
};

/// `spec` of a DebugPolicy.
struct DebugPolicySpec {
    PolicyNamespaces namespaces;
    AuthorizationMode authorization = AuthorizationMode::pod_permission;
    PolicyRequesters requesters;
    PolicyImages images;
    std::vector<std::string> profiles;  ///< Built-in ones, and such as `custom_profiles` defines.
    std::vector<CustomProfile> custom_profiles;
    PolicyRunAs run_as;
    std::vector<std::string> env_allowed_names;      ///< `env.allowedNames`; names, or globs with `*`. Empty: none.
    std::vector<std::vector<std::string>> commands;  ///< Allowed beginnings of argv in Command mode. Empty: any.
    PolicyTargets targets;
    PolicyReason reason;
    std::optional<PolicyApproval> approval;
    PolicyLimits limits;
    OnExpiry on_expiry = OnExpiry::report;
    AfterSession after_session = AfterSession::keep;

    bool operator==(const DebugPolicySpec&) const = default;
};

/// `status` of a DebugPolicy.
struct DebugPolicyStatus {
    std::int64_t observed_generation = 0;
    std::string message;
    std::vector<Condition> conditions;

    bool operator==(const DebugPolicyStatus&) const = default;
};

/// A DebugPolicy (cluster scope).
struct DebugPolicy {
    std::string name;
    std::string uid;
    std::string resource_version;
    std::int64_t generation = 0;
    DebugPolicySpec spec;
    DebugPolicyStatus status;

    bool operator==(const DebugPolicy&) const = default;
};

/// Reads an object as the API server stores it; the same strictness as `parse_debug_request`. What the words of the
/// spec mean (patterns, globs, numbers) is judged by controller/policy.hpp. Never throws.
std::expected<DebugPolicy, FieldError> parse_debug_policy(const nlohmann::json& object);

/// Reads metadata and status of a policy whose spec may be wrong, as far as they can be read.
DebugPolicy parse_policy_record(const nlohmann::json& object);

/// Reads one part of a policy that may be wrong elsewhere: `spec.namespaces`.
std::expected<PolicyNamespaces, FieldError> parse_policy_namespaces(const nlohmann::json& object);

/// What can be read of `spec.images.deny` in a policy that may be wrong elsewhere, even in that list.
std::vector<std::string> readable_denials(const nlohmann::json& object);

/// The status as JSON, ready for the status subresource.
nlohmann::json to_json(const DebugPolicyStatus& status);

}  // namespace endoscope::api
