#include "controller/policy.hpp"

#include "api/debug_request.hpp"
#include "api/text.hpp"
#include "controller/custom_profile.hpp"
#include "controller/name_glob.hpp"
#include "controller/profile.hpp"

#include <nlohmann/json.hpp>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace endoscope::controller {
namespace {

constexpr std::string_view kSystemNamespace = "kube-system";
// The same as in the CRD.
constexpr std::size_t kMaxReasonPattern = 512;  // Characters.
constexpr std::int64_t kMaxPlacesInPod = 100;
constexpr std::int64_t kMaxPlaces = 10000;
constexpr std::int64_t kMaxStartDeadline = 86400;
constexpr std::int64_t kMaxApprovals = 5;
constexpr std::int64_t kMaxApprovalTimeout = 604800;

bool is_glob(std::string_view text) {
    return text.contains('*');
}

bool has_only(std::string_view text, bool (*is_wanted)(char)) {
    return std::ranges::all_of(text, is_wanted);
}

bool is_label_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '*';
}
bool is_subdomain_char(char c) {
    return is_label_char(c) || c == '.';
}

bool is_env_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '*';
}

bool is_name_or_glob(std::string_view text, bool (*is_name)(std::string_view), bool (*is_glob_char)(char)) {
    return is_glob(text) ? text.size() <= 253 && has_only(text, is_glob_char) : is_name(text);
}

bool is_service_account(std::string_view text) {
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && api::is_dns_label(text.substr(0, slash)) &&
           api::is_dns_subdomain(text.substr(slash + 1));
}

std::string item(std::string_view list, std::size_t index) {
    return std::string(list).append("[").append(std::to_string(index)).append("]");
}

using Errors = std::optional<api::FieldError>;

void fail(Errors& error, std::string field, std::string message) {
    if (!error) error = api::FieldError{std::move(field), std::move(message)};
}

void check_each(Errors& error, std::string_view list, const std::vector<std::string>& entries, const char* message,
                const auto& is_valid) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (!is_valid(entries[i])) fail(error, item(list, i), message);
    }
}

void check_range(Errors& error, const char* field, std::int64_t value, std::int64_t least, std::int64_t most) {
    if (value >= least && value <= most) return;
    fail(error, field, "must be from " + std::to_string(least) + " to " + std::to_string(most));
}

void check_names(Errors& error, const api::DebugPolicySpec& spec) {
    check_each(error, "spec.namespaces.names", spec.namespaces.names, "must be a namespace's name, or a glob with `*`",
               [](std::string_view n) { return is_name_or_glob(n, api::is_dns_label, is_label_char); });
    check_each(error, "spec.requesters.serviceAccounts", spec.requesters.service_accounts,
               "must be <namespace>/<name> of a service account", is_service_account);
    check_each(error, "spec.env.allowedNames", spec.env_allowed_names,
               "must be the name of an environment variable, or a glob with `*`",
               [](std::string_view n) { return is_name_or_glob(n, api::is_env_name, is_env_char); });
    check_each(error, "spec.targets.containers", spec.targets.containers,
               "must be a container's name, or a glob with `*`",
               [](std::string_view n) { return is_name_or_glob(n, api::is_dns_label, is_label_char); });
    check_each(error, "spec.targets.allowServiceAccounts", spec.targets.allow_service_accounts,
               "must be the name of a service account in the Pod's namespace, or a glob with `*`",
               [](std::string_view n) { return is_name_or_glob(n, api::is_dns_subdomain, is_subdomain_char); });
    for (std::size_t i = 0; i < spec.commands.size(); ++i) {
        if (spec.commands[i].empty()) fail(error, item("spec.commands", i), "must not be empty");
    }
}

/// The profiles that the policy allows. Its own are allowed by being there; `profiles` may name them too.
std::map<std::string, api::SecurityContext, std::less<>> compile_profiles(Errors& error,
                                                                          const api::DebugPolicySpec& spec) {
    std::map<std::string, api::SecurityContext, std::less<>> profiles;
    for (std::size_t i = 0; i < spec.custom_profiles.size(); ++i) {
        const api::CustomProfile& custom = spec.custom_profiles[i];
        const std::string field = item("spec.customProfiles", i) + ".";
        if (auto wrong = check_custom_profile(custom)) fail(error, field + wrong->field, wrong->message);
        if (!profiles.emplace(custom.name, custom.security_context).second) {
            fail(error, field + "name", "is already in the list");
        }
    }
    for (std::size_t i = 0; i < spec.profiles.size(); ++i) {
        const std::string& name = spec.profiles[i];
        if (auto builtin = builtin_profile(name)) {
            profiles.emplace(name, *std::move(builtin));
        } else if (!profiles.contains(name)) {
            fail(error, item("spec.profiles", i),
                 "must be one of restricted, baseline, general, netadmin, sysadmin, or a name of customProfiles");
        }
    }
    return profiles;
}

void check_numbers(Errors& error, const api::DebugPolicySpec& spec) {
    const api::PolicyLimits& limits = spec.limits;
    check_range(error, "spec.runAs.minUser", spec.run_as.min_user, 0, api::bounds::kMaxId);
    // It fills in where the profile is `restricted`, which refuses user 0.
    if (spec.run_as.default_user) {
        check_range(error, "spec.runAs.defaultUser", *spec.run_as.default_user, 1, api::bounds::kMaxId);
    }
    const std::int64_t deadline = api::bounds::kMaxDeadlineSeconds;
    check_range(error, "spec.limits.maxDeadlineSeconds", limits.max_deadline_seconds, 1, deadline);
    check_range(error, "spec.limits.defaultDeadlineSeconds", limits.default_deadline_seconds, 1, deadline);
    check_range(error, "spec.limits.startDeadlineSeconds", limits.start_deadline_seconds, 1, kMaxStartDeadline);
    check_range(error, "spec.limits.maxPerPod", limits.max_per_pod, 1, kMaxPlacesInPod);
    check_range(error, "spec.limits.maxActivePerNamespace", limits.max_active_per_namespace, 1, kMaxPlaces);
    check_range(error, "spec.limits.maxActivePerRequester", limits.max_active_per_requester, 1, kMaxPlaces);
    check_range(error, "spec.limits.maxPods", limits.max_pods, 1, api::bounds::kMaxPods);
    if (spec.approval) {
        check_range(error, "spec.approval.required", spec.approval->required, 0, kMaxApprovals);
        check_range(error, "spec.approval.timeoutSeconds", spec.approval->timeout_seconds, 1, kMaxApprovalTimeout);
    }
}

std::vector<ImagePattern> compile(Errors& error, std::string_view list, const std::vector<std::string>& texts) {
    std::vector<ImagePattern> patterns;
    patterns.reserve(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        auto pattern = ImagePattern::parse(texts[i]);
        if (pattern) {
            patterns.push_back(*std::move(pattern));
        } else {
            fail(error, item(list, i), "is not a valid image pattern: " + pattern.error());
        }
    }
    return patterns;
}

const ImagePattern* first_match(const std::vector<ImagePattern>& patterns, const ImageReference& image,
                                ImagePattern::Use use) {
    const auto found = std::ranges::find_if(patterns, [&](const auto& pattern) { return pattern.matches(image, use); });
    return found == patterns.end() ? nullptr : &*found;
}

std::unique_ptr<re2::RE2> compile_reason(Errors& error, const std::string& pattern) {
    if (pattern.empty()) return nullptr;
    if (api::character_count(pattern) > kMaxReasonPattern) {
        fail(error, "spec.reason.pattern", "must be at most 512 characters long");
        return nullptr;
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto expression = std::make_unique<re2::RE2>(pattern, options);
    if (!expression->ok()) {
        fail(error, "spec.reason.pattern", "is not a valid RE2 expression: " + api::printable(expression->error()));
    }
    return expression;
}

}  // namespace

CompiledPolicy::CompiledPolicy(api::DebugPolicy policy) : CompiledPolicy(std::move(policy), std::nullopt) {}

CompiledPolicy::CompiledPolicy(api::DebugPolicy policy, std::optional<api::FieldError> error)
    : policy_(std::move(policy)), error_(std::move(error)) {
    const api::DebugPolicySpec& spec = policy_.spec;
    check_names(error_, spec);
    allow_ = compile(error_, "spec.images.allow", spec.images.allow);
    deny_ = compile(error_, "spec.images.deny", spec.images.deny);
    profiles_ = compile_profiles(error_, spec);
    reason_ = compile_reason(error_, spec.reason.pattern);
    check_numbers(error_, spec);
}

CompiledPolicy::~CompiledPolicy() = default;

std::shared_ptr<const CompiledPolicy> CompiledPolicy::from_json(const nlohmann::json& object) {
    auto policy = api::parse_debug_policy(object);
    if (policy) return std::make_shared<const CompiledPolicy>(*std::move(policy));
    // Keep what can be read of it, so that it still selects and still denies.
    api::DebugPolicy rest = api::parse_policy_record(object);
    if (auto namespaces = api::parse_policy_namespaces(object)) rest.spec.namespaces = *std::move(namespaces);
    rest.spec.images.deny = api::readable_denials(object);
    return std::shared_ptr<const CompiledPolicy>(new CompiledPolicy(std::move(rest), std::move(policy.error())));
}

CompiledPolicy::Selection CompiledPolicy::selects(std::string_view namespace_name, const api::Labels* labels) const {
    if (names_literally(namespace_name)) return Selection::selected;
    if (namespace_name == kSystemNamespace) return Selection::not_selected;
    const api::PolicyNamespaces& namespaces = policy_.spec.namespaces;
    if (std::ranges::any_of(namespaces.names, [&](const auto& name) { return glob_matches(name, namespace_name); })) {
        return Selection::selected;
    }
    if (namespaces.selector.empty()) return Selection::not_selected;
    if (labels == nullptr) return Selection::needs_labels;
    return namespaces.selector.matches(*labels) ? Selection::selected : Selection::not_selected;
}

bool CompiledPolicy::names_literally(std::string_view namespace_name) const {
    return std::ranges::find(policy_.spec.namespaces.names, namespace_name) != policy_.spec.namespaces.names.end();
}

const ImagePattern* CompiledPolicy::allowing(const ImageReference& image) const {
    return first_match(allow_, image, ImagePattern::Use::allow);
}

const ImagePattern* CompiledPolicy::denying(const ImageReference& image) const {
    return first_match(deny_, image, ImagePattern::Use::deny);
}

bool CompiledPolicy::reason_matches(std::string_view reason) const {
    return reason_ == nullptr || re2::RE2::PartialMatch(re2::StringPiece(reason.data(), reason.size()), *reason_);
}

const api::SecurityContext* CompiledPolicy::profile(std::string_view name) const {
    const auto found = profiles_.find(name);
    return found == profiles_.end() ? nullptr : &found->second;
}

}  // namespace endoscope::controller
