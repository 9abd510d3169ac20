// Rows of kubectl 1.36, pkg/cmd/debug/profiles_test.go, "debug by ephemeral container", as facts.

#include "controller/profile.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

struct Row {
    Profile profile;
    const char* name;
    const char* context;
};

TEST(Profile, SecurityContextsAreThoseOfKubectl) {
    const Row rows[] = {
        {Profile::general, "general", R"({"capabilities":{"add":["SYS_PTRACE"]}})"},
        {Profile::baseline, "baseline", "null"},
        {Profile::restricted, "restricted",
         R"({"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},"allowPrivilegeEscalation":false,
             "seccompProfile":{"type":"RuntimeDefault"}})"},
        {Profile::netadmin, "netadmin", R"({"capabilities":{"add":["NET_ADMIN","NET_RAW"]}})"},
        {Profile::sysadmin, "sysadmin", R"({"privileged":true})"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(to_string(row.profile), row.name);
        EXPECT_EQ(profile_from_string(row.name), row.profile);
        EXPECT_EQ(security_context(row.profile), nlohmann::json::parse(row.context)) << row.name;
    }
}

TEST(Profile, OtherNamesAreNone) {
    for (const char* name : {"", "legacy", "auto", "Restricted", "restricted ", "custom"}) {
        EXPECT_EQ(profile_from_string(name), std::nullopt) << name;
    }
}

}  // namespace
}  // namespace endoscope::controller
