#include "tests/model/writes.hpp"

#include "tests/model/body.hpp"
#include "tests/model/event_views.hpp"
#include "tests/model/patch.hpp"
#include "tests/model/schema.hpp"
#include "tests/model/strategy.hpp"

namespace model {

namespace asio = boost::asio;

namespace {

constexpr int kUpdateAttempts = 5;

/// Events are validated as core ones, whichever API they come through.
std::string error_group(const ResourceInfo& info) {
    return info.group == "events.k8s.io" ? "" : info.group;
}

/// Whether a PUT may leave out the resourceVersion (AllowUnconditionalUpdate of the registry's strategies).
bool allows_unconditional_update(const ResourceInfo& info) {
    return !info.custom && info.group != "coordination.k8s.io" && info.group != "admissionregistration.k8s.io" &&
           info.group != "apiextensions.k8s.io" && info.group != "policy";
}

/// Equal but for what a write always touches.
bool same(Json a, Json b) {
    for (Json* one : {&a, &b}) {
        Json& meta = object_at(*one, "metadata");
        meta.erase("resourceVersion");
        meta.erase("managedFields");
        for (const char* key : {"labels", "annotations", "finalizers", "ownerReferences"}) {
            if (meta.contains(key) && meta[key].empty()) meta.erase(key);
        }
    }
    return a == b;
}

}  // namespace

AdmissionAttributes Writes::attributes(const Request& request, std::string operation, std::string options_kind) const {
    AdmissionAttributes out;
    out.info = request.resource;
    out.subresource = request.info.subresource;
    out.ns = request.info.ns;
    out.name = request.info.name;
    out.operation = std::move(operation);
    out.user = request.user;
    out.dry_run = request.dry_run();
    out.options = {{"kind", std::move(options_kind)}, {"apiVersion", "meta.k8s.io/v1"}};
    if (out.dry_run) out.options["dryRun"] = request.query.all("dryRun");
    for (const char* key : {"fieldManager", "fieldValidation"}) {
        if (const std::string value = request.query.get(key); !value.empty()) out.options[key] = value;
    }
    return out;
}

Outcome<Json> Writes::parse_body(const Request& request) const {
    return decode_body(request.content_type, request.body);
}

std::optional<ApiError> Writes::report_unknown(Request& request, const ResourceInfo& info,
                                               const std::vector<std::string>& unknown) const {
    const std::string mode = request.query.get("fieldValidation");
    if (!mode.empty() && mode != "Ignore" && mode != "Warn" && mode != "Strict") {
        return invalid("meta.k8s.io", "CreateOptions", "",
                       {unsupported_field("fieldValidation", quote(mode), {"", "Ignore", "Strict", "Warn"})});
    }
    if (unknown.empty() || mode == "Ignore") return std::nullopt;
    std::vector<std::string> texts;
    for (const std::string& field : unknown) texts.push_back("unknown field " + quote(field));
    if (mode == "Strict") {
        return bad_request(info.kind + " in version " + quote(info.version) + " cannot be handled as a " + info.kind +
                           ": strict decoding error: " + join(texts, ", "));
    }
    for (std::string& text : texts) request.warnings.push_back(std::move(text));
    return std::nullopt;
}

std::optional<ApiError> Writes::namespace_problem(const Request& request) const {
    if (!request.resource->namespaced) return std::nullopt;
    const Object ns = cluster_.ns(request.ns);
    if (!ns) return not_found("", "namespaces", request.ns);
    if (string_at(*ns, {"metadata", "deletionTimestamp"}).empty()) return std::nullopt;
    ApiError error =
        forbidden(request.resource->group, request.resource->resource, request.info.name,
                  "unable to create new content in namespace " + request.ns + " because it is being terminated");
    const Json cause = {{"reason", "NamespaceTerminating"},
                        {"message", "namespace " + request.ns + " is being terminated"},
                        {"field", "metadata.namespace"}};
    error.details["causes"] = Json::array({cause});
    return error;
}

asio::awaitable<Outcome<Reply>> Writes::create(Request& request) {
    const ResourceInfo& info = *request.resource;
    auto body = parse_body(request);
    if (!body) co_return std::unexpected(body.error());
    std::vector<std::string> unknown;
    auto decoded = decode_object(info, std::move(*body), unknown);
    if (!decoded) co_return std::unexpected(decoded.error());
    if (const auto problem = report_unknown(request, info, unknown)) co_return std::unexpected(*problem);
    Json object = std::move(*decoded);
    Json& meta = object_at(object, "metadata");
    const std::string body_ns = string_at(meta, {"namespace"});
    if (info.namespaced) {
        if (!body_ns.empty() && body_ns != request.ns) {
            co_return std::unexpected(
                bad_request("the namespace of the provided object does not match the namespace "
                            "sent on the request"));
        }
        meta["namespace"] = request.ns;
    } else {
        meta.erase("namespace");
    }
    if (!string_at(meta, {"resourceVersion"}).empty()) {
        ApiError error = internal_error("");
        error.reason.clear();
        error.message = "resourceVersion should not be set on objects to be created";
        error.details = nullptr;
        co_return std::unexpected(std::move(error));
    }
    for (const char* key : {"uid", "creationTimestamp", "deletionTimestamp", "selfLink"}) meta.erase(key);
    request.info.name = string_at(meta, {"name"});
    if (const auto problem = namespace_problem(request)) co_return std::unexpected(*problem);
    set_defaults(info, object);

    AdmissionAttributes admitted = attributes(request, "CREATE", "CreateOptions");
    admitted.object = object;
    auto mutated = co_await admission_.mutate(admitted, request.warnings);
    if (!mutated) co_return std::unexpected(mutated.error());
    std::vector<std::string> dropped;
    auto again = decode_object(info, std::move(*mutated), dropped);
    if (!again) co_return std::unexpected(again.error());
    object = std::move(*again);
    set_defaults(info, object);

    if (string_at(object, {"metadata", "name"}).empty()) {
        const std::string prefix = string_at(object, {"metadata", "generateName"});
        if (!prefix.empty()) object["metadata"]["name"] = prefix.substr(0, 58) + cluster_.name_suffix();
    }
    const std::string name = string_at(object, {"metadata", "name"});
    request.info.name = name;
    Json stored = from_view(info, object);
    prepare_create(info, stored, cluster_.new_uid(), cluster_.now());
    FieldErrors errors = validate_create(info, stored);
    if (info.group == "events.k8s.io" && string_at(object, {"eventTime"}).empty()) {
        errors.push_back(required_field("eventTime"));
    }
    if (!errors.empty()) co_return std::unexpected(invalid(error_group(info), info.kind, name, errors));
    for (const std::string& finalizer : strings_at(stored, {"metadata", "finalizers"})) {
        if (!info.custom) break;  // an error there
        if (finalizer.find('/') != std::string::npos) continue;
        request.warnings.push_back(
            "metadata.finalizers: " + quote(finalizer) +
            ": prefer a domain-qualified finalizer name to avoid accidental conflicts with other "
            "finalizer writers");
    }
    admitted.name = name;
    admitted.object = to_view(info, stored);
    auto valid = co_await admission_.validate(admitted, request.warnings);
    if (!valid) co_return std::unexpected(valid.error());
    // Checked last, as storage does it; a webhook's await may have let somebody else create it meanwhile.
    if (const Object existing = cluster_.storage.get(info.storage, request.ns, name)) {
        ApiError error = already_exists(info.group, info.resource, name);
        if (!string_at(*existing, {"metadata", "deletionTimestamp"}).empty())
            error.message = "object is being deleted: " + error.message;
        co_return std::unexpected(std::move(error));
    }
    if (const auto problem = namespace_problem(request)) co_return std::unexpected(*problem);
    // What is read from storage has the defaults, also of the status that a creation cannot bring.
    if (info.custom) set_defaults(info, stored);
    if (request.dry_run()) co_return reply(201, to_view(info, stored));
    const Object put = cluster_.storage.put(info.storage, request.ns, name, std::move(stored));
    co_return reply(201, to_view(info, *put));
}

asio::awaitable<Outcome<Reply>> Writes::change(Request& request, Change wanted, std::string options_kind) {
    const ResourceInfo& info = *request.resource;
    const std::string& name = request.info.name;
    for (int attempt = 0; attempt < kUpdateAttempts; ++attempt) {
        const Object existing = cluster_.storage.get(info.storage, request.ns, name);
        if (!existing) co_return std::unexpected(not_found(info.group, info.resource, name));
        const Json view = to_view(info, *existing);
        auto changed = wanted(view);
        if (!changed) co_return std::unexpected(changed.error());
        Json object = std::move(*changed);
        const std::string version = string_at(*existing, {"metadata", "resourceVersion"});
        const std::string sent_version = string_at(object, {"metadata", "resourceVersion"});
        if (!sent_version.empty() && sent_version.find_first_not_of("0123456789") != std::string::npos) {
            co_return std::unexpected(ApiError{500, "",
                                               "strconv.ParseUint: parsing " + quote(sent_version) + ": invalid syntax",
                                               nullptr, std::nullopt});
        }
        // A patch starts from the current version, so another one was put there by the client on purpose.
        if (!sent_version.empty() && sent_version != version) {
            co_return std::unexpected(modified(info.group, info.resource, name));
        }
        set_defaults(info, object);
        AdmissionAttributes admitted = attributes(request, "UPDATE", "UpdateOptions");  // of patches, too
        admitted.object = object;
        admitted.old_object = view;
        auto mutated = co_await admission_.mutate(admitted, request.warnings);
        if (!mutated) co_return std::unexpected(mutated.error());
        std::vector<std::string> dropped;
        auto again = decode_object(info, std::move(*mutated), dropped);
        if (!again) co_return std::unexpected(again.error());
        object = std::move(*again);
        set_defaults(info, object);

        Json stored = from_view(info, object);
        prepare_update(info, request.info.subresource, stored, *existing);
        const FieldErrors errors = validate_update(info, request.info.subresource, stored, *existing);
        if (!errors.empty()) co_return std::unexpected(invalid(error_group(info), info.kind, name, errors));
        admitted.object = to_view(info, stored);
        auto valid = co_await admission_.validate(admitted, request.warnings);
        if (!valid) co_return std::unexpected(valid.error());
        const Object current = cluster_.storage.get(info.storage, request.ns, name);
        if (!current) co_return std::unexpected(not_found(info.group, info.resource, name));
        if (current != existing) {
            const bool pinned = options_kind == "UpdateOptions" && !sent_version.empty();
            if (pinned) co_return std::unexpected(modified(info.group, info.resource, name));
            continue;  // somebody else wrote while a webhook was being asked
        }
        if (same(stored, *existing)) co_return reply(200, view);
        if (request.dry_run()) {
            stored["metadata"]["resourceVersion"] = version;
            co_return reply(200, to_view(info, stored));
        }
        const bool ended = !string_at(stored, {"metadata", "deletionTimestamp"}).empty() &&
                           array_at(stored, {"metadata", "finalizers"}).empty() &&
                           !array_at(*existing, {"metadata", "finalizers"}).empty();
        if (ended) {
            // The change itself is never stored: watchers see the removal of what was there.
            cluster_.storage.remove(info.storage, request.ns, name);
            cluster_.finish_namespace(request.ns);
            stored["metadata"]["resourceVersion"] = version;
            co_return reply(200, to_view(info, stored));
        }
        const Object put = cluster_.storage.put(info.storage, request.ns, name, std::move(stored));
        co_return reply(200, to_view(info, *put));
    }
    co_return std::unexpected(modified(info.group, info.resource, request.info.name));
}

asio::awaitable<Outcome<Reply>> Writes::update(Request& request) {
    const ResourceInfo& info = *request.resource;
    auto body = parse_body(request);
    if (!body) co_return std::unexpected(body.error());
    std::vector<std::string> unknown;
    auto decoded = decode_object(info, std::move(*body), unknown);
    if (!decoded) co_return std::unexpected(decoded.error());
    if (const auto problem = report_unknown(request, info, unknown)) co_return std::unexpected(*problem);
    const std::string name = string_at(*decoded, {"metadata", "name"});
    if (name != request.info.name) {
        co_return std::unexpected(bad_request("the name of the object (" + (name.empty() ? "<empty>" : name) +
                                              ") does not match the name on the URL (" + request.info.name + ")"));
    }
    const std::string ns = string_at(*decoded, {"metadata", "namespace"});
    if (!ns.empty() && ns != request.ns) {
        co_return std::unexpected(
            bad_request("the namespace of the provided object does not match the namespace sent "
                        "on the request"));
    }
    const Json sent = std::move(*decoded);
    const Change put = [&sent, &request](const Json& view) -> Outcome<Json> {
        const std::string uid = string_at(sent, {"metadata", "uid"});
        const std::string current = string_at(view, {"metadata", "uid"});
        if (!uid.empty() && uid != current) {
            return std::unexpected(conflict(request.resource->group, request.resource->resource, request.info.name,
                                            "StorageError: invalid object, Code: 4, Key: /registry/" +
                                                request.resource->storage + "/" + request.ns + "/" + request.info.name +
                                                ", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in "
                                                "precondition: " +
                                                uid + ", UID in object meta: " + current));
        }
        if (!allows_unconditional_update(*request.resource) &&
            string_at(sent, {"metadata", "resourceVersion"}).empty()) {
            return std::unexpected(
                invalid(request.resource->group, request.resource->resource, request.info.name,
                        {invalid_field("metadata.resourceVersion", "0", "must be specified for an update")}));
        }
        return sent;
    };
    co_return co_await change(request, put, "UpdateOptions");
}

Outcome<Json> Writes::decode_patch_result(Request& request, Json patched, const std::string& shown) {
    std::vector<std::string> unknown;
    const std::string name = string_at(patched, {"metadata", "name"});
    if (!name.empty() && name != request.info.name) {
        return std::unexpected(bad_request("the name of the object (" + name +
                                           ") does not match the name on the URL (" + request.info.name + ")"));
    }
    auto decoded = decode_object(*request.resource, std::move(patched), unknown);
    if (!decoded) {
        if (request.resource->custom) return decoded;
        // Upstream knows the kind no more than below.
        const std::string& message = decoded.error().message;
        const std::string prefix = " cannot be handled as a " + request.resource->kind + ": ";
        const std::size_t end = message.find(prefix);
        return std::unexpected(
            invalid("", "", "",
                    {invalid_field("patch", quote(shown),
                                   end == std::string::npos ? message : message.substr(end + prefix.size()))}));
    }
    if (auto problem = report_unknown(request, *request.resource, unknown)) {
        if (request.query.get("fieldValidation") != "Strict" || unknown.empty()) return std::unexpected(*problem);
        // Upstream knows neither kind nor name at this point.
        return std::unexpected(invalid(
            "", "", "",
            {invalid_field("patch", quote(shown), problem->message.substr(problem->message.find("strict decoding")))}));
    }
    return decoded;
}

asio::awaitable<Outcome<Reply>> Writes::patch(Request& request) {
    const std::string type = media_type(request.content_type);
    const bool strategic = type == "application/strategic-merge-patch+json";
    if (type == "application/apply-patch+yaml" || type == "application/apply-patch+cbor") {
        co_return std::unexpected(unsupported_media_type(
            "the model API server does not implement server-side apply; use client-side apply or another patch type"));
    }
    const bool known = strategic || type == "application/merge-patch+json" || type == "application/json-patch+json";
    if (!known && !request.resource->custom) {
        co_return std::unexpected(
            ApiError{415, "UnsupportedMediaType", "415: Unsupported Media Type", Json::object(), std::nullopt});
    }
    if ((strategic && request.resource->custom) ||
        (!strategic && type != "application/merge-patch+json" && type != "application/json-patch+json")) {
        co_return std::unexpected(unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json" +
            std::string(request.resource->custom ? "" : ", application/strategic-merge-patch+json")));
    }
    auto parsed = kube::parse_json(request.body);
    if (!parsed) co_return std::unexpected(bad_request(parsed.error().message));
    const Json& document = *parsed;
    if (type != "application/json-patch+json" && !document.is_object()) {
        co_return std::unexpected(
            bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}"));
    }
    const Change apply = [&](const Json& view) -> Outcome<Json> {
        Outcome<Json> patched = strategic ? strategic_merge_patch(request.resource->kind, view, document)
                                : type == "application/json-patch+json" ? json_patch(view, document)
                                                                        : Outcome<Json>(merge_patch(view, document));
        if (!patched) return patched;
        const std::string shown = strategic ? go_format(document) : patched->dump();
        return decode_patch_result(request, std::move(*patched), shown);
    };
    co_return co_await change(request, apply, "PatchOptions");
}

}  // namespace model
