// What the API server and the webhooks say to `kubectl apply`.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

namespace endoscope::test {
namespace {

class Admission : public EndoscopeTest {};

TEST_F(Admission, MistakesAreRefusedWithTheirField) {
    const std::vector<std::pair<json, std::string>> mistakes = {
        {{{"image", "Bad//Image"}}, "spec.image"},
        {{{"image", "a@sha256:12"}}, "spec.image"},
        {{{"image", nullptr}}, "spec.image"},
        {{{"target", {{"podName", nullptr}}}}, "spec.target"},
        {{{"target", {{"podName", "Not_A_Name"}}}}, "spec.target.podName"},
        {{{"mode", "Shell"}}, "spec.mode"},
        {{{"deadlineSeconds", 0}}, "spec.deadlineSeconds"},
        {{{"deadlineSeconds", "soon"}}, "spec.deadlineSeconds"},
        {{{"reason", "a\nb"}}, "spec.reason"},
        {{{"profile", "Not A Profile"}}, "spec.profile"},
        {{{"imagePullPolicy", "Never"}}, "spec.imagePullPolicy"},
        {{{"containerName", "Debug!"}}, "spec.containerName"},
        {{{"onBehalfOf", {{"username", "a\nb"}}}}, "spec.onBehalfOf.username"},
        {{{"target", {{"selector", {{"matchLabels", {{"a", "b"}}}}}}}}, "spec.target"},
        {{{"target", {{"podName", nullptr}, {"selector", json::object()}}}}, "spec.target.selector"},
        {{{"target", {{"maxPods", 2}}}}, "spec.target"},
    };
    for (const auto& [spec, field] : mistakes) {
        const auto created = alice().create(request("bad", spec));
        ASSERT_FALSE(created) << spec.dump();
        EXPECT_EQ(created.error().http_status, 422) << created.error().message;
        EXPECT_TRUE(created.error().message.contains(field)) << created.error().message;
    }
    EXPECT_TRUE(admin().is_absent(path("bad")));
}

TEST_F(Admission, AnUnknownFieldIsRefusedWhereTheClientAsksForIt) {
    const auto created = alice().request("POST", path("").substr(0, path("").size() - 1) + "?fieldValidation=Strict",
                                         request("r", {{"privileged", true}}));
    ASSERT_FALSE(created);
    EXPECT_TRUE(created.error().message.contains("privileged")) << created.error().message;
}

TEST_F(Admission, AForgedRequesterIsOverwrittenOnCreateAndRestoredOnUpdate) {
    const json forged = {{"username", "admin"}, {"groups", {"system:masters"}}, {"seal", "v1.x.y"}};
    ASSERT_TRUE(bob().create(request("r", {{"requester", forged}})));
    EXPECT_EQ(outcome("r"), "Denied/NotAuthorized");
    const json before = stored("r")["spec"]["requester"];
    EXPECT_EQ(before["username"], "bob");
    EXPECT_EQ(before["groups"], json({"developers", "system:authenticated"}));
    EXPECT_NE(before["seal"], "v1.x.y");
    EXPECT_TRUE(bob().merge(path("r"), {{"spec", {{"requester", {{"username", "admin"}}}}}}));
    EXPECT_EQ(stored("r")["spec"]["requester"], before);
    EXPECT_TRUE(admin().merge(path("r"), {{"spec", {{"requester", nullptr}}}}));
    EXPECT_EQ(stored("r")["spec"]["requester"], before);
    json replaced = stored("r");
    replaced["spec"].erase("requester");
    EXPECT_TRUE(bob().request("PUT", path("r"), replaced));
    EXPECT_EQ(stored("r")["spec"]["requester"], before);
}

TEST_F(Admission, TheSpecIsImmutable) {
    ASSERT_TRUE(alice().create(request("r")));
    for (const json& change :
         {json{{"image", "busybox:1"}}, json{{"target", {{"podName", "other"}}}}, json{{"reason", "another"}},
          json{{"command", nullptr}}, json{{"profile", "sysadmin"}}}) {
        const auto changed = alice().merge(path("r"), {{"spec", change}});
        ASSERT_FALSE(changed) << change;
        EXPECT_EQ(changed.error().http_status, 422);
        EXPECT_TRUE(changed.error().message.contains("spec is immutable: create a new DebugRequest, e.g. \"r-2\""))
            << changed.error().message;
    }
    // Metadata is the author's, and of no account.
    EXPECT_TRUE(alice().merge(path("r"), {{"metadata", {{"labels", {{"team", "shop"}}}}}}));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
}

TEST_F(Admission, ARehearsalStampsButStoresAndInjectsNothing) {
    const auto rehearsed = alice().rehearse(request("r"));
    ASSERT_TRUE(rehearsed) << rehearsed.error().message;
    EXPECT_EQ((*rehearsed)["spec"]["requester"]["username"], "alice");
    EXPECT_TRUE(admin().is_absent(path("r")));
    // What comes after it in the queue is done, so the rehearsal would have been.
    ASSERT_TRUE(alice().create(request("after")));
    EXPECT_EQ(outcome("after"), "Succeeded/Completed");
    EXPECT_EQ(injected("web").size(), 1U);
    EXPECT_TRUE(op().audit(ns_ + "/r").empty());
}

TEST_F(Admission, AGeneratedNameIsSealedToo) {
    json object = request("r");
    object["metadata"].erase("name");
    object["metadata"]["generateName"] = "auto-";
    const auto created = alice().create(object);
    ASSERT_TRUE(created) << created.error().message;
    const std::string name = (*created)["metadata"]["name"];
    EXPECT_TRUE(name.starts_with("auto-") && name.size() > 5) << name;
    EXPECT_EQ(outcome(name), "Succeeded/Completed");
}

TEST_F(Admission, ADenialThatIsCertainCanBeRefusedAtOnce) {
    // What the one operator records, another refuses, if it is told to.
    ASSERT_TRUE(alice().create(request("recorded", {{"image", "busybox:1"}})));
    EXPECT_EQ(outcome("recorded"), "Denied/ImageNotAllowed");
    end_operator();
    OperatorProcess strict(plane_->kubeconfig("admin"), plane_->dir() + "/strict",
                           std::vector<std::string>{"dev", "--deny-at-admission"});
    ASSERT_TRUE(strict.wait_until_ready()) << strict.process().err();
    ASSERT_TRUE(eventually([&] { return alice().rehearse(request("probe")).has_value(); })) << "its webhooks in force";
    for (const bool rehearsed : {true, false}) {
        const json bad = request("refused", {{"image", "busybox:1"}});
        const auto refused = rehearsed ? alice().rehearse(bad) : alice().create(bad);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().http_status, 403);
        EXPECT_EQ(refused.error().reason, "Forbidden");
        EXPECT_TRUE(refused.error().message.contains("ImageNotAllowed: spec.image")) << refused.error().message;
        ASSERT_EQ(refused.error().causes.size(), 1U);
        EXPECT_EQ(refused.error().causes[0].reason, "ImageNotAllowed");
        // Only what was meant is on record.
        EXPECT_EQ(strict.audit(ns_ + "/refused").size(), rehearsed ? 0U : 1U);
    }
    EXPECT_TRUE(admin().is_absent(path("refused")));
    // What takes a look-up is judged and recorded as ever.
    ASSERT_TRUE(bob().create(request("bob")));
    EXPECT_EQ(outcome("bob"), "Denied/NotAuthorized");
    ASSERT_TRUE(alice().create(request("good")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(strict.stop(std::chrono::seconds(20)), 0) << strict.process().err();
}

TEST_F(Admission, MetadataIsNoAuthority) {
    json spoofed = request("r");
    spoofed["metadata"]["annotations"] = {{"endoscope.dev/requester", "alice"}, {"endoscope.dev/approved", "true"}};
    spoofed["metadata"]["labels"] = {{"requester", "alice"}};
    ASSERT_TRUE(bob().create(spoofed));
    EXPECT_EQ(outcome("r"), "Denied/NotAuthorized");
}

}  // namespace
}  // namespace endoscope::test
