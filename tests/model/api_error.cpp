#include "tests/model/api_error.hpp"

namespace model {

FieldError required_field(std::string field, std::string detail) {
    return {"FieldValueRequired", std::move(field), detail.empty() ? "Required value" : "Required value: " + detail};
}

FieldError invalid_field(std::string field, const std::string& value, const std::string& detail) {
    return {"FieldValueInvalid", std::move(field), "Invalid value: " + value + ": " + detail};
}

FieldError duplicate_field(std::string field, const std::string& value) {
    return {"FieldValueDuplicate", std::move(field), "Duplicate value: " + value};
}

FieldError missing_reference(std::string field, const std::string& value) {
    return {"FieldValueNotFound", std::move(field), "Not found: " + value};
}

FieldError forbidden_field(std::string field, const std::string& detail) {
    return {"FieldValueForbidden", std::move(field), "Forbidden: " + detail};
}

FieldError unsupported_field(std::string field, const std::string& value, const std::vector<std::string>& supported) {
    std::vector<std::string> quoted;
    quoted.reserve(supported.size());
    for (const std::string& one : supported) quoted.push_back(quote(one));
    return {"FieldValueNotSupported", std::move(field),
            "Unsupported value: " + value + ": supported values: " + join(quoted, ", ")};
}

FieldError too_long_field(std::string field, std::size_t limit) {
    return {"FieldValueTooLong", std::move(field),
            "Too long: may not be more than " + std::to_string(limit) + " bytes"};
}

FieldError too_many_field(std::string field, std::size_t count, std::size_t limit) {
    return {"FieldValueTooMany", std::move(field),
            "Too many: " + std::to_string(count) + ": must have at most " + std::to_string(limit) + " items"};
}

FieldError type_invalid_field(std::string field, const std::string& value, const std::string& detail) {
    return {"FieldValueTypeInvalid", std::move(field), "Invalid value: " + value + ": " + detail};
}

std::string qualified(const std::string& name, const std::string& group) {
    return group.empty() ? name : name + "." + group;
}

namespace {

Json details_of(const std::string& group, const std::string& kind, const std::string& name) {
    Json details = Json::object();
    if (!name.empty()) details["name"] = name;
    if (!group.empty()) details["group"] = group;
    if (!kind.empty()) details["kind"] = kind;
    return details;
}

}  // namespace

ApiError not_found(const std::string& group, const std::string& resource, const std::string& name) {
    return {404, "NotFound", qualified(resource, group) + " " + quote(name) + " not found",
            details_of(group, resource, name), std::nullopt};
}

ApiError already_exists(const std::string& group, const std::string& resource, const std::string& name) {
    return {409, "AlreadyExists", qualified(resource, group) + " " + quote(name) + " already exists",
            details_of(group, resource, name), std::nullopt};
}

ApiError conflict(const std::string& group, const std::string& resource, const std::string& name,
                  const std::string& why) {
    return {409, "Conflict",
            "Operation cannot be fulfilled on " + qualified(resource, group) + " " + quote(name) + ": " + why,
            details_of(group, resource, name), std::nullopt};
}

ApiError modified(const std::string& group, const std::string& resource, const std::string& name) {
    return conflict(group, resource, name,
                    "the object has been modified; please apply your changes to the latest version and try again");
}

ApiError invalid(const std::string& group, const std::string& kind, const std::string& name,
                 const FieldErrors& errors) {
    Json causes = Json::array();
    std::vector<std::string> texts;
    for (const FieldError& error : errors) {
        causes.push_back({{"reason", error.reason}, {"message", error.body}, {"field", error.field}});
        std::string text = error.field + ": " + error.body;
        // Causes may repeat; the message names each once.
        if (!contains(texts, text)) texts.push_back(std::move(text));
    }
    const std::string text = texts.size() == 1 ? texts.front() : "[" + join(texts, ", ") + "]";
    Json details = details_of(group, kind, name);
    details["causes"] = std::move(causes);
    return {422, "Invalid", qualified(kind, group) + " " + quote(name) + " is invalid: " + text, std::move(details),
            std::nullopt};
}

ApiError forbidden(const std::string& group, const std::string& resource, const std::string& name,
                   const std::string& why) {
    const std::string subject = qualified(resource, group) + (name.empty() ? "" : " " + quote(name));
    // A URL path instead of a resource.
    if (resource.empty()) return {403, "Forbidden", "forbidden: " + why, Json::object(), std::nullopt};
    return {403, "Forbidden", subject + " is forbidden: " + why, details_of(group, resource, name), std::nullopt};
}

ApiError bad_request(std::string message) {
    return {400, "BadRequest", std::move(message), nullptr, std::nullopt};
}

ApiError unauthorized() {
    return {401, "Unauthorized", "Unauthorized", nullptr, std::nullopt};
}

ApiError method_not_allowed() {
    return {405, "MethodNotAllowed", "the server does not allow this method on the requested resource", Json::object(),
            std::nullopt};
}

ApiError unsupported_media_type(std::string message) {
    return {415, "UnsupportedMediaType", std::move(message), nullptr, std::nullopt};
}

ApiError not_acceptable(std::string message) {
    return {406, "NotAcceptable", std::move(message), nullptr, std::nullopt};
}

ApiError expired(std::string message) {
    return {410, "Expired", std::move(message), nullptr, std::nullopt};
}

ApiError internal_error(const std::string& message) {
    const Json cause = {{"message", message}};
    Json details = {{"causes", Json::array({cause})}};
    return {500, "InternalError", "Internal error occurred: " + message, std::move(details), std::nullopt};
}

ApiError not_implemented(const std::string& what) {
    return {501, "NotImplemented", "the model API server does not implement " + what, nullptr, std::nullopt};
}

Json to_status(const ApiError& error) {
    Json status = {{"kind", "Status"},    {"apiVersion", "v1"},       {"metadata", Json::object()},
                   {"status", "Failure"}, {"message", error.message}, {"code", error.code}};
    if (!error.reason.empty()) status["reason"] = error.reason;
    if (!error.details.is_null()) status["details"] = error.details;
    if (error.retry_after) status["details"]["retryAfterSeconds"] = *error.retry_after;
    return status;
}

}  // namespace model
