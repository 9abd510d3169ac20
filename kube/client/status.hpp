#pragma once

#include "kube/base/error.hpp"
#include "kube/net/http.hpp"

#include <string_view>

namespace kube {

/// Turns a non-2xx response into a typed error: `Status` bodies by code and reason, anything else (an unknown API group
/// answers plain text) by code alone with the body cut to 2048 bytes. Source: client-go rest/request.go.
Error error_from_response(int http_status, std::string_view body, const HttpHeaders& headers);

/// The error of an `ERROR` watch event, whose object is a `Status`.
Error error_from_status_object(std::string_view status_json);

}  // namespace kube
