// Requests that the webhooks did not see, or saw as something else (docs/security.md, H3 and H24).
#include "kube/base/json.hpp"
#include "tests/integration/threat_fixture.hpp"

#include <thread>

namespace endoscope::test {
namespace {

class WithoutWebhooks : public ThreatTest {
  protected:
    void SetUp() override {
        ThreatTest::SetUp();
        if (HasFatalFailure()) return;
        ASSERT_TRUE(alice().create(request("sealed")));
        ASSERT_EQ(outcome("sealed"), "Succeeded/Completed");
        // Sealed for alice, and never stored.
        const auto rehearsed = alice().rehearse(request("kept"));
        ASSERT_TRUE(rehearsed);
        kept_ = (*rehearsed)["spec"];
        kept_at_ = std::chrono::steady_clock::now();
        ASSERT_TRUE(admin().remove(kMutating));
        ASSERT_TRUE(admin().remove(kValidating));
        // The API server learns of it with a delay; until then the requester is still stamped.
        ASSERT_TRUE(eventually([&] {
            const auto rehearsed_again = bob().rehearse(request("probe"));
            return rehearsed_again && !(*rehearsed_again)["spec"].contains("requester");
        }));
    }
    void TearDown() override {
        end_operator();  // the next test's operator installs the configurations again
        ThreatTest::TearDown();
    }
    json with_spec(const std::string& name, const json& spec) const {
        json object = request(name);
        object["spec"] = spec;
        return object;
    }

    json kept_;
    std::chrono::steady_clock::time_point kept_at_;
};

TEST_F(WithoutWebhooks, ARequestThatNobodyStampedIsDenied) {
    ASSERT_TRUE(alice().create(request("plain")));
    EXPECT_EQ(outcome("plain"), "Denied/IdentityMissing");
    EXPECT_EQ(injected("web").size(), 1U) << "only the one that was sealed";
}

TEST_F(WithoutWebhooks, AForgedSealIsDenied) {
    const json forged = {{"username", "alice"},
                         {"groups", {"system:masters"}},
                         {"stampedAt", "2026-01-01T00:00:00Z"},
                         {"seal", "v1.abc.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}};
    ASSERT_TRUE(bob().create(request("forged", {{"requester", forged}})));
    EXPECT_EQ(outcome("forged"), "Denied/IdentityInvalid");
    EXPECT_EQ(injected("web").size(), 1U) << "only the one that was sealed";
}

TEST_F(WithoutWebhooks, AForgedRecordDoesNotStandForTheSeal) {
    json forged = request("forged", {{"requester",
                                      {{"username", "alice"},
                                       {"groups", {"system:masters"}},
                                       {"stampedAt", "2026-01-01T00:00:00Z"},
                                       {"seal", "v1.abc.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}}});
    // As if it had been chosen, and its container were still to come.
    forged["spec"]["target"] = {{"selector", {{"matchExpressions", {{{"key", "no"}, {"operator", "DoesNotExist"}}}}}}};
    ASSERT_TRUE(bob().create(forged));
    EXPECT_EQ(outcome("forged"), "Denied/IdentityInvalid");
    const json row = {{"podName", "web"},
                      {"podUID", admin().get(pod_path("web"))["metadata"]["uid"]},
                      {"containerName", "dbg-forged"},
                      {"state", "Pending"},
                      {"reason", "Injecting"}};
    const json status = {{"phase", "Injecting"}, {"reason", "Injecting"}, {"targets", {row}}};
    ASSERT_TRUE(admin().merge(path("forged") + "/status", {{"status", status}}));
    EXPECT_TRUE(outcome("forged").ends_with("/IdentityInvalid")) << outcome("forged");
    EXPECT_EQ(injected("web").size(), 1U) << "only the one that was sealed";
}

TEST_F(WithoutWebhooks, ASealBelongsToOneNameAndOneSpec) {
    const json genuine = stored("sealed")["spec"];
    ASSERT_TRUE(bob().create(with_spec("copied", genuine)));
    EXPECT_EQ(outcome("copied"), "Denied/IdentityInvalid");
    json other_user = genuine;
    other_user["requester"]["username"] = "bob";
    json other_image = genuine;
    other_image["image"] = "registry.cn-beijing.aliyuncs.com/dotbalo/other:1";
    for (const json& spec : {other_user, other_image}) {
        ASSERT_TRUE(bob().remove(path("sealed")));
        ASSERT_TRUE(bob().create(with_spec("sealed", spec)));
        EXPECT_EQ(outcome("sealed"), "Denied/IdentityInvalid") << spec;
    }
    EXPECT_EQ(injected("web").size(), 1U) << "only the one that was sealed";
}

TEST_F(WithoutWebhooks, H3ASealBelongsToOneNamespace) {
    const std::string other = ns_ + "-other";
    make({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", other}}}});
    ASSERT_TRUE(admin().merge(policy_path(ns_), {{"spec", {{"namespaces", {{"names", {ns_, other}}}}}}}));
    json copied = with_spec("sealed", stored("sealed")["spec"]);
    copied["metadata"]["namespace"] = other;
    make(copied);
    const std::string where = "/apis/endoscope.dev/v1alpha1/namespaces/" + other + "/debugrequests/sealed";
    EXPECT_TRUE(eventually([&] {
        return kube::string_at(admin().get(where), {"status", "reason"}) == "IdentityInvalid";
    })) << admin().get(where);
}

TEST_F(WithoutWebhooks, H3NoPartOfASealedRequestCanBeChanged) {
    // As it was sealed it is in force; what follows is for the changes.
    ASSERT_TRUE(alice().create(with_spec("kept", kept_)));
    EXPECT_EQ(outcome("kept"), "Succeeded/Completed");
    ASSERT_TRUE(alice().remove(path("kept")));
    const auto with = [&](const char* pointer, const json& value) {
        json spec = kept_;
        spec[json::json_pointer(pointer)] = value;
        return spec;
    };
    const std::string seal = kept_["requester"]["seal"];
    json groups = kept_["requester"]["groups"];
    groups.push_back("system:masters");
    std::vector<std::pair<json, std::string>> rows = {
        {with("/requester/username", "admin"), "IdentityInvalid"},
        {with("/requester/uid", "1"), "IdentityInvalid"},
        {with("/requester/groups", groups), "IdentityInvalid"},
        {with("/requester/groups", json::array()), "IdentityInvalid"},
        {with("/requester/extra", {{"scopes", {"all"}}}), "IdentityInvalid"},
        {with("/requester/stampedAt", "2099-01-01T00:00:00Z"), "IdentityInvalid"},
        {with("/requester/seal", ""), "IdentityInvalid"},
        {with("/requester/seal", seal.substr(0, seal.size() - 1)), "IdentityInvalid"},
        {with("/requester/seal", seal + "A"), "IdentityInvalid"},
        {with("/requester/seal", " " + seal), "IdentityInvalid"},
        {with("/requester/seal", seal.substr(0, seal.rfind('.') + 1)), "IdentityInvalid"},
        {with("/requester/seal", "v2" + seal.substr(2)), "IdentityInvalid"},
        {with("/requester/seal", stored("sealed")["spec"]["requester"]["seal"]), "IdentityInvalid"},
        {with("/requester", json::object()), "IdentityMissing"},
        {with("/image", "registry.cn-beijing.aliyuncs.com/dotbalo/other:1"), "IdentityInvalid"},
        {with("/reason", "another"), "IdentityInvalid"},
        {with("/profile", "baseline"), "IdentityInvalid"},
        {with("/command", {"sleep", "0.4"}), "IdentityInvalid"},
        {with("/args", {"x"}), "IdentityInvalid"},
        {with("/env", {{{"name", "TERM"}, {"value", "x"}}}), "IdentityInvalid"},
        {with("/runAs", {{"user", 1}}), "IdentityInvalid"},
        {with("/deadlineSeconds", 14400), "IdentityInvalid"},
        {with("/workingDir", "/tmp"), "IdentityInvalid"},
        {with("/containerName", "other"), "IdentityInvalid"},
        {with("/target/container", "nginx"), "IdentityInvalid"},
    };
    rows.emplace_back(kept_, "IdentityMissing");
    rows.back().first["requester"].erase("seal");
    for (const auto& [spec, reason] : rows) {
        const auto created = bob().create(with_spec("kept", spec));
        ASSERT_TRUE(created) << spec << created.error().message;
        EXPECT_EQ(outcome("kept"), "Denied/" + reason) << spec;
        EXPECT_FALSE(message("kept").empty());
        ASSERT_TRUE(bob().remove(path("kept")));
    }
    EXPECT_EQ(injected("web").size(), 2U) << "only those that were sealed";
}

TEST_F(WithoutWebhooks, H3ASealedRequestPostedAgainAtOnceInjectsNothingMore) {
    const json genuine = stored("sealed")["spec"];
    ASSERT_TRUE(bob().remove(path("sealed")));
    ASSERT_TRUE(bob().create(with_spec("sealed", genuine)));
    EXPECT_TRUE(outcome("sealed").starts_with("Succeeded/")) << "it is alice's request still";
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(WithoutWebhooks, H3ASealedRequestPostedLaterIsDenied) {
    // Longer than a stamp may be older than its object, which keeps no author from saying that it is older.
    std::this_thread::sleep_until(kept_at_ + std::chrono::seconds(62));
    json late = with_spec("kept", kept_);
    late["metadata"]["creationTimestamp"] = kept_["requester"]["stampedAt"];
    ASSERT_TRUE(alice().create(late));
    expect_denied("kept", "IdentityInvalid");
    EXPECT_EQ(injected("web").size(), 1U) << "only the one that was sealed";
}

TEST_F(WithoutWebhooks, TamperingWithASealedRequestIsSeenAfterARestart) {
    // Nothing but the CRD's own rule keeps the requester now, and it holds for everybody.
    const auto changed = admin().merge(path("sealed"), {{"spec", {{"requester", {{"username", "bob"}}}}}});
    ASSERT_FALSE(changed);
    EXPECT_TRUE(changed.error().message.contains("immutable")) << changed.error().message;
    EXPECT_EQ(stored("sealed")["spec"]["requester"]["username"], "alice");
}

}  // namespace
}  // namespace endoscope::test
