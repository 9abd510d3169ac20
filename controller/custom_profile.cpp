#include "controller/custom_profile.hpp"

#include "api/debug_request.hpp"
#include "api/text.hpp"
#include "controller/profile.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace endoscope::controller {
namespace {

using Error = std::optional<api::FieldError>;

Error wrong(std::string field, std::string message) {
    return api::FieldError{"securityContext." + std::move(field), std::move(message)};
}

Error check_id(const char* field, std::optional<std::int64_t> id) {
    if (!id || (*id >= 0 && *id <= api::bounds::kMaxId)) return std::nullopt;
    return wrong(field, "must be from 0 to " + std::to_string(api::bounds::kMaxId));
}

Error check_capabilities(const std::string& field, const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string& name = names[i];
        const std::string item = field + "[" + std::to_string(i) + "]";
        // Runtimes put the prefix in front of whatever they are given.
        if (name.starts_with("CAP_")) return wrong(item, "must be written without CAP_, e.g. " + name.substr(4));
        const bool well_formed = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
            return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        });
        if (!well_formed) return wrong(item, "must be the name of a capability in capitals, e.g. NET_ADMIN, or ALL");
    }
    return std::nullopt;
}

bool leaves_its_directory(const std::string& path) {
    return path.starts_with('/') || path == ".." || path.starts_with("../") || path.ends_with("/..") ||
           path.contains("/../");
}

Error check_confinement(const std::string& field, const std::optional<api::ConfinementProfile>& profile,
                        bool is_a_path) {
    if (!profile) return std::nullopt;
    const bool localhost = profile->type == "Localhost";
    if (!localhost && profile->type != "RuntimeDefault" && profile->type != "Unconfined") {
        return wrong(field + ".type", "must be one of RuntimeDefault, Localhost, Unconfined");
    }
    if (localhost == profile->localhost_profile.empty()) {
        return wrong(field + ".localhostProfile",
                     localhost ? "is required for type Localhost" : "goes only with type Localhost");
    }
    if (is_a_path && leaves_its_directory(profile->localhost_profile)) {
        return wrong(field + ".localhostProfile", "must be a path below the kubelet's seccomp directory");
    }
    return std::nullopt;
}

/// Parts that are right each for itself and contradict each other.
Error check_together(const api::SecurityContext& context) {
    if (context.allow_privilege_escalation == false && context.privileged == true) {
        return wrong("allowPrivilegeEscalation", "cannot be false where privileged is true");
    }
    if (context.run_as_non_root == true && context.run_as_user == 0) {
        return wrong("runAsUser", "cannot be 0 where runAsNonRoot is true");
    }
    if (context.run_as_group && !context.run_as_user) {
        return wrong("runAsGroup", "goes only with runAsUser");
    }
    return std::nullopt;
}

}  // namespace

Error check_custom_profile(const api::CustomProfile& profile) {
    if (!api::is_dns_label(profile.name)) {
        return api::FieldError{"name",
                               "must be a DNS label: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter "
                               "or digit"};
    }
    if (std::ranges::find(kBuiltinProfiles, profile.name) != kBuiltinProfiles.end()) {
        return api::FieldError{"name", "is the name of a built-in profile; choose another"};
    }
    const api::SecurityContext& context = profile.security_context;
    if (auto error = check_id("runAsUser", context.run_as_user)) return error;
    if (auto error = check_id("runAsGroup", context.run_as_group)) return error;
    if (auto error = check_capabilities("capabilities.add", context.capabilities_add)) return error;
    if (auto error = check_capabilities("capabilities.drop", context.capabilities_drop)) return error;
    if (auto error = check_confinement("seccompProfile", context.seccomp_profile, true)) return error;
    if (auto error = check_confinement("appArmorProfile", context.app_armor_profile, false)) return error;
    if (!context.proc_mount.empty() && context.proc_mount != "Default" && context.proc_mount != "Unmasked") {
        return wrong("procMount", "must be Default or Unmasked");
    }
    return check_together(context);
}

}  // namespace endoscope::controller
