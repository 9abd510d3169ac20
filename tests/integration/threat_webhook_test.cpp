// Attackers at the webhooks (docs/security.md, H24): gone, half there, scoped out, answered by somebody else, or called
// by somebody else. Without both configurations: security_test.cpp.
#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "tests/integration/threat_fixture.hpp"

namespace endoscope::test {
namespace {

class ThreatWebhook : public ThreatTest {
  protected:
    void TearDown() override {
        end_operator();  // the next test's operator installs the configurations again
        ThreatTest::TearDown();
    }
    /// Merges `change` into the only webhook of both configurations.
    void change_webhooks(const json& change) {
        for (const char* where : {kMutating, kValidating}) {
            json configuration = admin().get(where);
            configuration["webhooks"][0].merge_patch(change);
            const auto changed = admin().request("PUT", where, configuration);
            ASSERT_TRUE(changed) << changed.error().message;
        }
    }
    /// Of the key that the operator seals with.
    std::string key_in_use() {
        const auto rehearsed = alice().rehearse(request("probe"));
        const std::string seal = rehearsed ? kube::string_at(*rehearsed, {"spec", "requester", "seal"}) : "";
        return seal.substr(0, seal.rfind('.'));
    }
    bool is_stamped(const std::string& name) {
        const auto rehearsed = bob().rehearse(request(name));
        return rehearsed && (*rehearsed)["spec"].contains("requester");
    }
};

TEST_F(ThreatWebhook, H24NothingIsStoredWhileNobodyAnswers) {
    op().crash();
    const auto created = alice().create(request("r"));
    ASSERT_FALSE(created);
    EXPECT_EQ(created.error().http_status, 500) << created.error().message;
    EXPECT_TRUE(created.error().message.contains("failed calling webhook")) << created.error().message;
    EXPECT_TRUE(admin().is_absent(path("r")));
    // Nothing but our own kind waits for us.
    run_pod("other");
    EXPECT_TRUE(admin().merge(policy_path(ns_), {{"metadata", {{"labels", {{"a", "b"}}}}}}));
    start_operator();
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
}

TEST_F(ThreatWebhook, H24WithoutTheMutatingOneTheOtherRefuses) {
    ASSERT_TRUE(admin().remove(kMutating));
    ASSERT_TRUE(eventually([&] { return !is_stamped("probe"); }));
    const auto plain = bob().create(request("r"));
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().http_status, 403) << plain.error().message;
    EXPECT_TRUE(plain.error().message.contains("spec.requester")) << plain.error().message;
    EXPECT_FALSE(bob().create(request("r", {{"requester", forged_requester()}})));
    EXPECT_TRUE(admin().is_absent(path("r")));
}

TEST_F(ThreatWebhook, H24WithoutTheValidatingOneTheStampStillDecides) {
    ASSERT_TRUE(admin().remove(kValidating));
    ASSERT_TRUE(bob().create(request("bobs", {{"requester", forged_requester()}})));
    expect_denied("bobs", "NotAuthorized");
    ASSERT_TRUE(alice().create(request("alices")));
    EXPECT_EQ(outcome("alices"), "Succeeded/Completed");
    EXPECT_EQ(injected("web").size(), 1U);
}

TEST_F(ThreatWebhook, H24ANamespaceThatIsScopedOutIsDenied) {
    const json elsewhere = {{"matchLabels", {{"kubernetes.io/metadata.name", "elsewhere"}}}};
    change_webhooks({{"namespaceSelector", elsewhere}});
    ASSERT_TRUE(eventually([&] { return !is_stamped("probe"); }));
    ASSERT_TRUE(alice().create(request("plain")));
    ASSERT_TRUE(bob().create(request("forged", {{"requester", forged_requester()}})));
    expect_denied("plain", "IdentityMissing");
    expect_denied("forged", "IdentityInvalid");
}

TEST_F(ThreatWebhook, H24AnotherEndoscopesStampIsNotOurs) {
    // Of another cluster, with a seal key of its own.
    const std::string dir = plane_->dir() + "/foreign";
    Subprocess apiserver({ENDOSCOPE_MODEL_APISERVER, "--dir", dir, "--exit-with-parent"}, dir + "-apiserver");
    ASSERT_TRUE(apiserver.wait_for_line("ready", std::chrono::seconds(30))) << apiserver.err();
    OperatorProcess foreign(dir + "/admin.kubeconfig", dir + "-operator");
    ASSERT_TRUE(foreign.wait_until_ready()) << foreign.process().err();
    User there(dir + "/admin.kubeconfig");
    const std::string ours = key_in_use();
    ASSERT_NE(ours, "");
    for (const char* where : {kMutating, kValidating}) {
        json configuration = admin().get(where);
        configuration["webhooks"][0]["clientConfig"] = there.get(where)["webhooks"][0]["clientConfig"];
        ASSERT_TRUE(admin().request("PUT", where, configuration));
    }
    ASSERT_TRUE(eventually([&] { return !key_in_use().empty() && key_in_use() != ours; }));
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(stored("r")["spec"]["requester"]["username"], "alice") << "it looks genuine";
    expect_denied("r", "IdentityInvalid");
    EXPECT_EQ(foreign.stop(std::chrono::seconds(10)), 0);
}

TEST_F(ThreatWebhook, H24AReviewThatSomebodyMadeUpIsOfNoUse) {
    // Who reaches the port can have an object sealed in any name...
    json object = request("r");
    const json review = {{"apiVersion", "admission.k8s.io/v1"},
                         {"kind", "AdmissionReview"},
                         {"request",
                          {{"uid", "00000000-0000-4000-8000-000000000000"},
                           {"operation", "CREATE"},
                           {"namespace", ns_},
                           {"name", "r"},
                           {"userInfo", {{"username", "alice"}, {"groups", {"developers", "system:authenticated"}}}},
                           {"object", object}}}};
    const auto answer = https_post(op().port_of("webhooks"), "/mutate-endoscope-dev-v1alpha1-debugrequest", review);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_TRUE(answer->contains("JSONPatch")) << *answer;
    const auto made_up = kube::base64_decode(kube::string_at(*kube::parse_json(*answer), {"response", "patch"}));
    ASSERT_TRUE(made_up);
    object["spec"]["requester"] = (*kube::parse_json(*made_up))[0]["value"];
    EXPECT_EQ(object["spec"]["requester"]["username"], "alice");
    // ...and gets nothing by it, since the API server asks again in his own.
    ASSERT_TRUE(bob().create(object));
    EXPECT_EQ(stored("r")["spec"]["requester"]["username"], "bob");
    expect_denied("r", "NotAuthorized");
}

}  // namespace
}  // namespace endoscope::test
