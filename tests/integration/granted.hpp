#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace endoscope::test {

/// One thing that an account did, as the API server's audit log has it, or that a rule of RBAC lets it do.
struct Access {
    std::string verb;
    std::string group;
    std::string resource;  ///< With its subresource: "pods/ephemeralcontainers".
    std::string ns;        ///< Of a rule: where it holds; "" everywhere.
    std::string name;      ///< Of a rule: the only one; "" any. Of a creation: "", which RBAC cannot limit.
    int code = 0;          ///< The answer's, of what was done.

    bool operator==(const Access&) const = default;
    /// For a person to read.
    std::string text() const;
};

/// What the account did; a WebSocket to pods/exec counts as `get` and as `create`. `audit_log` has one JSON document a
/// line.
std::vector<Access> accesses(const std::string& audit_log, const std::string& account);

/// All that the Roles and ClusterRoles among `objects` allow, one entry for each verb, resource and name.
/// Rules about URLs are left out.
std::vector<Access> grants(const std::vector<nlohmann::json>& objects);

/// Those of `granted` that nothing in `used` needed.
std::vector<Access> unneeded(const std::vector<Access>& granted, const std::vector<Access>& used);

}  // namespace endoscope::test
