// Rows of kubectl 1.36, pkg/cmd/debug/profiles_test.go, "debug by ephemeral container", as facts.

#include "controller/profile.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

struct Row {
    const char* name;
    const char* context;
};

TEST(Profile, SecurityContextsAreThoseOfKubectl) {
    const Row rows[] = {
        {"general", R"({"capabilities":{"add":["SYS_PTRACE"]}})"},
        {"baseline", "null"},
        {"restricted",
         R"({"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},"allowPrivilegeEscalation":false,
             "seccompProfile":{"type":"RuntimeDefault"}})"},
        {"netadmin", R"({"capabilities":{"add":["NET_ADMIN","NET_RAW"]}})"},
        {"sysadmin", R"({"privileged":true})"},
    };
    EXPECT_EQ(std::size(rows), kBuiltinProfiles.size());
    for (const Row& row : rows) {
        const auto context = builtin_profile(row.name);
        ASSERT_TRUE(context) << row.name;
        EXPECT_EQ(api::to_json(*context), nlohmann::json::parse(row.context)) << row.name;
    }
    for (const std::string_view name : kBuiltinProfiles) EXPECT_TRUE(builtin_profile(name)) << name;
}

TEST(Profile, OtherNamesAreNone) {
    for (const char* name : {"", "legacy", "auto", "Restricted", "restricted ", "custom"}) {
        EXPECT_EQ(builtin_profile(name), std::nullopt) << name;
    }
}

}  // namespace
}  // namespace endoscope::controller
