#include "api/debug_policy.hpp"

#include "api/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace endoscope::api {
namespace {

using nlohmann::json;

PolicyNamespaces read_namespaces(JsonReader reader) {
    PolicyNamespaces namespaces{.names = reader.texts("names"), .selector = reader.label_selector("selector")};
    reader.no_others();
    return namespaces;
}

PolicyRequesters read_requesters(JsonReader reader) {
    PolicyRequesters requesters{.allow_service_accounts = reader.boolean("allowServiceAccounts").value_or(false),
                                .service_accounts = reader.texts("serviceAccounts")};
    reader.no_others();
    return requesters;
}

PolicyImages read_images(JsonReader reader) {
    PolicyImages images{.allow = reader.texts("allow"),
                        .deny = reader.texts("deny"),
                        .require_digest = reader.boolean("requireDigest").value_or(false)};
    reader.no_others();
    return images;
}

PolicyRunAs read_run_as(JsonReader reader) {
    PolicyRunAs run_as;
    run_as.allow_match_target = reader.boolean("allowMatchTarget").value_or(run_as.allow_match_target);
    run_as.min_user = reader.integer("minUser").value_or(run_as.min_user);
    run_as.default_user = reader.integer("defaultUser");
    reader.no_others();
    return run_as;
}

PolicyTargets read_targets(JsonReader reader) {
    PolicyTargets targets;
    targets.pod_selector = reader.label_selector("podSelector");
    targets.containers = reader.texts("containers");
    targets.allow_host_pid = reader.boolean("allowHostPID").value_or(false);
    targets.allow_host_network = reader.boolean("allowHostNetwork").value_or(false);
    targets.allow_host_ipc = reader.boolean("allowHostIPC").value_or(false);
    targets.allow_privileged = reader.boolean("allowPrivileged").value_or(false);
    if (reader.has("allowServiceAccounts")) targets.allow_service_accounts = reader.texts("allowServiceAccounts");
    reader.no_others();
    return targets;
}

PolicyReason read_reason(JsonReader reader) {
    PolicyReason reason{.required = reader.boolean("required"), .pattern = reader.text("pattern")};
    reader.no_others();
    return reason;
}

PolicyApproval read_approval(JsonReader reader) {
    PolicyApproval approval;
    approval.required = reader.integer("required").value_or(approval.required);
    approval.timeout_seconds = reader.integer("timeoutSeconds").value_or(approval.timeout_seconds);
    reader.no_others();
    return approval;
}

PolicyLimits read_limits(JsonReader reader) {
    PolicyLimits limits;
    const auto number = [&](std::string_view key, std::int64_t& value) { value = reader.integer(key).value_or(value); };
    number("maxDeadlineSeconds", limits.max_deadline_seconds);
    number("defaultDeadlineSeconds", limits.default_deadline_seconds);
    number("startDeadlineSeconds", limits.start_deadline_seconds);
    number("maxPerPod", limits.max_per_pod);
    limits.exclusive = reader.boolean("exclusive").value_or(limits.exclusive);
    number("maxActivePerNamespace", limits.max_active_per_namespace);
    number("maxActivePerRequester", limits.max_active_per_requester);
    number("maxPods", limits.max_pods);
    reader.no_others();
    return limits;
}

DebugPolicySpec read_spec(JsonReader reader) {
    DebugPolicySpec spec;
    spec.namespaces = read_namespaces(reader.object("namespaces"));
    spec.authorization =
        reader
            .word<AuthorizationMode>("authorization", {{"PodPermission", AuthorizationMode::pod_permission},
                                                       {"UsePolicy", AuthorizationMode::use_policy}})
            .value_or(AuthorizationMode::pod_permission);
    spec.requesters = read_requesters(reader.object("requesters"));
    spec.images = read_images(reader.object("images"));
    spec.profiles = reader.texts("profiles");
    reader.objects("customProfiles", [&](JsonReader& profile) {
        spec.custom_profiles.push_back({.name = profile.text("name"),
                                        .security_context = read_security_context(profile.object("securityContext"))});
        profile.no_others();
    });
    spec.run_as = read_run_as(reader.object("runAs"));
    JsonReader env = reader.object("env");
    spec.env_allowed_names = env.texts("allowedNames");
    env.no_others();
    spec.commands = reader.text_lists("commands");
    spec.targets = read_targets(reader.object("targets"));
    spec.reason = read_reason(reader.object("reason"));
    if (reader.has("approval")) spec.approval = read_approval(reader.object("approval"));
    spec.limits = read_limits(reader.object("limits"));
    spec.on_expiry = reader
                         .word<OnExpiry>("onExpiry", {{"Report", OnExpiry::report},
                                                      {"Terminate", OnExpiry::terminate},
                                                      {"EvictPod", OnExpiry::evict_pod}})
                         .value_or(OnExpiry::report);
    spec.after_session =
        reader.word<AfterSession>("afterSession", {{"Keep", AfterSession::keep}, {"EvictPod", AfterSession::evict_pod}})
            .value_or(AfterSession::keep);
    reader.no_others();
    return spec;
}

DebugPolicyStatus read_status(const json& object) {
    DebugPolicyStatus status;
    const auto found = object.find("status");
    if (found == object.end() || !found->is_object()) return status;
    // As with a request, a status is a record: what does not fit is left out.
    std::optional<FieldError> ignored;
    JsonReader reader(&*found, "status", ignored);
    status.observed_generation = reader.integer("observedGeneration").value_or(0);
    status.message = reader.text("message");
    if (const auto list = found->find("conditions"); list != found->end()) status.conditions = parse_conditions(*list);
    return status;
}

DebugPolicy read_metadata(JsonReader metadata) {
    DebugPolicy policy;
    policy.name = metadata.text("name");
    policy.uid = metadata.text("uid");
    policy.resource_version = metadata.text("resourceVersion");
    policy.generation = metadata.integer("generation").value_or(0);
    return policy;
}

/// Reads one part of the spec and nothing else.
template <class Part>
std::expected<Part, FieldError> read_part(const json& object, std::string_view key, Part (*read)(JsonReader)) {
    std::optional<FieldError> error;
    JsonReader root(&object, "", error);
    Part part = read(root.object("spec").object(key));
    if (error) return std::unexpected(*std::move(error));
    return part;
}

}  // namespace

std::expected<DebugPolicy, FieldError> parse_debug_policy(const json& object) {
    std::optional<FieldError> error;
    JsonReader reader(&object, "", error);
    DebugPolicy policy = read_metadata(reader.object("metadata"));
    policy.spec = read_spec(reader.object("spec"));
    if (error) return std::unexpected(*std::move(error));
    policy.status = read_status(object);
    return policy;
}

DebugPolicy parse_policy_record(const json& object) {
    std::optional<FieldError> ignored;
    DebugPolicy policy = read_metadata(JsonReader(&object, "", ignored).object("metadata"));
    if (object.is_object()) policy.status = read_status(object);
    return policy;
}

std::expected<PolicyNamespaces, FieldError> parse_policy_namespaces(const json& object) {
    return read_part<PolicyNamespaces>(object, "namespaces", read_namespaces);
}

std::vector<std::string> readable_denials(const json& object) {
    std::vector<std::string> patterns;
    const json* list = &object;
    for (const char* const key : {"spec", "images", "deny"}) {
        const auto found = list->is_object() ? list->find(key) : list->end();
        if (!list->is_object() || found == list->end()) return patterns;
        list = &*found;
    }
    if (!list->is_array()) return patterns;
    for (const json& pattern : *list) {
        if (pattern.is_string()) patterns.push_back(pattern.get<std::string>());
    }
    return patterns;
}

json to_json(const DebugPolicyStatus& status) {
    json result = json::object();
    if (status.observed_generation != 0) result["observedGeneration"] = status.observed_generation;
    if (!status.message.empty()) result["message"] = status.message;
    if (!status.conditions.empty()) result["conditions"] = to_json(status.conditions);
    return result;
}

}  // namespace endoscope::api
