// Rows as in the API server's own checks of a container's security context (pkg/apis/core/validation), as facts.

#include "controller/custom_profile.hpp"

#include "api/json_reader.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

api::CustomProfile profile(const char* context) {
    const auto json = nlohmann::json::parse(context);
    std::optional<api::FieldError> error;
    api::CustomProfile made{
        .name = "mine",
        .security_context = api::read_security_context(api::JsonReader(&json, "securityContext", error))};
    EXPECT_FALSE(error) << context << ": " << error->text();
    return made;
}

TEST(CustomProfile, AcceptsWhatRuns) {
    for (const char* context : {
             R"({})",
             R"({"privileged":true})",
             R"({"privileged":true,"allowPrivilegeEscalation":true})",
             R"({"privileged":false,"allowPrivilegeEscalation":false})",
             R"({"runAsNonRoot":true,"runAsUser":1,"runAsGroup":0,"readOnlyRootFilesystem":true})",
             R"({"runAsUser":0})",
             R"({"runAsUser":2147483647})",
             R"({"capabilities":{"add":["NET_ADMIN","SYS_PTRACE","AZ_09"],"drop":["ALL"]}})",
             R"({"capabilities":{"add":["A123456789012345678901234567890123456789012345678901234567890123"]}})",
             R"({"procMount":"Default"})",
             R"({"seccompProfile":{"type":"Localhost","localhostProfile":"..a/b..c"}})",
             R"({"seccompProfile":{"type":"Localhost","localhostProfile":"profiles/debug.json"}})",
             R"({"seccompProfile":{"type":"Unconfined"},"appArmorProfile":{"type":"RuntimeDefault"}})",
             R"({"appArmorProfile":{"type":"Localhost","localhostProfile":"k8s-debug"}})",
             R"({"seLinuxOptions":{"level":"s0:c1,c2","type":"spc_t"},"procMount":"Unmasked"})",
         }) {
        const auto error = check_custom_profile(profile(context));
        EXPECT_FALSE(error) << context << ": " << error->text();
        EXPECT_EQ(api::to_json(profile(context).security_context).is_null(), std::string_view(context) == "{}");
    }
}

TEST(CustomProfile, WritesWhatItRead) {
    constexpr const char* kEverything =
        R"({"privileged":false,"allowPrivilegeEscalation":true,"readOnlyRootFilesystem":true,"runAsNonRoot":true,
            "runAsUser":5,"runAsGroup":6,"capabilities":{"add":["A"],"drop":["B"]},
            "seccompProfile":{"type":"Localhost","localhostProfile":"x"},"appArmorProfile":{"type":"Unconfined"},
            "seLinuxOptions":{"user":"u","role":"r","type":"t","level":"l"},"procMount":"Default"})";
    EXPECT_EQ(api::to_json(profile(kEverything).security_context), nlohmann::json::parse(kEverything));
}

TEST(CustomProfile, NamesWhatIsWrong) {
    const std::pair<const char*, const char*> rows[] = {
        {R"({"runAsUser":-1})", "securityContext.runAsUser"},
        {R"({"runAsUser":2147483648})", "securityContext.runAsUser"},
        {R"({"runAsUser":1,"runAsGroup":-1})", "securityContext.runAsGroup"},
        {R"({"runAsGroup":1})", "securityContext.runAsGroup"},
        {R"({"runAsNonRoot":true,"runAsUser":0})", "securityContext.runAsUser"},
        {R"({"privileged":true,"allowPrivilegeEscalation":false})", "securityContext.allowPrivilegeEscalation"},
        {R"({"capabilities":{"add":["net_admin"]}})", "securityContext.capabilities.add[0]"},
        {R"({"capabilities":{"add":["KILL",""]}})", "securityContext.capabilities.add[1]"},
        {R"({"capabilities":{"add":["CAP_SYS_ADMIN"]}})", "securityContext.capabilities.add[0]"},
        {R"({"capabilities":{"drop":["ALL "]}})", "securityContext.capabilities.drop[0]"},
        {R"({"seccompProfile":{"type":"runtime/default"}})", "securityContext.seccompProfile.type"},
        {R"({"seccompProfile":{}})", "securityContext.seccompProfile.type"},
        {R"({"seccompProfile":{"type":"Localhost"}})", "securityContext.seccompProfile.localhostProfile"},
        {R"({"seccompProfile":{"type":"Unconfined","localhostProfile":"x"}})",
         "securityContext.seccompProfile.localhostProfile"},
        {R"({"seccompProfile":{"type":"Localhost","localhostProfile":"/etc/x"}})",
         "securityContext.seccompProfile.localhostProfile"},
        {R"({"seccompProfile":{"type":"Localhost","localhostProfile":"a/../../x"}})",
         "securityContext.seccompProfile.localhostProfile"},
        {R"({"seccompProfile":{"type":"Localhost","localhostProfile":".."}})",
         "securityContext.seccompProfile.localhostProfile"},
        {R"({"seccompProfile":{"type":"Localhost","localhostProfile":"../x"}})",
         "securityContext.seccompProfile.localhostProfile"},
        {R"({"seccompProfile":{"type":"Localhost","localhostProfile":"a/.."}})",
         "securityContext.seccompProfile.localhostProfile"},
        {R"({"capabilities":{"add":["NET-ADMIN"]}})", "securityContext.capabilities.add[0]"},
        {R"({"capabilities":{"add":["A1234567890123456789012345678901234567890123456789012345678901234"]}})",
         "securityContext.capabilities.add[0]"},
        {R"({"appArmorProfile":{"type":"Localhost"}})", "securityContext.appArmorProfile.localhostProfile"},
        {R"({"procMount":"Masked"})", "securityContext.procMount"},
    };
    for (const auto& [context, field] : rows) {
        const auto error = check_custom_profile(profile(context));
        ASSERT_TRUE(error) << context;
        EXPECT_EQ(error->field, field) << error->text();
    }
}

TEST(CustomProfile, HasANameOfItsOwn) {
    for (const char* name : {"", "Mine", "a_b", "restricted", "baseline", "general", "netadmin", "sysadmin"}) {
        auto named = profile("{}");
        named.name = name;
        const auto error = check_custom_profile(named);
        ASSERT_TRUE(error) << name;
        EXPECT_EQ(error->field, "name");
    }
}

}  // namespace
}  // namespace endoscope::controller
