#include "controller/admission.hpp"

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"
#include "controller/image_reference.hpp"
#include "controller/not_yet.hpp"
#include "controller/verdict.hpp"
#include "kube/base/json.hpp"

#include <algorithm>

namespace endoscope::controller {

using kube::AdmissionRequest;
using kube::AdmissionResponse;

namespace {

AdmissionResponse invalid(api::Reason reason, const std::string& problems) {
    AdmissionResponse response;
    response.code = 422;
    response.reason = "Invalid";
    response.message = std::string(to_string(reason)) + ": " + problems;
    return response;
}

AdmissionResponse forbidden(std::string message) {
    AdmissionResponse response;
    response.reason = "Forbidden";
    response.message = std::move(message);
    return response;
}

/// The answer while the seal cannot be made or verified: nobody is at fault, and it passes.
AdmissionResponse unavailable(const std::string& why) {
    AdmissionResponse response;
    response.code = 503;
    response.reason = "ServiceUnavailable";
    response.message = "Endoscope cannot seal requests at the moment: " + why + "; try again in a few seconds";
    return response;
}

api::Requester requester_of(const kube::UserInfo& user) {
    api::Requester requester;
    requester.username = user.username;
    requester.uid = user.uid;
    requester.groups = user.groups;
    requester.extra = user.extra;
    return requester;
}

const nlohmann::json* stored_requester(const nlohmann::json& object) {
    return kube::find_at(object, {"spec", "requester"});
}

AdmissionResponse stamp(const AdmissionContext& context, const AdmissionRequest& request) {
    const auto keys = context.keys();
    if (!keys) return unavailable(context.no_keys());
    auto response = AdmissionResponse::allow();
    response.patch = nlohmann::json::array();
    std::string name = kube::string_at(request.object, {"metadata", "name"});
    if (name.empty()) {
        const std::string prefix = kube::string_at(request.object, {"metadata", "generateName"});
        if (prefix.empty()) return invalid(api::Reason::invalid_spec, "metadata.name: is required");
        name = prefix + context.random_suffix();
        response.patch.push_back({{"op", "add"}, {"path", "/metadata/name"}, {"value", name}});
    }
    nlohmann::json spec = request.object.value("spec", nlohmann::json::object());
    if (!spec.is_object()) return invalid(api::Reason::invalid_spec, "spec: must be an object");
    api::Requester requester = requester_of(request.user);
    requester.stamped_at = api::format_timestamp(context.clock.now());
    spec["requester"] = api::to_json(requester);
    const auto seal =
        make_seal(keys->current, {.kind = "DebugRequest", .namespace_name = request.ns, .name = name, .spec = spec});
    if (!seal) return invalid(api::Reason::invalid_spec, "spec: cannot be sealed (" + seal.error() + ")");
    spec["requester"]["seal"] = *seal;
    response.patch.push_back({{"op", "add"}, {"path", "/spec/requester"}, {"value", spec["requester"]}});
    return response;
}

/// The spec without what the mutating step writes.
nlohmann::json authored_spec(const nlohmann::json& object) {
    nlohmann::json spec = object.value("spec", nlohmann::json::object());
    if (spec.is_object()) spec.erase("requester");
    return spec;
}

/// A name like that one, for the request that is to follow it: "web" and "inc-4711" make "web-2" and "inc-4711-2", and
/// that one "inc-4711-3".
std::string next_name(std::string name) {
    constexpr std::size_t kLongestName = 253;
    int number = 2;
    const std::size_t dash = name.rfind('-');
    const std::string_view tail = dash == std::string::npos ? "" : std::string_view(name).substr(dash + 1);
    // At most two digits: more are a ticket or a date.
    const bool is_counted = !tail.empty() && tail.size() <= 2 && tail.front() != '0' &&
                            std::ranges::all_of(tail, [](char c) { return c >= '0' && c <= '9'; });
    if (is_counted) {
        number = std::stoi(std::string(tail)) + 1;
        name.resize(dash);
    }
    const std::string suffix = "-" + std::to_string(number);
    if (name.size() + suffix.size() > kLongestName) name.resize(kLongestName - suffix.size());
    while (name.ends_with('-') || name.ends_with('.')) name.pop_back();
    return name + suffix;
}

/// The CRD has this rule as well. It comes after this step, cannot name the request (messageExpression takes Kubernetes
/// 1.27), and holds where the webhook does not run.
AdmissionResponse immutable(const AdmissionRequest& request) {
    AdmissionResponse response;
    response.code = 422;
    response.reason = "Invalid";
    response.message = "spec is immutable: create a new DebugRequest, e.g. \"" + next_name(request.name) + "\"";
    return response;
}

AdmissionResponse restore(const AdmissionRequest& request) {
    if (authored_spec(request.old_object) != authored_spec(request.object)) return immutable(request);
    auto response = AdmissionResponse::allow();
    const nlohmann::json* before = stored_requester(request.old_object);
    const nlohmann::json* after = stored_requester(request.object);
    const bool same = before == nullptr ? after == nullptr : (after != nullptr && *before == *after);
    if (same) return response;
    response.patch = nlohmann::json::array();
    if (before != nullptr) {
        response.patch.push_back({{"op", "add"}, {"path", "/spec/requester"}, {"value", *before}});
    } else {
        response.patch.push_back({{"op", "remove"}, {"path", "/spec/requester"}});
    }
    // Leaving it out is what every second apply does; writing another one is not.
    if (after != nullptr) {
        response.warnings.emplace_back("spec.requester is written at admission and cannot be changed; it was restored");
    }
    return response;
}

bool same_user(const api::Requester& requester, const kube::UserInfo& user) {
    auto left = requester.groups;
    auto right = user.groups;
    std::ranges::sort(left);
    std::ranges::sort(right);
    return requester.username == user.username && requester.uid == user.uid && left == right &&
           requester.extra == user.extra;
}

/// The denial of a request that can be read, with the reason of each policy that selects the namespace.
AdmissionResponse refusal(const Verdict& denial) {
    AdmissionResponse response =
        forbidden("this request is denied: " + std::string(to_string(denial.reason)) + ": " + denial.message);
    for (const PolicyRow& row : denial.policies) {
        response.causes.push_back({.reason = std::string(to_string(row.reason)),
                                   .message = "policy \"" + row.name + "\": " + row.message,
                                   .field = {}});
    }
    return response;
}

AdmissionResponse validate_create(const AdmissionContext& context, const AdmissionRequest& request,
                                  const api::DebugRequest& parsed, const ImageReference& image) {
    const auto keys = context.keys();
    if (!keys) return unavailable(context.no_keys());
    const auto& requester = parsed.spec.requester;
    const nlohmann::json& spec = request.object["spec"];
    const IdentityCheck identity =
        verify_seal(*keys, {.kind = "DebugRequest", .namespace_name = request.ns, .name = parsed.name, .spec = spec});
    if (identity == IdentityCheck::unknown_key) {
        context.on_unknown_key();
        return unavailable(
            "the seal in spec.requester names a key that this replica does not know; either another replica made it a "
            "moment ago, or Endoscope's mutating webhook did not run and the author wrote it");
    }
    if (!requester || !same_user(*requester, request.user) || identity != IdentityCheck::valid) {
        return forbidden(
            "spec.requester is not what Endoscope stamped: either its mutating webhook did not run (is the "
            "MutatingWebhookConfiguration endoscope there?), or another admission plugin changed the request after it; "
            "let Endoscope's run last, or exclude DebugRequests from the other");
    }
    auto response = AdmissionResponse::allow();
    Facts facts{.request = parsed, .identity = identity, .operator_namespace = context.operator_namespace};
    facts.namespace_labels = context.namespace_labels(request.ns);
    facts.policies = context.policies();
    if (auto expected = expected_denial(facts)) {
        const Verdict denial = as_carried_out(*std::move(expected));
        if (context.deny_at_admission) return refusal(denial);
        response.warnings.push_back("this request will be denied: " + std::string(to_string(denial.reason)) + ": " +
                                    denial.message);
    } else if (image.digest.empty()) {
        response.warnings.push_back("spec.image: " + image.canonical() +
                                    " is named by a tag, which can be moved to other content; name it by digest "
                                    "(name@sha256:...) to be sure of what runs");
    }
    return response;
}

}  // namespace

AdmissionResponse mutate_debug_request(const AdmissionContext& context, const AdmissionRequest& request) {
    if (!request.subresource.empty()) return AdmissionResponse::allow();
    if (request.operation == "CREATE") return stamp(context, request);
    if (request.operation == "UPDATE") return restore(request);
    return AdmissionResponse::allow();
}

AdmissionResponse validate_debug_request(const AdmissionContext& context, const AdmissionRequest& request) {
    if (!request.subresource.empty()) return AdmissionResponse::allow();
    if (request.operation == "UPDATE") {
        const nlohmann::json* before = stored_requester(request.old_object);
        const nlohmann::json* after = stored_requester(request.object);
        const bool same = before == nullptr ? after == nullptr : (after != nullptr && *before == *after);
        // The rest of the spec is immutable by the CRD's own rule, so it was judged when it was created.
        return same ? AdmissionResponse::allow() : forbidden("spec.requester cannot be changed");
    }
    if (request.operation != "CREATE") return AdmissionResponse::allow();
    const auto parsed = api::parse_debug_request(request.object);
    if (!parsed) return invalid(api::Reason::invalid_spec, parsed.error().text());
    const auto problems = api::validate(*parsed);
    if (!problems.empty()) {
        std::string text;
        for (const auto& problem : problems) text += (text.empty() ? "" : "; ") + problem.text();
        return invalid(api::Reason::invalid_spec, text);
    }
    const auto image = parse_image_reference(parsed->spec.image);
    if (!image) return invalid(api::Reason::invalid_image_reference, "spec.image: " + image.error());
    return validate_create(context, request, *parsed, *image);
}

}  // namespace endoscope::controller
