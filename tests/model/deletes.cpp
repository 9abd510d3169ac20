#include "tests/model/event_views.hpp"
#include "tests/model/reads.hpp"
#include "tests/model/selector.hpp"
#include "tests/model/writes.hpp"

namespace model {

namespace asio = boost::asio;

namespace {

/// Kinds whose DELETE answers with the object instead of a Status.
bool returns_object(const ResourceInfo& info) {
    return !info.custom && (info.kind == "Pod" || info.kind == "Service" || info.kind == "ServiceAccount");
}

Json success(const ResourceInfo& info, const Json& object) {
    Json details = {{"name", string_at(object, {"metadata", "name"})},
                    {"kind", info.resource},
                    {"uid", string_at(object, {"metadata", "uid"})}};
    if (!info.group.empty()) details["group"] = info.group;
    return {{"kind", "Status"},
            {"apiVersion", "v1"},
            {"metadata", Json::object()},
            {"status", "Success"},
            {"details", std::move(details)}};
}

long long pod_grace(const Json& pod, const std::optional<long long>& wanted) {
    const std::string phase = string_at(pod, {"status", "phase"});
    // Nobody runs it, so nobody has to stop it.
    if (string_at(pod, {"spec", "nodeName"}).empty() || phase == "Succeeded" || phase == "Failed") return 0;
    if (wanted) return *wanted;
    const Json* own = find_at(pod, {"spec", "terminationGracePeriodSeconds"});
    return own != nullptr && own->is_number_integer() ? own->get<long long>() : 30;
}

}  // namespace

void Writes::read_delete_options(const Json& body, DeleteOptions& options) {
    options.uid = string_at(body, {"preconditions", "uid"});
    options.resource_version = string_at(body, {"preconditions", "resourceVersion"});
    const Json* grace = find_at(body, {"gracePeriodSeconds"});
    if (grace != nullptr && grace->is_number_integer()) options.grace = grace->get<long long>();
    if (options.grace && *options.grace < 0) options.grace = 1;
}

Outcome<Writes::DeleteOptions> Writes::parse_delete_options(const Request& request) const {
    DeleteOptions out;
    out.dry_run = request.dry_run();
    FieldErrors errors;
    std::string policy;
    bool orphan = false;
    if (!request.body.empty()) {
        auto body = parse_body(request);
        if (!body) return std::unexpected(body.error());
        if (!body->is_object()) return std::unexpected(bad_request("DeleteOptions must be a JSON object"));
        read_delete_options(*body, out);
        policy = string_at(*body, {"propagationPolicy"});
        orphan = find_at(*body, {"orphanDependents"}) != nullptr;
        for (const std::string& stage : strings_at(*body, {"dryRun"})) {
            out.dry_run = true;
            if (stage == "All") continue;
            errors.push_back(unsupported_field("dryRun", "[" + quote(stage) + "]", {"All"}));
        }
    } else {
        // A body replaces what the query says.
        policy = request.query.get("propagationPolicy");
        orphan = request.query.has("orphanDependents");
    }
    if (!policy.empty() && orphan) {
        errors.push_back(invalid_field("propagationPolicy", quote(policy),
                                       "orphanDependents and deletionPropagation cannot be both set"));
    } else if (!policy.empty() && policy != "Background" && policy != "Orphan" && policy != "Foreground") {
        errors.push_back(
            unsupported_field("propagationPolicy", quote(policy), {"Foreground", "Background", "Orphan", "nil"}));
    }
    if (!errors.empty()) return std::unexpected(invalid("meta.k8s.io", "DeleteOptions", "", errors));
    const auto grace = parse_number(request.query.get("gracePeriodSeconds"));
    if (!grace) return std::unexpected(grace.error());
    if (*grace && request.body.empty()) out.grace = **grace;
    if (out.grace && *out.grace < 0) out.grace = 1;
    return out;
}

std::optional<ApiError> Writes::precondition_problem(const ResourceInfo& info, const Json& existing,
                                                     const DeleteOptions& options) {
    const auto precondition = [&](const char* what, const std::string& wanted,
                                  const char* key) -> std::optional<ApiError> {
        const std::string current = string_at(existing, {"metadata", key});
        if (wanted.empty() || wanted == current) return std::nullopt;
        const std::string hint = std::string(what) == "UID" ? "The object might have been deleted and then recreated"
                                                            : "The object might have been modified";
        return conflict(info.group, info.kind, string_at(existing, {"metadata", "name"}),
                        std::string("the ") + what + " in the precondition (" + wanted + ") does not match the " +
                            what + " in record (" + current + "). " + hint);
    };
    if (auto problem = precondition("UID", options.uid, "uid")) return problem;
    return precondition("ResourceVersion", options.resource_version, "resourceVersion");
}

Outcome<Json> Writes::commit_removal(const Request& request, const Object& existing, const DeleteOptions& options) {
    const ResourceInfo& info = *request.resource;
    const std::string name = string_at(*existing, {"metadata", "name"});
    const std::string ns = info.namespaced ? string_at(*existing, {"metadata", "namespace"}) : "";
    if (auto problem = precondition_problem(info, *existing, options)) return std::unexpected(*problem);
    const bool dry_run = options.dry_run;
    const bool pod = info.kind == "Pod" && !info.custom;
    const bool space = info.kind == "Namespace" && !info.custom;
    const long long grace = pod ? pod_grace(*existing, options.grace) : 0;
    const bool finalized = !array_at(*existing, {"metadata", "finalizers"}).empty();
    const bool at_once = grace == 0 && !finalized && !space;
    Json marked = *existing;
    Json& meta = marked["metadata"];
    const bool terminating = !string_at(meta, {"deletionTimestamp"}).empty();
    const Json* left = find_at(meta, {"deletionGracePeriodSeconds"});
    const bool shorter = pod && left != nullptr && left->is_number_integer() && grace < left->get<long long>();
    // A Pod that goes at once is marked like any other before: watchers see both.
    const bool marks = (!at_once || pod) && (!terminating || shorter);
    if (marks) {
        meta["deletionTimestamp"] = format_time(cluster_.clock.now() + std::chrono::seconds(grace));
        if (!space) meta["deletionGracePeriodSeconds"] = grace;
        const Json* generation = find_at(meta, {"generation"});
        if (!terminating && generation != nullptr && generation->is_number_integer()) {
            meta["generation"] = generation->get<long long>() + 1;
        }
        if (space) marked["status"]["phase"] = "Terminating";
        if (!dry_run) marked = *cluster_.storage.put(info.storage, ns, name, std::move(marked));
        if (!dry_run && space) cluster_.finish_namespace(name);
    }
    if (at_once && !dry_run) {
        const Object removed = cluster_.storage.remove(info.storage, ns, name);
        if (removed) marked["metadata"]["resourceVersion"] = string_at(*removed, {"metadata", "resourceVersion"});
        cluster_.finish_namespace(ns);
    }
    if (at_once && !returns_object(info)) return success(info, *existing);
    return to_view(info, marked);
}

asio::awaitable<Outcome<Json>> Writes::remove_one(Request& request, Object existing, DeleteOptions options) {
    const ResourceInfo& info = *request.resource;
    const std::string name = string_at(*existing, {"metadata", "name"});
    static const std::vector<std::string> kKept = {"default", "kube-system", "kube-public", "kube-node-lease"};
    if (info.kind == "Namespace" && !info.custom && contains(kKept, name)) {
        co_return std::unexpected(forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    AdmissionAttributes admitted = attributes(request, "DELETE", "DeleteOptions");
    admitted.name = name;
    admitted.dry_run = options.dry_run;
    if (options.dry_run) admitted.options["dryRun"] = Json::array({"All"});
    if (options.grace) admitted.options["gracePeriodSeconds"] = *options.grace;
    if (!options.uid.empty()) admitted.options["preconditions"]["uid"] = options.uid;
    if (!options.resource_version.empty()) {
        admitted.options["preconditions"]["resourceVersion"] = options.resource_version;
    }
    admitted.old_object = to_view(info, *existing);
    auto mutated = co_await admission_.mutate(admitted, request.warnings);
    if (!mutated) co_return std::unexpected(mutated.error());
    auto valid = co_await admission_.validate(admitted, request.warnings);
    if (!valid) co_return std::unexpected(valid.error());
    const std::string ns = info.namespaced ? string_at(*existing, {"metadata", "namespace"}) : "";
    const Object current = cluster_.storage.get(info.storage, ns, name);
    if (!current) co_return std::unexpected(not_found(info.group, info.resource, name));
    co_return commit_removal(request, current, options);
}

asio::awaitable<Outcome<Reply>> Writes::remove(Request& request) {
    const ResourceInfo& info = *request.resource;
    auto options = parse_delete_options(request);
    if (!options) co_return std::unexpected(options.error());
    const Object existing = cluster_.storage.get(info.storage, request.ns, request.info.name);
    if (!existing) co_return std::unexpected(not_found(info.group, info.resource, request.info.name));
    auto removed = co_await remove_one(request, existing, *options);
    if (!removed) co_return std::unexpected(removed.error());
    co_return reply(200, std::move(*removed));
}

asio::awaitable<Outcome<Reply>> Writes::remove_collection(Request& request) {
    const ResourceInfo& info = *request.resource;
    auto options = parse_delete_options(request);
    if (!options) co_return std::unexpected(options.error());
    const auto labels = LabelSelector::parse(request.query.get("labelSelector"));
    if (!labels) co_return std::unexpected(labels.error());
    const auto fields = FieldSelector::parse(request.query.get("fieldSelector"));
    if (!fields) co_return std::unexpected(fields.error());
    Json items = Json::array();
    const std::vector<Object> objects = cluster_.storage.list(info.storage, request.ns);
    for (const Object& object : objects) {
        const Json view = to_view(info, *object);
        if (!labels->matches(view) || !fields->matches(view)) continue;
        auto removed = co_await remove_one(request, object, *options);
        if (!removed && removed.error().code != 404) co_return std::unexpected(removed.error());
        items.push_back(view);
    }
    co_return reply(200, {{"kind", info.list_kind},
                          {"apiVersion", info.api_version()},
                          {"metadata", {{"resourceVersion", std::to_string(cluster_.storage.version())}}},
                          {"items", std::move(items)}});
}

asio::awaitable<Outcome<Reply>> Writes::bind(Request& request) {
    const ResourceInfo& info = *request.resource;
    auto body = parse_body(request);
    if (!body) co_return std::unexpected(body.error());
    const std::string node = string_at(*body, {"target", "name"});
    if (node.empty()) {
        co_return std::unexpected(invalid("", "Binding", request.info.name, {required_field("target.name")}));
    }
    const Object existing = cluster_.storage.get(info.storage, request.ns, request.info.name);
    if (!existing) co_return std::unexpected(not_found("", "pods", request.info.name));
    const std::string current = string_at(*existing, {"spec", "nodeName"});
    if (!current.empty()) {
        co_return std::unexpected(
            conflict("", "pods/binding", request.info.name,
                     "pod " + request.info.name + " is already assigned to node " + quote(current)));
    }
    if (!request.dry_run()) {
        Json bound = *existing;
        bound["spec"]["nodeName"] = node;
        const Json scheduled = {{"type", "PodScheduled"},
                                {"status", "True"},
                                {"lastProbeTime", nullptr},
                                {"lastTransitionTime", cluster_.now()}};
        bound["status"]["conditions"].push_back(scheduled);
        cluster_.storage.put(info.storage, request.ns, request.info.name, std::move(bound));
    }
    co_return reply(
        201,
        {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", Json::object()}, {"status", "Success"}, {"code", 201}});
}

}  // namespace model
