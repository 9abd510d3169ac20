#include "tests/model/strategy.hpp"

#include "tests/model/builtin_schema.hpp"
#include "tests/model/names.hpp"
#include "tests/model/pod_rules.hpp"
#include "tests/model/schema.hpp"
#include "tests/model/schema_rules.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace model {

namespace {

bool has_generation(const ResourceInfo& info) {
    static constexpr std::array kKinds = {"Pod", "PodDisruptionBudget", "CustomResourceDefinition",
                                          "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"};
    return info.custom || std::ranges::find(kKinds, info.kind) != kKinds.end();
}

bool has_status(const ResourceInfo& info) {
    return info.has_subresource("status");
}

/// What a change of raises the generation.
Json generation_part(const ResourceInfo& info, const Json& object) {
    Json out = object;
    if (!out.is_object()) return out;
    out.erase("metadata");
    out.erase("apiVersion");
    out.erase("kind");
    if (has_status(info)) out.erase("status");
    return out;
}

FieldErrors validate_metadata(const ResourceInfo& info, const Json& object) {
    FieldErrors errors;
    const std::string name = string_at(object, {"metadata", "name"});
    if (name.empty()) {
        errors.push_back(required_field("metadata.name", "name or generateName is required"));
    } else {
        std::string problem = dns1123_subdomain_problem(name);
        if (info.group == "rbac.authorization.k8s.io") problem = path_segment_problem(name);
        if (info.kind == "Namespace") problem = dns1123_label_problem(name);
        if (!problem.empty()) errors.push_back(invalid_field("metadata.name", quote(name), problem));
    }
    if (const Json* labels = find_at(object, {"metadata", "labels"}); labels != nullptr && labels->is_object()) {
        for (const auto& [key, value] : labels->items()) {
            if (const std::string problem = qualified_name_problem(key); !problem.empty()) {
                errors.push_back(invalid_field("metadata.labels", quote(key), problem));
            }
            const std::string text = value.is_string() ? value.get<std::string>() : "";
            if (const std::string problem = label_value_problem(text); !problem.empty()) {
                errors.push_back(invalid_field("metadata.labels", quote(text), problem));
            }
        }
    }
    std::size_t annotations_size = 0;
    if (const Json* notes = find_at(object, {"metadata", "annotations"}); notes != nullptr && notes->is_object()) {
        for (const auto& [key, value] : notes->items()) {
            std::string lower = key;
            std::ranges::transform(lower, lower.begin(),
                                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            if (const std::string problem = qualified_name_problem(lower); !problem.empty()) {
                errors.push_back(invalid_field("metadata.annotations", quote(key), problem));
            }
            annotations_size += key.size() + (value.is_string() ? value.get<std::string>().size() : 0);
        }
    }
    if (annotations_size > std::size_t{256} * 1024) {
        errors.push_back(too_long_field("metadata.annotations", std::size_t{256} * 1024));
    }
    std::size_t index = 0;
    for (const std::string& finalizer : strings_at(object, {"metadata", "finalizers"})) {
        const std::string path = "metadata.finalizers";
        if (const std::string problem = qualified_name_problem(finalizer); !problem.empty()) {
            errors.push_back(invalid_field(path, quote(finalizer), problem));
        } else if (!info.custom && finalizer.find('/') == std::string::npos && finalizer != "orphan" &&
                   finalizer != "foregroundDeletion" && finalizer != "kubernetes") {
            errors.push_back(invalid_field(path + "[" + std::to_string(index) + "]", quote(finalizer),
                                           "name is neither a standard finalizer name nor is it fully qualified"));
        }
        ++index;
    }
    for (const Json& owner : array_at(object, {"metadata", "ownerReferences"})) {
        for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
            if (!string_at(owner, {key}).empty()) continue;
            const std::string path = std::string("metadata.ownerReferences.") + key;
            const bool version = std::string_view(key) == "apiVersion";
            errors.push_back(invalid_field(path, "\"\"", version ? "version must not be empty" : "must not be empty"));
        }
    }
    return errors;
}

FieldErrors validate_metadata_update(const Json& object, const Json& before) {
    FieldErrors errors;
    for (const char* key : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"}) {
        const std::string now = string_at(object, {"metadata", key});
        if (now != string_at(before, {"metadata", key})) {
            errors.push_back(invalid_field(std::string("metadata.") + key, quote(now), "field is immutable"));
        }
    }
    if (!string_at(before, {"metadata", "deletionTimestamp"}).empty()) {
        const auto old = strings_at(before, {"metadata", "finalizers"});
        std::set<std::string> added;
        for (const std::string& finalizer : strings_at(object, {"metadata", "finalizers"})) {
            if (!contains(old, finalizer)) added.insert(quote(finalizer));
        }
        if (!added.empty()) {
            errors.push_back(forbidden_field("metadata.finalizers",
                                             "no new finalizers can be added if the object is being deleted, found new "
                                             "finalizers []string{" +
                                                 join({added.begin(), added.end()}, ", ") + "}"));
        }
    }
    return errors;
}

void append(FieldErrors& to, FieldErrors from) {
    for (FieldError& error : from) to.push_back(std::move(error));
}

/// Upstream's remark that CEL rules were left out.
void note_skipped_rules(const ResourceInfo& info, FieldErrors& errors) {
    if (!info.schema || !blocks_rules(errors) || !has_rules(*info.schema)) return;
    errors.push_back(invalid_field("<nil>", "null",
                                   "some validation rules were not checked because the object was invalid; correct the "
                                   "existing errors to complete validation"));
}

/// Empty maps and lists are not kept, as Go's omitempty does it.
void drop_empty(Json& meta) {
    for (const char* key : {"labels", "annotations", "finalizers", "ownerReferences"}) {
        const auto found = meta.find(key);
        if (found != meta.end() && (found->is_null() || (found->is_structured() && found->empty()))) meta.erase(found);
    }
}

void keep(Json& object, const Json& before, const char* key) {
    if (const Json* old = find_at(before, {key}); old != nullptr) {
        object[key] = *old;
    } else {
        object.erase(key);
    }
}

}  // namespace

Outcome<Json> decode_object(const ResourceInfo& info, Json object, std::vector<std::string>& unknown) {
    if (!object.is_object()) {
        return std::unexpected(
            bad_request("couldn't get version/kind; json parse error: the body must be a JSON object"));
    }
    // Built-in kinds are decoded with the URL's kind as the default (apimachinery serializer/json).
    for (const auto& [key, value] : {std::pair("kind", info.kind), std::pair("apiVersion", info.api_version())}) {
        if (!info.custom && string_at(object, {key}).empty()) object[key] = value;
    }
    const std::string kind = string_at(object, {"kind"});
    const std::string version = string_at(object, {"apiVersion"});
    if (kind.empty())
        return std::unexpected(bad_request("the object provided is unrecognized (must be of type " + info.kind +
                                           "): Object 'Kind' is missing in '" + object.dump() + "' (" + object.dump() +
                                           ")"));
    if (info.custom && version == info.api_version() && kind != info.kind) {
        return std::unexpected(invalid(info.group, kind, string_at(object, {"metadata", "name"}),
                                       {invalid_field("kind", quote(kind), "must be " + info.kind)}));
    }
    if (version != info.api_version()) {
        return std::unexpected(bad_request("the API version in the data (" + version +
                                           ") does not match the expected API version (" + info.api_version() + ")"));
    }
    if (kind != info.kind) {
        return std::unexpected(bad_request(kind + " in version " + quote(version.substr(version.rfind('/') + 1)) +
                                           " cannot be handled as a " + info.kind + ": expected " + info.api_version() +
                                           " " + info.kind));
    }
    if (const Json* meta = find_at(object, {"metadata"}); meta != nullptr && !meta->is_object() && !meta->is_null()) {
        return std::unexpected(bad_request("json: cannot unmarshal into metadata: must be an object"));
    }
    if (info.custom) {
        static const Json kMetadata = {
            {"type", "object"}, {"properties", {{"metadata", (*builtin_schema("Secret"))["properties"]["metadata"]}}}};
        Json metadata = {{"metadata", object.value("metadata", Json::object())}};
        if (metadata["metadata"].is_object()) {
            prune(kMetadata, metadata, unknown, false);
            object["metadata"] = metadata["metadata"];
        }
    }
    if (info.schema) {
        prune(*info.schema, object, unknown);
        if (!info.custom) {
            const FieldErrors errors = check_types(*info.schema, object);
            std::string problem = errors.empty() ? decoding_problem(info.kind, object)
                                                 : errors.front().field + ": " + errors.front().body;
            if (!problem.empty()) {
                return std::unexpected(bad_request(info.kind + " in version " + quote(info.version) +
                                                   " cannot be handled as a " + info.kind + ": " + problem));
            }
        }
    }
    return object;
}

void set_defaults(const ResourceInfo& info, Json& object) {
    if (info.custom) {
        if (info.schema) apply_defaults(*info.schema, object);
        return;
    }
    if (info.kind == "Pod") {
        default_pod(object);
    } else if (info.kind == "CustomResourceDefinition") {
        default_crd(object);
    } else {
        default_builtin(info.kind, object);
    }
}

void prepare_create(const ResourceInfo& info, Json& object, const std::string& uid, const std::string& now) {
    Json& meta = object_at(object, "metadata");
    for (const char* key :
         {"selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "generation"}) {
        meta.erase(key);
    }
    drop_empty(meta);
    meta["uid"] = uid;
    meta["creationTimestamp"] = now;
    if (has_generation(info)) meta["generation"] = 1;
    if (info.kind == "Pod" && !info.custom) {
        prepare_pod_create(object);
    } else if (info.custom) {
        if (has_status(info)) object.erase("status");
    } else if (info.kind == "CustomResourceDefinition") {
        set_crd_status(object, now);
    } else {
        prepare_builtin_create(info.kind, object);
    }
}

FieldErrors validate_create(const ResourceInfo& info, const Json& object) {
    FieldErrors errors = validate_metadata(info, object);
    if (info.custom) {
        if (info.schema) append(errors, validate_schema(*info.schema, object, nullptr));
        note_skipped_rules(info, errors);
    } else if (info.kind == "Pod") {
        append(errors, validate_pod_create(object));
    } else if (info.kind == "CustomResourceDefinition") {
        append(errors, validate_crd(object));
    } else {
        append(errors, validate_builtin(info.kind, object));
    }
    return errors;
}

void prepare_update(const ResourceInfo& info, const std::string& subresource, Json& object, const Json& before) {
    Json& meta = object_at(object, "metadata");
    const Json& old_meta = *find_at(before, {"metadata"});
    // Fields that a client may leave out but never change by doing so.
    for (const char* key : {"name", "namespace", "uid", "creationTimestamp"}) {
        if (string_at(meta, {key}).empty() && old_meta.contains(key)) meta[key] = old_meta[key];
    }
    for (const char* key : {"generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}) {
        if (old_meta.contains(key)) {
            meta[key] = old_meta[key];
        } else {
            meta.erase(key);
        }
    }
    meta.erase("managedFields");
    drop_empty(meta);
    if (subresource == "ephemeralcontainers") {
        Json replaced = before;
        const Json* containers = find_at(object, {"spec", "ephemeralContainers"});
        if (containers != nullptr && !containers->is_null()) {
            object_at(replaced, "spec")["ephemeralContainers"] = *containers;
        } else {
            object_at(replaced, "spec").erase("ephemeralContainers");
        }
        // What acts as a precondition is kept for validation.
        for (const char* key : {"uid", "resourceVersion", "name", "namespace"}) {
            if (meta.contains(key)) replaced["metadata"][key] = meta[key];
        }
        object = std::move(replaced);
    } else if (subresource == "status") {
        Json status = object.contains("status") ? object["status"] : Json();
        Json replaced = before;
        // Built-in kinds accept labels and the like through their status endpoint; custom ones do not.
        if (!info.custom) replaced["metadata"] = meta;
        for (const char* key : {"uid", "resourceVersion", "name", "namespace"}) {
            if (meta.contains(key)) replaced["metadata"][key] = meta[key];
        }
        if (status.is_null()) {
            replaced.erase("status");
        } else {
            replaced["status"] = std::move(status);
        }
        object = std::move(replaced);
        return;
    } else if (has_status(info)) {
        keep(object, before, "status");
    }
    if (info.kind == "Namespace" && !info.custom) keep(object, before, "spec");
    if (has_generation(info) && generation_part(info, object) != generation_part(info, before)) {
        const Json* generation = find_at(before, {"metadata", "generation"});
        const long long old =
            generation != nullptr && generation->is_number_integer() ? generation->get<long long>() : 0;
        object["metadata"]["generation"] = old + 1;
    }
}

FieldErrors validate_update(const ResourceInfo& info, const std::string& subresource, const Json& object,
                            const Json& before) {
    FieldErrors errors = validate_metadata_update(object, before);
    // Both the generic update code and the kind's own validation look at the metadata, so its causes come twice.
    append(errors, FieldErrors(errors));
    const auto twice = [&errors](FieldErrors found) {
        append(errors, found);
        append(errors, std::move(found));
    };
    if (info.custom) {
        append(errors, validate_metadata(info, object));
        if (info.schema) append(errors, validate_schema(*info.schema, object, before));
        note_skipped_rules(info, errors);
        return errors;
    }
    if (info.kind == "Pod") {
        if (subresource == "ephemeralcontainers") {
            // A static Pod gets this one error and no other.
            FieldErrors rules = validate_ephemeral_update(object, before);
            if (is_static_pod(before)) return rules;
            append(errors, std::move(rules));
        } else if (subresource == "status") {
            append(errors, validate_pod_status_update(object, before));
        } else {
            twice(validate_metadata(info, object));
            append(errors, validate_pod_update(object, before));
        }
        return errors;
    }
    append(errors, validate_metadata(info, object));
    if (info.kind == "CustomResourceDefinition") {
        append(errors, validate_crd(object));
    } else {
        append(errors, validate_builtin(info.kind, object));
        append(errors, validate_builtin_update(info.kind, object, before));
    }
    return errors;
}

}  // namespace model
