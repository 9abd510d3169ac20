#include "tests/model/webhooks.hpp"

#include "tests/model/encoding.hpp"
#include "tests/model/selector.hpp"

#include <algorithm>

namespace model {

namespace {

bool has(const std::vector<std::string>& list, const std::string& wanted) {
    return contains(list, "*") || contains(list, wanted);
}

bool resource_matches(const std::vector<std::string>& patterns, const AdmissionAttributes& attributes) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
        const std::size_t slash = pattern.find('/');
        const std::string resource = pattern.substr(0, slash);
        const std::string sub = slash == std::string::npos ? "" : pattern.substr(slash + 1);
        return (resource == "*" || resource == attributes.info->resource) &&
               (sub == "*" || sub == attributes.subresource);
    });
}

bool rule_matches(const Json& rule, const AdmissionAttributes& attributes) {
    const std::string scope = string_at(rule, {"scope"});
    // A Namespace itself counts as cluster-scoped here although its requests carry a namespace.
    const bool namespaced = attributes.info->namespaced;
    return has(strings_at(rule, {"operations"}), attributes.operation) &&
           has(strings_at(rule, {"apiGroups"}), attributes.info->group) &&
           has(strings_at(rule, {"apiVersions"}), attributes.info->version) &&
           (scope.empty() || scope == "*" || (scope == "Namespaced") == namespaced) &&
           resource_matches(strings_at(rule, {"resources"}), attributes);
}

bool namespace_matches(const Storage& storage, const Json& hook, const AdmissionAttributes& attributes) {
    const Json* raw = find_at(hook, {"namespaceSelector"});
    if (raw == nullptr) return true;
    const auto selector = LabelSelector::from_json(*raw);
    if (!selector) return false;
    if (selector->empty()) return true;
    if (attributes.info->kind == "Namespace" && attributes.info->group.empty()) {
        return selector->matches(attributes.object.is_null() ? attributes.old_object : attributes.object);
    }
    if (attributes.ns.empty()) return true;
    const Object ns = storage.get("namespaces", "", attributes.ns);
    return ns && selector->matches(*ns);
}

bool object_matches(const Json& hook, const AdmissionAttributes& attributes) {
    const Json* raw = find_at(hook, {"objectSelector"});
    if (raw == nullptr) return true;
    const auto selector = LabelSelector::from_json(*raw);
    if (!selector) return false;
    if (selector->empty()) return true;
    return selector->matches(attributes.object) || selector->matches(attributes.old_object);
}

}  // namespace

std::vector<Webhook> select_webhooks(const Storage& storage, bool mutating, const AdmissionAttributes& attributes) {
    std::vector<Webhook> out;
    // Webhooks never guard their own configurations: nobody could repair a broken one.
    if (attributes.info->group == "admissionregistration.k8s.io") return out;
    const std::string table = std::string("admissionregistration.k8s.io/") +
                              (mutating ? "mutatingwebhookconfigurations" : "validatingwebhookconfigurations");
    for (const Object& configuration : storage.list(table, "")) {
        for (const Json& hook : array_at(*configuration, {"webhooks"})) {
            const Json& rules = array_at(hook, {"rules"});
            if (!std::ranges::any_of(rules, [&](const Json& rule) { return rule_matches(rule, attributes); })) continue;
            if (!namespace_matches(storage, hook, attributes) || !object_matches(hook, attributes)) continue;
            Webhook webhook;
            webhook.name = string_at(hook, {"name"});
            webhook.url = string_at(hook, {"clientConfig", "url"});
            webhook.ca_pem = base64_decode(string_at(hook, {"clientConfig", "caBundle"})).value_or("");
            if (webhook.url.empty()) {
                webhook.problem = "the model API server has no service network: use clientConfig.url";
            }
            webhook.fail_closed = string_at(hook, {"failurePolicy"}) != "Ignore";
            const std::string effects = string_at(hook, {"sideEffects"});
            webhook.dry_run_safe = effects == "None" || effects == "NoneOnDryRun";
            const Json* timeout = find_at(hook, {"timeoutSeconds"});
            if (timeout != nullptr && timeout->is_number_integer()) webhook.timeout_seconds = timeout->get<int>();
            out.push_back(std::move(webhook));
        }
    }
    return out;
}

Json admission_review(const AdmissionAttributes& attributes, const std::string& uid) {
    const ResourceInfo& info = *attributes.info;
    const Json kind = {{"group", info.group}, {"version", info.version}, {"kind", info.kind}};
    const Json resource = {{"group", info.group}, {"version", info.version}, {"resource", info.resource}};
    Json request = {{"uid", uid},
                    {"kind", kind},
                    {"resource", resource},
                    {"requestKind", kind},
                    {"requestResource", resource},
                    {"operation", attributes.operation},
                    {"userInfo", attributes.user.to_json()},
                    {"object", attributes.object},
                    {"oldObject", attributes.old_object},
                    {"dryRun", attributes.dry_run},
                    {"options", attributes.options}};
    if (!attributes.subresource.empty()) {
        request["subResource"] = attributes.subresource;
        request["requestSubResource"] = attributes.subresource;
    }
    if (!attributes.name.empty()) request["name"] = attributes.name;
    if (!attributes.ns.empty()) request["namespace"] = attributes.ns;
    return {{"kind", "AdmissionReview"}, {"apiVersion", "admission.k8s.io/v1"}, {"request", std::move(request)}};
}

WebhookAnswer read_answer(const Webhook& webhook, bool mutating, const std::string& uid, int status,
                          const std::string& body) {
    WebhookAnswer out;
    const auto unusable = [&out](std::string why) {
        out.call_error = std::move(why);
        return out;
    };
    if (status == 404) return unusable("failed to call webhook: the server could not find the requested resource");
    if (status != 200) {
        return unusable(
            "failed to call webhook: an error on the server (\"unknown\") has prevented the request from "
            "succeeding");
    }
    const auto parsed = kube::parse_json(body);
    if (!parsed || !parsed->is_object()) return unusable("failed to call webhook: couldn't get version/kind; not JSON");
    const Json& review = *parsed;
    if (string_at(review, {"apiVersion"}) == "admission.k8s.io/v1beta1") {
        return unusable(
            "failed to call webhook: converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown "
            "conversion");
    }
    if (string_at(review, {"apiVersion"}) != "admission.k8s.io/v1" ||
        string_at(review, {"kind"}) != "AdmissionReview") {
        return unusable(
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
            "Kind=AdmissionReview, got " +
            (string_at(review, {"apiVersion"}).empty() ? "/" : string_at(review, {"apiVersion"})) +
            ", Kind=" + string_at(review, {"kind"}));
    }
    const Json* response = find_at(review, {"response"});
    if (response == nullptr || !response->is_object())
        return unusable("received invalid webhook response: webhook response was absent");
    if (string_at(*response, {"uid"}) != uid) {
        return unusable("received invalid webhook response: expected response.uid=" + quote(uid) + ", got " +
                        quote(string_at(*response, {"uid"})));
    }
    const Json* patch = find_at(*response, {"patch"});
    const bool has_patch = patch != nullptr && patch->is_string() && !patch->get<std::string>().empty();
    const std::string patch_type = string_at(*response, {"patchType"});
    if (!mutating && (has_patch || !patch_type.empty())) {
        return unusable("received invalid webhook response: validating webhook may not return response.patch");
    }
    if (has_patch && patch_type != "JSONPatch") {
        return unusable(
            "received invalid webhook response: webhook returned response.patch but not response.patchType");
    }
    if (!has_patch && !patch_type.empty()) {
        return unusable(
            "received invalid webhook response: webhook returned response.patchType but not response.patch");
    }
    if (has_patch) {
        const auto decoded = base64_decode(patch->get<std::string>());
        if (!decoded) return unusable("failed to call webhook: illegal base64 data in response.patch");
        auto operations = kube::parse_json(*decoded);
        if (!operations) return unusable("failed to call webhook: response.patch is not JSON");
        out.patch = std::move(*operations);
    }
    out.warnings = strings_at(*response, {"warnings"});
    out.allowed = true_at(*response, {"allowed"});
    if (out.allowed) return out;
    const std::string message = string_at(*response, {"status", "message"});
    const std::string reason = string_at(*response, {"status", "reason"});
    const Json* code = find_at(*response, {"status", "code"});
    ApiError denial;
    denial.code = code != nullptr && code->is_number_integer() && code->get<int>() != 0 ? code->get<int>() : 400;
    denial.reason = reason;
    denial.message = "admission webhook " + quote(webhook.name) + " denied the request" +
                     (!message.empty()  ? ": " + message
                      : !reason.empty() ? ": " + reason
                                        : " without explanation");
    if (const Json* details = find_at(*response, {"status", "details"}); details != nullptr) denial.details = *details;
    out.denial = std::move(denial);
    return out;
}

ApiError failed_calling(const Webhook& webhook, const std::string& why) {
    return internal_error("failed calling webhook " + quote(webhook.name) + ": " + why);
}

}  // namespace model
