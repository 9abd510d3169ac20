#pragma once

#include "tests/model/storage.hpp"

#include <map>
#include <string>
#include <vector>

namespace model {

/// Who makes a request.
struct UserInfo {
    std::string name;
    std::string uid;
    std::vector<std::string> groups;
    std::map<std::string, std::vector<std::string>> extra;

    /// As in AdmissionReview.userInfo and TokenReview.status.user.
    Json to_json() const;
    static UserInfo from_json(const Json& json);
};

/// What is asked for: a resource, or a URL path when `path` is set.
struct Access {
    std::string verb;
    std::string group;
    std::string resource;
    std::string subresource;
    std::string ns;    ///< Empty: cluster scope, or every namespace.
    std::string name;  ///< Empty: any.
    std::string path;
};

struct Decision {
    bool allowed = false;
    std::string reason;
};

/// RBAC over the Role, ClusterRole and binding objects in `storage`. Members of system:masters may do everything.
/// Aggregated ClusterRoles are evaluated through their selectors.
Decision authorize(const Storage& storage, const UserInfo& user, const Access& access);

/// Upstream's sentence, e.g. `User "u" cannot patch resource "pods/ephemeralcontainers" in API group "" in the
/// namespace "n"`.
std::string denial(const UserInfo& user, const Access& access);

}  // namespace model
