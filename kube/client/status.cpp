#include "kube/client/status.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

#include <charconv>

namespace kube {

namespace {

constexpr std::size_t kMaxQuotedBody = 2048;

ErrorKind kind_of(int http_status, std::string_view reason) {
    // Some errors carry no reason at all, so the code decides first and the reason only where a code has two meanings.
    switch (http_status) {
        case 401:
            return ErrorKind::unauthorized;
        case 403:
            return ErrorKind::forbidden;
        case 404:
            return ErrorKind::not_found;
        case 409:
            return reason == "AlreadyExists" ? ErrorKind::already_exists : ErrorKind::conflict;
        case 410:
            return ErrorKind::gone;
        case 422:
            return ErrorKind::invalid;
        case 429:
            return ErrorKind::too_many_requests;
        default:
            return http_status >= 500 ? ErrorKind::server : ErrorKind::bad_request;
    }
}

void read_status(const nlohmann::json& status, Error& error) {
    error.reason = string_at(status, {"reason"});
    if (std::string message = string_at(status, {"message"}); !message.empty()) error.message = std::move(message);
    error.object_name = string_at(status, {"details", "name"});
    const nlohmann::json* causes = find_at(status, {"details", "causes"});
    if (causes == nullptr || !causes->is_array()) return;
    for (const auto& cause : *causes) {
        error.causes.push_back(
            {string_at(cause, {"reason"}), string_at(cause, {"message"}), string_at(cause, {"field"})});
    }
}

}  // namespace

Error error_from_response(int http_status, std::string_view body, const HttpHeaders& headers) {
    Error error;
    error.http_status = http_status;
    const auto status = parse_json(body);
    if (status && string_at(*status, {"kind"}) == "Status") {
        read_status(*status, error);
    } else {
        error.message = log::escape(body.substr(0, kMaxQuotedBody));
    }
    if (error.message.empty()) error.message = "HTTP " + std::to_string(http_status);
    error.kind = kind_of(http_status, error.reason);
    const std::string_view retry = headers.get("Retry-After");
    unsigned seconds = 0;  // so that no sign is taken
    const auto [end, code] = std::from_chars(retry.data(), retry.data() + retry.size(), seconds);
    if (!retry.empty() && code == std::errc() && end == retry.data() + retry.size()) {
        error.retry_after = std::chrono::seconds(seconds);
    }
    return error;
}

Error error_from_status_object(std::string_view status_json) {
    int code = 500;
    if (const auto status = parse_json(status_json)) {
        const nlohmann::json* value = find_at(*status, {"code"});
        const std::string reason = string_at(*status, {"reason"});
        if (value != nullptr && value->is_number_integer() && *value >= 400 && *value <= 599) {
            code = value->get<int>();
        } else if (reason == "Expired" || reason == "Gone") {
            code = 410;  // what decides between resuming and listing anew must not hang on one field
        }
    }
    return error_from_response(code, status_json, HttpHeaders());
}

}  // namespace kube
