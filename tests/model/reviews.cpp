#include "tests/model/reviews.hpp"

namespace model {

namespace {

Access access_of(const Json& spec) {
    Access access;
    if (const Json* attributes = find_at(spec, {"resourceAttributes"}); attributes != nullptr) {
        access.verb = string_at(*attributes, {"verb"});
        access.group = string_at(*attributes, {"group"});
        access.resource = string_at(*attributes, {"resource"});
        access.subresource = string_at(*attributes, {"subresource"});
        access.ns = string_at(*attributes, {"namespace"});
        access.name = string_at(*attributes, {"name"});
    } else {
        access.verb = string_at(spec, {"nonResourceAttributes", "verb"});
        access.path = string_at(spec, {"nonResourceAttributes", "path"});
    }
    return access;
}

Outcome<Json> access_review(const ResourceInfo& info, Json body, const UserInfo& user, const std::string& ns,
                            const Storage& storage) {
    const Json* spec = find_at(body, {"spec"});
    FieldErrors errors;
    Json meta = body.value("metadata", Json::object());
    if (info.kind == "LocalSubjectAccessReview") meta.erase("namespace");
    if (!meta.empty()) errors.push_back(invalid_field("metadata", meta.dump(), "must be empty"));
    const bool resource = spec != nullptr && find_at(*spec, {"resourceAttributes"}) != nullptr;
    const bool path = spec != nullptr && find_at(*spec, {"nonResourceAttributes"}) != nullptr;
    if (resource && path) {
        errors.push_back(
            invalid_field("spec.nonResourceAttributes",
                          nlohmann::ordered_json{{"Path", string_at(*spec, {"nonResourceAttributes", "path"})},
                                                 {"Verb", string_at(*spec, {"nonResourceAttributes", "verb"})}}
                              .dump(),
                          "cannot be specified in combination with resourceAttributes"));
    }
    if (!resource && !path) {
        errors.push_back(invalid_field("spec.resourceAttributes", "null",
                                       "exactly one of nonResourceAttributes or resourceAttributes must be specified"));
    }
    UserInfo subject = user;
    if (info.kind != "SelfSubjectAccessReview" && spec != nullptr) {
        subject = UserInfo::from_json(*spec);
        if (subject.name.empty() && subject.groups.empty()) {
            errors.push_back(invalid_field("spec.user", "\"\"", "at least one of user or group must be specified"));
        }
    }
    const std::string asked = spec != nullptr ? string_at(*spec, {"resourceAttributes", "namespace"}) : "";
    if (info.kind == "LocalSubjectAccessReview" && asked != ns) {
        errors.push_back(
            invalid_field("spec.resourceAttributes.namespace", quote(asked), "must match metadata.namespace"));
    }
    if (!errors.empty()) return std::unexpected(invalid(info.group, "", "", errors));
    const Access access = access_of(*spec);
    const Decision decision = authorize(storage, subject, access);
    Json status = {{"allowed", decision.allowed}};
    if (!decision.reason.empty()) status["reason"] = decision.reason;
    body["status"] = std::move(status);
    return body;
}

}  // namespace

Outcome<Json> answer_review(const ResourceInfo& info, Json body, const UserInfo& user, const std::string& ns,
                            const Storage& storage, const Tokens& tokens, const std::string& now) {
    object_at(body, "metadata");
    if (info.kind == "SelfSubjectReview") {
        body["metadata"]["creationTimestamp"] = now;
        body["status"] = {{"userInfo", user.to_json()}};
        return body;
    }
    if (info.kind != "TokenReview") return access_review(info, std::move(body), user, ns, storage);
    const std::string token = string_at(body, {"spec", "token"});
    if (token.empty()) {
        return std::unexpected(bad_request("token is required for TokenReview in authentication"));
    }
    const auto found = tokens.find(token);
    if (found == tokens.end()) {
        // A user the same way a real server shows one it does not know.
        body["status"] = {{"user", Json::object()}, {"error", "invalid bearer token"}};
        return body;
    }
    UserInfo known = found->second;
    if (!contains(known.groups, "system:authenticated")) known.groups.emplace_back("system:authenticated");
    body["status"] = {{"authenticated", true}, {"user", known.to_json()}};
    return body;
}

}  // namespace model
