#pragma once

#include "tests/model/json_tools.hpp"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace model {

/// A failed request: what becomes a metav1.Status with `status: Failure`.
struct ApiError {
    int code = 500;
    std::string reason;
    std::string message;
    Json details;  ///< An object, or null for none.
    std::optional<int> retry_after;
};

template <class T>
using Outcome = std::expected<T, ApiError>;

/// One violated rule, as field.Error upstream: `field: body`.
struct FieldError {
    std::string reason;  ///< FieldValueRequired, FieldValueInvalid, ...
    std::string field;
    std::string body;  ///< "Required value", "Invalid value: ...: ..."
};
using FieldErrors = std::vector<FieldError>;

FieldError required_field(std::string field, std::string detail = {});
/// `value` is already rendered: a quoted string, a number or JSON.
FieldError invalid_field(std::string field, const std::string& value, const std::string& detail);
FieldError duplicate_field(std::string field, const std::string& value);
FieldError missing_reference(std::string field, const std::string& value);
FieldError forbidden_field(std::string field, const std::string& detail);
FieldError unsupported_field(std::string field, const std::string& value, const std::vector<std::string>& supported);
FieldError too_long_field(std::string field, std::size_t limit);
FieldError too_many_field(std::string field, std::size_t count, std::size_t limit);
FieldError type_invalid_field(std::string field, const std::string& value, const std::string& detail);

/// Names a resource in messages: "pods" or "debugrequests.endoscope.dev".
std::string qualified(const std::string& name, const std::string& group);

ApiError not_found(const std::string& group, const std::string& resource, const std::string& name);
ApiError already_exists(const std::string& group, const std::string& resource, const std::string& name);
ApiError conflict(const std::string& group, const std::string& resource, const std::string& name,
                  const std::string& why);
/// The message of a stale resourceVersion.
ApiError modified(const std::string& group, const std::string& resource, const std::string& name);
ApiError invalid(const std::string& group, const std::string& kind, const std::string& name, const FieldErrors& errors);
ApiError forbidden(const std::string& group, const std::string& resource, const std::string& name,
                   const std::string& why);
ApiError bad_request(std::string message);
ApiError unauthorized();
ApiError method_not_allowed();
ApiError unsupported_media_type(std::string message);
ApiError not_acceptable(std::string message);
ApiError expired(std::string message);
ApiError internal_error(const std::string& message);
/// What the model refuses to guess: 501 with a sentence that says so.
ApiError not_implemented(const std::string& what);

Json to_status(const ApiError& error);

}  // namespace model
