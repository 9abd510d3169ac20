// What the author of a DebugPolicy is told, and who may tell it.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

namespace endoscope::test {
namespace {

using kube::string_at;

class Policies : public EndoscopeTest {
  protected:
    /// "True Accepted" once the operator has judged that generation of the policy.
    std::string accepted(const std::string& name) {
        const json object = admin().get(policy_path(name));
        if (!object.is_object() || !object.contains("status")) return "";
        const std::int64_t generation = object["metadata"]["generation"];
        const json& status = object["status"];
        if (status.value("observedGeneration", 0) != generation) return "";
        for (const json& each : status.value("conditions", json::array())) {
            if (each["type"] == "Accepted" && each.value("observedGeneration", 0) == generation) {
                return each["status"].get<std::string>() + " " + each["reason"].get<std::string>();
            }
        }
        return "";
    }
    bool becomes(const std::string& name, const std::string& expected) {
        return eventually([&] { return accepted(name) == expected; });
    }
};

TEST_F(Policies, AcceptedSaysWhetherThePolicyIsInForce) {
    EXPECT_TRUE(becomes(add_policy("good", json::object()), "True Accepted"));

    // The schema cannot know the grammar of patterns.
    const std::string bad = add_policy("bad", {{"images", {{"deny", {"**/debug"}}}}});
    EXPECT_TRUE(becomes(bad, "False PolicyInvalid"));
    const json status = admin().get(policy_path(bad))["status"];
    EXPECT_NE(string_at(status, {"message"}).find("spec.images.deny[0]"), std::string::npos) << status;

    // It allows nothing, and is in force as soon as it is mended.
    ASSERT_TRUE(alice().create(request("early", {{"image", image_of("bad", "tools:1")}})));
    EXPECT_EQ(outcome("early").substr(0, 7), "Denied/");
    ASSERT_TRUE(admin().merge(policy_path(bad), {{"spec", {{"images", {{"deny", nullptr}}}}}}));
    EXPECT_TRUE(becomes(bad, "True Accepted"));
    EXPECT_FALSE(admin().get(policy_path(bad))["status"].contains("message"));
    ASSERT_TRUE(alice().create(request("late", {{"image", image_of("bad", "tools:1")}})));
    EXPECT_EQ(outcome("late"), "Succeeded/Completed");
}

TEST_F(Policies, AStatusThatSomebodyElseWroteIsPutRight) {
    const std::string name = add_policy("bad", {{"images", {{"allow", {"**/debug"}}}}});
    ASSERT_TRUE(becomes(name, "False PolicyInvalid"));
    const json claim = json::parse(R"({"status":{"message":"all is well","conditions":[{"type":"Accepted",
        "status":"True","reason":"Accepted","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})");
    ASSERT_TRUE(admin().merge(policy_path(name) + "/status", claim));
    EXPECT_TRUE(becomes(name, "False PolicyInvalid"));
    EXPECT_FALSE(alice().merge(policy_path(name) + "/status", claim)) << "a requester must not write it";
}

TEST_F(Policies, ACustomProfileIsInjectedAsTheAdministratorWroteIt) {
    const json context = {{"runAsUser", 1234}, {"capabilities", {{"add", {"NET_RAW"}}, {"drop", {"ALL"}}}}};
    add_policy("own", {{"customProfiles", {{{"name", "tcpdump"}, {"securityContext", context}}}}});
    ASSERT_TRUE(alice().create(request("capture", {{"image", image_of("own", "tools:1")}, {"profile", "tcpdump"}})));
    EXPECT_EQ(outcome("capture"), "Succeeded/Completed");
    const json containers = injected("web");
    ASSERT_EQ(containers.size(), 1U);
    EXPECT_EQ(containers[0]["securityContext"], context);
}

TEST_F(Policies, ThePodSecurityLevelOfTheNamespaceHolds) {
    add_policy("strong", {{"profiles", {"restricted", "netadmin"}}});
    ASSERT_TRUE(admin().merge("/api/v1/namespaces/" + ns_,
                              {{"metadata", {{"labels", {{"pod-security.kubernetes.io/enforce", "baseline"}}}}}}));
    ASSERT_TRUE(alice().create(request("strong", {{"image", image_of("strong", "t:1")}, {"profile", "netadmin"}})));
    EXPECT_EQ(outcome("strong"), "Denied/PodSecurityViolation");
    EXPECT_NE(message("strong").find("violates PodSecurity \"baseline:latest\": non-default capabilities"),
              std::string::npos)
        << message("strong");
    ASSERT_TRUE(alice().create(request("weak", {{"image", image_of("strong", "t:1")}})));
    EXPECT_EQ(outcome("weak"), "Succeeded/Completed");
}

TEST_F(Policies, ARequestThatNeedsAnApprovalIsDeniedByThisVersion) {
    add_policy("two", {{"approval", {{"required", 1}}}});
    ASSERT_TRUE(alice().create(request("asks", {{"image", image_of("two", "t:1")}})));
    EXPECT_EQ(outcome("asks"), "Denied/ApprovalRequired");
    EXPECT_NE(message("asks").find("takes no approvals yet"), std::string::npos) << message("asks");
    EXPECT_TRUE(injected("web").empty());
}

}  // namespace
}  // namespace endoscope::test
