#include "controller/profile.hpp"

namespace endoscope::controller {

std::optional<api::SecurityContext> builtin_profile(std::string_view name) {
    api::SecurityContext context;
    if (name == "restricted") {
        context.run_as_non_root = true;
        context.allow_privilege_escalation = false;
        context.capabilities_drop = {"ALL"};
        context.seccomp_profile = api::ConfinementProfile{.type = "RuntimeDefault", .localhost_profile = {}};
    } else if (name == "general") {
        context.capabilities_add = {"SYS_PTRACE"};
    } else if (name == "netadmin") {
        context.capabilities_add = {"NET_ADMIN", "NET_RAW"};
    } else if (name == "sysadmin") {
        context.privileged = true;
    } else if (name != "baseline") {
        return std::nullopt;
    }
    return context;
}

}  // namespace endoscope::controller
