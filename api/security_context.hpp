#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::api {

class JsonReader;

/// A seccomp or AppArmor profile of a container.
struct ConfinementProfile {
    std::string type;               ///< RuntimeDefault, Localhost or Unconfined.
    std::string localhost_profile;  ///< Of Localhost.

    bool operator==(const ConfinementProfile&) const = default;
};

struct SeLinuxOptions {
    std::string user;
    std::string role;
    std::string type;
    std::string level;

    bool operator==(const SeLinuxOptions&) const = default;
};

/// The securityContext of a container, as in the core API (v1.SecurityContext) but for Windows. What is not set is left
/// to the Pod and the runtime.
struct SecurityContext {
    std::optional<bool> privileged;
    std::optional<bool> allow_privilege_escalation;
    std::optional<bool> read_only_root_filesystem;
    std::optional<bool> run_as_non_root;
    std::optional<std::int64_t> run_as_user;
    std::optional<std::int64_t> run_as_group;
    std::vector<std::string> capabilities_add;
    std::vector<std::string> capabilities_drop;
    std::optional<ConfinementProfile> seccomp_profile;
    std::optional<ConfinementProfile> app_armor_profile;
    std::optional<SeLinuxOptions> se_linux_options;
    std::string proc_mount;  ///< Default or Unmasked; empty: not set.

    bool operator==(const SecurityContext&) const = default;
};

/// Reads it; an unknown field or a wrong type is an error of the reader. Whether the parts go together is judged by
/// controller/custom_profile.hpp.
SecurityContext read_security_context(JsonReader reader);

/// Null where nothing is set: the container then has no securityContext.
nlohmann::json to_json(const SecurityContext& context);

}  // namespace endoscope::api
