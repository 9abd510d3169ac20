// Requests that the webhook did not see, or saw as something else.
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
        if (IsSkipped() || HasFatalFailure()) return;
        ASSERT_TRUE(cluster_->alice().create(request("sealed")));
        ASSERT_EQ(outcome("sealed"), "Succeeded/Completed");
        ASSERT_TRUE(cluster_->admin().remove(kMutating));
        ASSERT_TRUE(cluster_->admin().remove(kValidating));
        // API servers learn of it with a delay; until then the requester is still stamped.
        int probe = 0;
        ASSERT_TRUE(eventually([&] {
            const std::string name = "probe-" + std::to_string(++probe);
            const auto created = cluster_->bob().create(request(name));
            return created && !(*created)["spec"].contains("requester");
        }));
    }
    void TearDown() override {
        if (cluster_ != nullptr) start_operator();  // installs the configurations again
        EndoscopeTest::TearDown();
    }
};

TEST_F(WithoutWebhooks, NothingIsInjectedWhateverTheRequestSays) {
    ASSERT_TRUE(cluster_->alice().create(request("plain")));
    EXPECT_EQ(outcome("plain"), "Denied/IdentityMissing");

    const json forged = {{"username", "alice"},
                         {"groups", {"system:masters"}},
                         {"stampedAt", "2026-01-01T00:00:00Z"},
                         {"seal", "v1.abc.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}};
    ASSERT_TRUE(cluster_->bob().create(request("forged", {{"requester", forged}})));
    EXPECT_EQ(outcome("forged"), "Denied/IdentityInvalid");

    // A seal belongs to one name in one namespace, one spec and one moment.
    const json genuine = stored("sealed")["spec"];
    json copied = request("copied");
    copied["spec"] = genuine;
    ASSERT_TRUE(cluster_->bob().create(copied));
    EXPECT_EQ(outcome("copied"), "Denied/IdentityInvalid");

    EXPECT_EQ(injected("web").size(), 1U) << "only the one that was sealed";
}

TEST_F(EndoscopeTest, ThePodsOfTheOperatorAreOutOfReach) {
    json forbidden = request("r");
    forbidden["metadata"]["namespace"] = "endoscope-system";
    ASSERT_TRUE(cluster_->admin().create(forbidden));
    const std::string where = "/apis/endoscope.dev/v1alpha1/namespaces/endoscope-system/debugrequests/r";
    ASSERT_TRUE(
        eventually([&] { return kube::string_at(cluster_->admin().get(where), {"status", "phase"}) == "Denied"; }));
    EXPECT_EQ(kube::string_at(cluster_->admin().get(where), {"status", "reason"}), "NamespaceProtected");
    ASSERT_TRUE(cluster_->admin().remove(where));
}

TEST_F(EndoscopeTest, MetadataIsNoAuthority) {
    json spoofed = request("r");
    spoofed["metadata"]["annotations"] = {{"endoscope.dev/requester", "alice"}, {"endoscope.dev/approved", "true"}};
    spoofed["metadata"]["labels"] = {{"requester", "alice"}};
    ASSERT_TRUE(cluster_->bob().create(spoofed));
    EXPECT_EQ(outcome("r"), "Denied/NotAuthorized");
}

}  // namespace
}  // namespace endoscope::test
