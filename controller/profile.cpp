#include "controller/profile.hpp"

#include <nlohmann/json.hpp>

#include <array>

namespace endoscope::controller {
namespace {

constexpr std::array kProfiles = {Profile::restricted, Profile::baseline, Profile::general, Profile::netadmin,
                                  Profile::sysadmin};

nlohmann::json with_capabilities(std::initializer_list<const char*> names) {
    auto added = nlohmann::json::array();
    for (const char* const name : names) added.push_back(name);
    return {{"capabilities", {{"add", std::move(added)}}}};
}

}  // namespace

std::string_view to_string(Profile profile) {
    switch (profile) {
        case Profile::restricted:
            return "restricted";
        case Profile::baseline:
            return "baseline";
        case Profile::general:
            return "general";
        case Profile::netadmin:
            return "netadmin";
        case Profile::sysadmin:
            return "sysadmin";
    }
    return {};
}

std::optional<Profile> profile_from_string(std::string_view text) {
    for (const Profile profile : kProfiles) {
        if (to_string(profile) == text) return profile;
    }
    return std::nullopt;
}

nlohmann::json security_context(Profile profile) {
    switch (profile) {
        case Profile::restricted:
            return {{"runAsNonRoot", true},
                    {"allowPrivilegeEscalation", false},
                    {"capabilities", {{"drop", nlohmann::json::array({"ALL"})}}},
                    {"seccompProfile", {{"type", "RuntimeDefault"}}}};
        case Profile::baseline:
            return nullptr;
        case Profile::general:
            return with_capabilities({"SYS_PTRACE"});
        case Profile::netadmin:
            return with_capabilities({"NET_ADMIN", "NET_RAW"});
        case Profile::sysadmin:
            return {{"privileged", true}};
    }
    return nullptr;
}

}  // namespace endoscope::controller
