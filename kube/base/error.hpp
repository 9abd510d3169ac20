#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kube {

/// What went wrong, as far as a caller can act on it. The names double as metric labels (see `to_string`).
enum class ErrorKind {
    config,             ///< The configuration cannot be used (kubeconfig, flags, files). Not retryable.
    transport,          ///< Name resolution, connect, reset, broken stream. Retryable.
    tls,                ///< Handshake or certificate failure. Retryable with a long back-off.
    timeout,            ///< A deadline of ours passed; the write may or may not have happened. Retryable.
    cancelled,          ///< We closed it ourselves. Never logged as an error.
    malformed,          ///< The peer sent something that cannot be parsed. Retryable.
    bad_request,        ///< HTTP 400 and other 4xx without a kind of their own.
    unauthorized,       ///< HTTP 401.
    forbidden,          ///< HTTP 403.
    not_found,          ///< HTTP 404.
    already_exists,     ///< HTTP 409, reason AlreadyExists.
    conflict,           ///< HTTP 409, any other reason.
    gone,               ///< HTTP 410: an expired resourceVersion or continue token.
    invalid,            ///< HTTP 422.
    too_many_requests,  ///< HTTP 429.
    server,             ///< HTTP 5xx.
};

/// The kind as a metric label, e.g. "not_found".
std::string_view to_string(ErrorKind kind);

/// One entry of `Status.details.causes` (apimachinery meta/v1 StatusCause).
struct StatusCause {
    std::string reason;
    std::string message;
    std::string field;
};

/// An expected failure, carried as a value. `message` is one line for people and never holds credentials.
struct Error {
    ErrorKind kind = ErrorKind::transport;
    std::string message;
    int http_status = 0;      ///< 0 when no response was received.
    std::string reason;       ///< `Status.reason` as the server sent it, may be empty.
    std::string object_name;  ///< `Status.details.name`, may be empty.
    std::vector<StatusCause> causes;
    std::optional<std::chrono::seconds> retry_after;  ///< The `Retry-After` header, whole seconds.
};

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for the error branch: `return fail(ErrorKind::malformed, "...")`.
std::unexpected<Error> fail(ErrorKind kind, std::string message);

/// Whether trying the same call again later can succeed without anybody changing the call.
bool is_retryable(const Error& error);

}  // namespace kube
