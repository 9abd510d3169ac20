#include "api/security_context.hpp"

#include "api/json_reader.hpp"

#include <nlohmann/json.hpp>

namespace endoscope::api {
namespace {

using nlohmann::json;

std::optional<ConfinementProfile> read_confinement(JsonReader& parent, const char* key) {
    if (!parent.has(key)) return std::nullopt;
    JsonReader reader = parent.object(key);
    ConfinementProfile profile{.type = reader.text("type"), .localhost_profile = reader.text("localhostProfile")};
    reader.no_others();
    return profile;
}

json to_json(const ConfinementProfile& profile) {
    json result = {{"type", profile.type}};
    if (!profile.localhost_profile.empty()) result["localhostProfile"] = profile.localhost_profile;
    return result;
}

json to_json(const SeLinuxOptions& options) {
    json result = json::object();
    const auto set = [&](const char* key, const std::string& value) {
        if (!value.empty()) result[key] = value;
    };
    set("user", options.user);
    set("role", options.role);
    set("type", options.type);
    set("level", options.level);
    return result;
}

}  // namespace

SecurityContext read_security_context(JsonReader reader) {
    SecurityContext context;
    context.privileged = reader.boolean("privileged");
    context.allow_privilege_escalation = reader.boolean("allowPrivilegeEscalation");
    context.read_only_root_filesystem = reader.boolean("readOnlyRootFilesystem");
    context.run_as_non_root = reader.boolean("runAsNonRoot");
    context.run_as_user = reader.integer("runAsUser");
    context.run_as_group = reader.integer("runAsGroup");
    JsonReader capabilities = reader.object("capabilities");
    context.capabilities_add = capabilities.texts("add");
    context.capabilities_drop = capabilities.texts("drop");
    capabilities.no_others();
    context.seccomp_profile = read_confinement(reader, "seccompProfile");
    context.app_armor_profile = read_confinement(reader, "appArmorProfile");
    if (reader.has("seLinuxOptions")) {
        JsonReader options = reader.object("seLinuxOptions");
        context.se_linux_options = SeLinuxOptions{.user = options.text("user"),
                                                  .role = options.text("role"),
                                                  .type = options.text("type"),
                                                  .level = options.text("level")};
        options.no_others();
    }
    context.proc_mount = reader.text("procMount");
    reader.no_others();
    return context;
}

json to_json(const SecurityContext& context) {
    json result;
    const auto set = [&](const char* key, const auto& value) {
        if (value) result[key] = *value;
    };
    set("privileged", context.privileged);
    set("allowPrivilegeEscalation", context.allow_privilege_escalation);
    set("readOnlyRootFilesystem", context.read_only_root_filesystem);
    set("runAsNonRoot", context.run_as_non_root);
    set("runAsUser", context.run_as_user);
    set("runAsGroup", context.run_as_group);
    if (!context.capabilities_add.empty()) result["capabilities"]["add"] = context.capabilities_add;
    if (!context.capabilities_drop.empty()) result["capabilities"]["drop"] = context.capabilities_drop;
    if (context.seccomp_profile) result["seccompProfile"] = to_json(*context.seccomp_profile);
    if (context.app_armor_profile) result["appArmorProfile"] = to_json(*context.app_armor_profile);
    if (context.se_linux_options) result["seLinuxOptions"] = to_json(*context.se_linux_options);
    if (!context.proc_mount.empty()) result["procMount"] = context.proc_mount;
    return result;
}

}  // namespace endoscope::api
