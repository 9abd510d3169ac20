#include "kube/base/error.hpp"

#include <utility>

namespace kube {

std::string_view to_string(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::config:
            return "config";
        case ErrorKind::transport:
            return "transport";
        case ErrorKind::tls:
            return "tls";
        case ErrorKind::timeout:
            return "timeout";
        case ErrorKind::cancelled:
            return "cancelled";
        case ErrorKind::malformed:
            return "malformed";
        case ErrorKind::bad_request:
            return "bad_request";
        case ErrorKind::unauthorized:
            return "unauthorized";
        case ErrorKind::forbidden:
            return "forbidden";
        case ErrorKind::not_found:
            return "not_found";
        case ErrorKind::already_exists:
            return "already_exists";
        case ErrorKind::conflict:
            return "conflict";
        case ErrorKind::gone:
            return "gone";
        case ErrorKind::invalid:
            return "invalid";
        case ErrorKind::too_many_requests:
            return "too_many_requests";
        case ErrorKind::server:
            return "server";
    }
    std::unreachable();
}

std::unexpected<Error> fail(ErrorKind kind, std::string message) {
    Error error;
    error.kind = kind;
    error.message = std::move(message);
    return std::unexpected(std::move(error));
}

bool is_retryable(const Error& error) {
    switch (error.kind) {
        case ErrorKind::transport:
        case ErrorKind::tls:
        case ErrorKind::timeout:
        case ErrorKind::malformed:
        case ErrorKind::unauthorized:  // a rotated token heals it
        case ErrorKind::conflict:
        case ErrorKind::gone:
        case ErrorKind::too_many_requests:
        case ErrorKind::server:
            return true;
        case ErrorKind::config:
        case ErrorKind::cancelled:
        case ErrorKind::bad_request:
        case ErrorKind::forbidden:
        case ErrorKind::not_found:
        case ErrorKind::already_exists:
        case ErrorKind::invalid:
            return false;
    }
    std::unreachable();
}

}  // namespace kube
