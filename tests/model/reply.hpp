#pragma once

#include "tests/model/rbac.hpp"
#include "tests/model/request_info.hpp"

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace model {

/// One authenticated and authorised request for a resource.
struct Request {
    RequestInfo info;
    QueryParams query;
    UserInfo user;
    ResourcePtr resource;
    std::string ns;  ///< The storage's namespace: empty for cluster-scoped resources.
    std::string content_type;
    std::string body;
    Rendering rendering = Rendering::object;
    std::stop_token stop;
    std::vector<std::string> warnings;  ///< Become `Warning` headers.

    bool dry_run() const { return !query.all("dryRun").empty(); }
};

/// What is sent back: JSON or, where that is null, `text` as it is.
struct Reply {
    int code = 200;
    Json body;
    std::string text;
    std::string content_type = "application/json";  ///< Empty: none.
};

inline Reply reply(int code, Json body) {
    Reply out;
    out.code = code;
    out.body = std::move(body);
    return out;
}

}  // namespace model
