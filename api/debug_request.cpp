// Decoding and encoding of DebugRequest. What makes one valid is in debug_request_validation.cpp, its status in
// debug_request_status.cpp.

#include "api/debug_request.hpp"

#include "api/debug_request_status.hpp"
#include "api/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace endoscope::api {
namespace {

using nlohmann::json;

Target read_target(JsonReader reader) {
    Target target;
    target.pod_name = reader.text("podName");
    if (reader.has("selector")) target.selector = reader.label_selector("selector");
    if (reader.has("workload")) {
        JsonReader workload = reader.object("workload");
        target.workload = Workload{.kind = workload.text("kind"), .name = workload.text("name")};
        workload.no_others();
    }
    target.max_pods = reader.integer("maxPods");
    target.container = reader.text("container");
    reader.no_others();
    return target;
}

RunAs read_run_as(JsonReader reader) {
    RunAs run_as{.user = reader.integer("user"),
                 .group = reader.integer("group"),
                 .match_target = reader.boolean("matchTarget").value_or(false)};
    reader.no_others();
    return run_as;
}

Requester read_requester(JsonReader reader) {
    Requester requester{.username = reader.text("username"),
                        .uid = reader.text("uid"),
                        .groups = reader.texts("groups"),
                        .extra = reader.texts_map("extra"),
                        .stamped_at = reader.text("stampedAt"),
                        .seal = reader.text("seal")};
    reader.no_others();
    return requester;
}

std::vector<EnvVar> read_env(JsonReader& spec) {
    std::vector<EnvVar> env;
    spec.objects("env", [&](JsonReader& entry) {
        env.push_back({.name = entry.text("name"), .value = entry.text("value")});
        entry.no_others();
    });
    return env;
}

DebugRequestSpec read_spec(JsonReader reader) {
    DebugRequestSpec spec;
    spec.reason = reader.text("reason");
    spec.target = read_target(reader.object("target"));
    spec.image = reader.text("image");
    spec.image_pull_policy = reader.word<PullPolicy>(
        "imagePullPolicy", {{"Always", PullPolicy::always}, {"IfNotPresent", PullPolicy::if_not_present}});
    spec.mode = reader.word<Mode>("mode", {{"Interactive", Mode::interactive}, {"Command", Mode::command}})
                    .value_or(Mode::interactive);
    spec.command = reader.texts("command");
    spec.args = reader.texts("args");
    spec.working_dir = reader.text("workingDir");
    spec.env = read_env(reader);
    spec.profile = reader.optional_text("profile").value_or("restricted");
    if (reader.has("runAs")) spec.run_as = read_run_as(reader.object("runAs"));
    spec.container_name = reader.text("containerName");
    spec.deadline_seconds = reader.integer("deadlineSeconds");
    if (reader.has("output")) {
        JsonReader output = reader.object("output");
        spec.output_tail_lines = output.integer("tailLines").value_or(bounds::kDefaultTailLines);
        output.no_others();
    }
    if (reader.has("onBehalfOf")) {
        JsonReader on_behalf_of = reader.object("onBehalfOf");
        spec.on_behalf_of_username = on_behalf_of.text("username");
        on_behalf_of.no_others();
    }
    if (reader.has("requester")) spec.requester = read_requester(reader.object("requester"));
    reader.no_others();
    return spec;
}

json selector_json(const LabelSelector& selector) {
    static constexpr std::string_view kOperators[] = {"In", "NotIn", "Exists", "DoesNotExist"};
    json result = json::object();
    if (!selector.match_labels.empty()) result["matchLabels"] = selector.match_labels;
    for (const auto& requirement : selector.match_expressions) {
        json entry = {{"key", requirement.key}, {"operator", kOperators[static_cast<std::size_t>(requirement.op)]}};
        if (!requirement.values.empty()) entry["values"] = requirement.values;
        result["matchExpressions"].push_back(std::move(entry));
    }
    return result;
}

json target_json(const Target& target) {
    json result = json::object();
    if (!target.pod_name.empty()) result["podName"] = target.pod_name;
    if (target.selector) result["selector"] = selector_json(*target.selector);
    if (target.workload) result["workload"] = {{"kind", target.workload->kind}, {"name", target.workload->name}};
    if (target.max_pods) result["maxPods"] = *target.max_pods;
    if (!target.container.empty()) result["container"] = target.container;
    return result;
}

json run_as_json(const RunAs& run_as) {
    json result = json::object();
    if (run_as.user) result["user"] = *run_as.user;
    if (run_as.group) result["group"] = *run_as.group;
    if (run_as.match_target) result["matchTarget"] = true;
    return result;
}

}  // namespace

std::string_view to_string(Mode mode) {
    switch (mode) {
        case Mode::interactive:
            return "Interactive";
        case Mode::command:
            return "Command";
    }
    return {};
}

std::string_view to_string(PullPolicy policy) {
    switch (policy) {
        case PullPolicy::always:
            return "Always";
        case PullPolicy::if_not_present:
            return "IfNotPresent";
    }
    return {};
}

std::expected<DebugRequest, FieldError> parse_debug_request(const json& object) {
    std::optional<FieldError> error;
    JsonReader reader(&object, "", error);
    DebugRequest request;
    JsonReader metadata = reader.object("metadata");
    request.namespace_name = metadata.text("namespace");
    request.name = metadata.text("name");
    request.uid = metadata.text("uid");
    request.resource_version = metadata.text("resourceVersion");
    request.generation = metadata.integer("generation").value_or(0);
    request.creation_timestamp = metadata.text("creationTimestamp");
    request.deletion_timestamp = metadata.optional_text("deletionTimestamp");
    request.finalizers = metadata.texts("finalizers");
    request.spec = read_spec(reader.object("spec"));
    if (error) return std::unexpected(*std::move(error));
    if (const auto status = object.find("status"); status != object.end()) request.status = parse_status(*status);
    return request;
}

json to_json(const Requester& requester) {
    json result = {{"username", requester.username}, {"stampedAt", requester.stamped_at}};
    if (!requester.uid.empty()) result["uid"] = requester.uid;
    if (!requester.groups.empty()) result["groups"] = requester.groups;
    if (!requester.extra.empty()) result["extra"] = requester.extra;
    if (!requester.seal.empty()) result["seal"] = requester.seal;
    return result;
}

json to_json(const DebugRequestSpec& spec) {
    json result = {{"target", target_json(spec.target)},
                   {"image", spec.image},
                   {"mode", to_string(spec.mode)},
                   {"profile", spec.profile}};
    if (!spec.reason.empty()) result["reason"] = spec.reason;
    if (spec.image_pull_policy) result["imagePullPolicy"] = to_string(*spec.image_pull_policy);
    if (!spec.command.empty()) result["command"] = spec.command;
    if (!spec.args.empty()) result["args"] = spec.args;
    if (!spec.working_dir.empty()) result["workingDir"] = spec.working_dir;
    for (const EnvVar& variable : spec.env) {
        result["env"].push_back({{"name", variable.name}, {"value", variable.value}});
    }
    if (spec.run_as) result["runAs"] = run_as_json(*spec.run_as);
    if (!spec.container_name.empty()) result["containerName"] = spec.container_name;
    if (spec.deadline_seconds) result["deadlineSeconds"] = *spec.deadline_seconds;
    if (spec.output_tail_lines) result["output"] = {{"tailLines", *spec.output_tail_lines}};
    if (spec.on_behalf_of_username) result["onBehalfOf"] = {{"username", *spec.on_behalf_of_username}};
    if (spec.requester) result["requester"] = to_json(*spec.requester);
    return result;
}

json to_json(const DebugRequest& request) {
    json metadata = {{"namespace", request.namespace_name}, {"name", request.name}};
    if (!request.uid.empty()) metadata["uid"] = request.uid;
    if (!request.resource_version.empty()) metadata["resourceVersion"] = request.resource_version;
    if (request.generation != 0) metadata["generation"] = request.generation;
    if (!request.creation_timestamp.empty()) metadata["creationTimestamp"] = request.creation_timestamp;
    if (request.deletion_timestamp) metadata["deletionTimestamp"] = *request.deletion_timestamp;
    if (!request.finalizers.empty()) metadata["finalizers"] = request.finalizers;
    return {{"apiVersion", kApiVersion},
            {"kind", "DebugRequest"},
            {"metadata", std::move(metadata)},
            {"spec", to_json(request.spec)},
            {"status", to_json(request.status)}};
}

}  // namespace endoscope::api
