// Requests that the webhooks did not see, or saw as something else.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

namespace endoscope::test {
namespace {

constexpr const char* kMutating = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/endoscope";
constexpr const char* kValidating = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/endoscope";

class WithoutWebhooks : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        if (HasFatalFailure()) return;
        ASSERT_TRUE(alice().create(request("sealed")));
        ASSERT_EQ(outcome("sealed"), "Succeeded/Completed");
        ASSERT_TRUE(admin().remove(kMutating));
        ASSERT_TRUE(admin().remove(kValidating));
        // The API server learns of it with a delay; until then the requester is still stamped.
        ASSERT_TRUE(eventually([&] {
            const auto rehearsed = bob().rehearse(request("probe"));
            return rehearsed && !(*rehearsed)["spec"].contains("requester");
        }));
    }
    void TearDown() override {
        end_operator();  // the next test's operator installs the configurations again
        EndoscopeTest::TearDown();
    }
    json with_spec(const std::string& name, const json& spec) const {
        json object = request(name);
        object["spec"] = spec;
        return object;
    }
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

TEST_F(WithoutWebhooks, TamperingWithASealedRequestIsSeenAfterARestart) {
    // Nothing but the CRD's own rule keeps the requester now, and it holds for everybody.
    const auto changed = admin().merge(path("sealed"), {{"spec", {{"requester", {{"username", "bob"}}}}}});
    ASSERT_FALSE(changed);
    EXPECT_TRUE(changed.error().message.contains("immutable")) << changed.error().message;
    EXPECT_EQ(stored("sealed")["spec"]["requester"]["username"], "alice");
}

}  // namespace
}  // namespace endoscope::test
