#pragma once

#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <utility>

/// Requests as the tests of the client make them.
namespace kube::test {

inline ClientOptions options() {
    ClientOptions options;
    options.user_agent = "test/1";
    options.field_manager = "tester";
    return options;
}

inline HttpHeaders retry_after(const std::string& value) {
    HttpHeaders headers;
    headers.set("Retry-After", value);
    return headers;
}

inline ApiRequest get(std::string path) {
    ApiRequest request;
    request.path = std::move(path);
    return request;
}

inline ApiRequest post(bool idempotent) {
    ApiRequest request;
    request.method = "POST";
    request.path = "/things";
    request.body = "{}";
    request.idempotent = idempotent;
    return request;
}

/// Starts a call beside the caller, which then moves the clock.
inline boost::asio::awaitable<void> call(Client& client, ApiRequest request, std::optional<Result<std::string>>& result,
                                         std::stop_token stop = {}) {
    auto answer = co_await client.call(std::move(request), stop);
    result = std::move(answer);
}

}  // namespace kube::test
