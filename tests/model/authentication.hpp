#pragma once

#include "kube/net/http.hpp"
#include "tests/model/api_error.hpp"
#include "tests/model/rbac.hpp"

#include <map>
#include <string>

namespace model {

/// Static bearer tokens.
using Tokens = std::map<std::string, UserInfo>;

/// Client certificate (CN, O), else bearer token, else system:anonymous. A bad token is 401.
Outcome<UserInfo> authenticate(const kube::HttpExchange& exchange, const Tokens& tokens);

/// Applies Impersonate-* headers when `user` may (RBAC verb `impersonate` for each part).
Outcome<UserInfo> impersonate(const kube::HttpHeaders& headers, const UserInfo& user, const Storage& storage);

}  // namespace model
