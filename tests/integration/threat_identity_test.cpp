// Attackers who claim to be somebody else (docs/security.md, H3 to H6), with the webhooks in force.
#include "kube/base/json.hpp"
#include "tests/integration/threat_fixture.hpp"

namespace endoscope::test {
namespace {

class ThreatIdentity : public ThreatTest {
  protected:
    json requester_of(const std::string& name) { return stored(name)["spec"]["requester"]; }
    /// By server-side apply, as that field manager and against every other.
    kube::Result<json> apply(User& who, const std::string& manager, const json& object) {
        return who.request(
            "PATCH", path(kube::string_at(object, {"metadata", "name"})) + "?fieldManager=" + manager + "&force=true",
            object, std::string(kube::patch::kApply));
    }
};

TEST_F(ThreatIdentity, H3AForgedRequesterIsOverwrittenWhoeverWritesIt) {
    const std::string account = "system:serviceaccount:" + ns_ + ":robot";
    const std::vector<std::tuple<std::string, User*, std::string>> authors = {
        {"as-user", &bob(), "bob"}, {"as-editor", &editor(), "dave"}, {"as-account", &robot(), account}};
    for (const auto& [name, author, username] : authors) {
        const auto created = author->create(request(name, {{"requester", forged_requester()}}));
        ASSERT_TRUE(created) << created.error().message;
        const json requester = requester_of(name);
        EXPECT_EQ(requester["username"], username);
        EXPECT_NE(kube::string_at(requester, {"uid"}), kube::string_at(forged_requester(), {"uid"}));
        EXPECT_FALSE(requester["groups"].dump().contains("system:masters")) << requester;
        EXPECT_FALSE(requester.dump().contains("forged.example.com")) << requester;
        EXPECT_NE(requester["stampedAt"], forged_requester()["stampedAt"]);
        EXPECT_NE(requester["seal"], forged_requester()["seal"]);
        expect_denied(name, "NotAuthorized");
        EXPECT_TRUE(message(name).contains('"' + username + '"')) << message(name);
    }
}

TEST_F(ThreatIdentity, H3EachForgedPartAloneIsOverwritten) {
    ASSERT_TRUE(bob().create(request("honest")));
    const json honest = requester_of("honest");
    int number = 0;
    for (const auto& [field, value] : forged_requester().items()) {
        const std::string name = "part-" + std::to_string(++number);
        ASSERT_TRUE(bob().create(request(name, {{"requester", {{field, value}}}}))) << field;
        const json requester = requester_of(name);
        EXPECT_EQ(requester["username"], "bob") << field;
        EXPECT_EQ(requester["groups"], honest["groups"]) << field;
        EXPECT_EQ(requester.contains("uid"), honest.contains("uid")) << field;
        expect_denied(name, "NotAuthorized");
    }
}

TEST_F(ThreatIdentity, H3AForgedRequesterIsRestoredByEveryKindOfUpdate) {
    ASSERT_TRUE(bob().create(request("r")));
    expect_denied("r", "NotAuthorized");
    const json before = requester_of("r");
    const json forged = forged_requester();
    json replaced = stored("r");
    replaced["spec"]["requester"] = forged;
    const std::string json_patch(kube::patch::kJson);
    for (User* const attacker : {&bob(), &editor()}) {
        EXPECT_TRUE(attacker->merge(path("r"), {{"spec", {{"requester", forged}}}}));
        EXPECT_EQ(requester_of("r"), before);
        for (const json& operation : {json{{"op", "replace"}, {"path", "/spec/requester"}, {"value", forged}},
                                      json{{"op", "replace"}, {"path", "/spec/requester/username"}, {"value", "alice"}},
                                      json{{"op", "remove"}, {"path", "/spec/requester/seal"}}}) {
            EXPECT_TRUE(attacker->request("PATCH", path("r"), json::array({operation}), json_patch)) << operation;
            EXPECT_EQ(requester_of("r"), before) << operation;
        }
        replaced["metadata"]["resourceVersion"] = stored("r")["metadata"]["resourceVersion"];
        const auto put = bob().request("PUT", path("r"), replaced);
        EXPECT_TRUE(put) << put.error().message;
        EXPECT_EQ(requester_of("r"), before);
    }
    expect_denied("r", "NotAuthorized");
}

TEST_F(ThreatIdentity, H3AForgedRequesterIsRestoredAgainstAnotherFieldManager) {
    if (!plane_->is_real()) GTEST_SKIP() << "the model API server has no server-side apply";
    ASSERT_TRUE(apply(bob(), "one", request("r", {{"requester", forged_requester()}})));
    expect_denied("r", "NotAuthorized");
    const json before = requester_of("r");
    EXPECT_EQ(before["username"], "bob");
    for (const char* manager : {"one", "other"}) {
        const auto applied = apply(editor(), manager, request("r", {{"requester", forged_requester()}}));
        EXPECT_TRUE(applied) << applied.error().message;
        EXPECT_EQ(requester_of("r"), before) << manager;
    }
    expect_denied("r", "NotAuthorized");
}

TEST_F(ThreatIdentity, H4WhatMetadataClaimsIsOfNoAccount) {
    ASSERT_TRUE(alice().create(request("alices")));
    EXPECT_EQ(outcome("alices"), "Succeeded/Completed");
    json spoofed = request("spoofed");
    spoofed["metadata"]["labels"] = {{"requester", "alice"}, {"endoscope.dev/requester", "alice"}};
    spoofed["metadata"]["annotations"] = {
        {"endoscope.dev/requester", "alice"},
        {"endoscope.dev/approved", "true"},
        {"kubectl.kubernetes.io/last-applied-configuration", kube::dump_json(stored("alices"))}};
    spoofed["metadata"]["ownerReferences"] = {{{"apiVersion", "endoscope.dev/v1alpha1"},
                                               {"kind", "DebugRequest"},
                                               {"name", "alices"},
                                               {"uid", stored("alices")["metadata"]["uid"]}}};
    spoofed["metadata"]["managedFields"] = {{{"manager", "alice"},
                                             {"operation", "Update"},
                                             {"apiVersion", "endoscope.dev/v1alpha1"},
                                             {"fieldsType", "FieldsV1"},
                                             {"fieldsV1", json::object()}}};
    const auto created = bob().create(spoofed);
    ASSERT_TRUE(created) << created.error().message;
    expect_denied("spoofed", "NotAuthorized");
}

TEST_F(ThreatIdentity, H5NoRoleOfUsersReachesTheStatus) {
    ASSERT_TRUE(bob().create(request("r")));
    expect_denied("r", "NotAuthorized");
    const json claim = {{"status", {{"phase", "Running"}, {"reason", "Started"}}}};
    for (User* const attacker : {&alice(), &bob(), &editor(), &robot()}) {
        const auto written = attacker->merge(path("r") + "/status", claim);
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().http_status, 403) << written.error().message;
    }
    // A status that comes with the object is dropped: it is a subresource.
    json object = request("with-status");
    object["status"] = claim["status"];
    ASSERT_TRUE(bob().create(object));
    expect_denied("with-status", "NotAuthorized");
    EXPECT_TRUE(bob().merge(path("with-status"), claim));
    EXPECT_EQ(phase("with-status"), "Denied");
}

TEST_F(ThreatIdentity, H5AForgedStatusIsPutRightAndInjectsNothing) {
    ASSERT_TRUE(bob().create(request("never")));
    expect_denied("never", "NotAuthorized");
    ASSERT_TRUE(alice().create(request("once")));
    EXPECT_EQ(outcome("once"), "Succeeded/Completed");
    // As if it had been injected already, or had never been looked at. Whoever may write a status is above the roles of
    // users; injecting is still not his.
    const json once = stored("once")["status"]["targets"][0];
    for (const json& forged : {json{{"phase", "Running"}, {"reason", "Started"}, {"targets", json::array({once})}},
                               json{{"phase", "Injecting"}, {"targets", nullptr}},
                               json{{"phase", nullptr}, {"reason", nullptr}, {"targets", nullptr}}}) {
        for (const auto& [name, end] : {std::pair<std::string, std::string>("never", "Denied/NotAuthorized"),
                                        std::pair<std::string, std::string>("once", "Succeeded/Completed")}) {
            ASSERT_TRUE(admin().merge(path(name) + "/status", {{"status", forged}}));
            EXPECT_EQ(outcome(name), end) << name << " " << forged;
        }
    }
    EXPECT_EQ(containers_of("never"), 0U);
    EXPECT_EQ(containers_of("once"), 1U);
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(ThreatIdentity, H6NobodyChangesWhatWasAdmitted) {
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const json before = stored("r")["spec"];
    for (User* const attacker : {&alice(), &editor(), &admin()}) {
        for (const json& change :
             {json{{"image", "registry.cn-beijing.aliyuncs.com/dotbalo/other:1"}}, json{{"profile", "sysadmin"}},
              json{{"reason", "another"}}, json{{"target", {{"podName", "other"}}}}, json{{"command", {"id"}}},
              json{{"deadlineSeconds", 14400}}, json{{"runAs", {{"user", 0}}}}}) {
            const auto changed = attacker->merge(path("r"), {{"spec", change}});
            ASSERT_FALSE(changed) << change;
            EXPECT_EQ(changed.error().http_status, 422) << changed.error().message;
        }
    }
    EXPECT_EQ(stored("r")["spec"], before);
}

}  // namespace
}  // namespace endoscope::test
