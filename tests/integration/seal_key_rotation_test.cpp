// The keys of the seal are replaced, lost, spoilt and known too late: nobody is denied for a rotation, and nothing is
// believed without a key.
#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <memory>
#include <vector>

namespace endoscope::test {
namespace {

constexpr const char* kSecret = "/api/v1/namespaces/endoscope-system/secrets/endoscope-seal-key";
constexpr const char* kMutating = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/endoscope";
constexpr const char* kValidating = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/endoscope";
/// bob may ask and not debug, so that nothing is injected; a seal that is no good would be told instead.
constexpr const char* kJudged = "Denied/NotAuthorized";

class SealKeyRotation : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        // Neither keys nor a rotation of the test before.
        ASSERT_TRUE(admin().remove(kSecret));
    }
    void TearDown() override {
        for (auto& process : processes_) {
            EXPECT_EQ(process->stop(std::chrono::seconds(20)), 0) << process->process().err();
            EXPECT_FALSE(process->process().err().contains("Sanitizer")) << process->process().err();
        }
        EndoscopeTest::TearDown();
    }

    /// Does not wait.
    OperatorProcess& start(const std::string& refresh, const std::string& rotation,
                           const std::vector<std::string>& more = {}) {
        static int number = 0;
        std::vector<std::string> arguments = {"dev", "--seal-key-refresh", refresh, "--seal-key-rotation", rotation};
        arguments.insert(arguments.end(), more.begin(), more.end());
        processes_.push_back(std::make_unique<OperatorProcess>(
            plane_->kubeconfig("admin"), plane_->dir() + "/seal-keys-" + std::to_string(++number), arguments));
        return *processes_.back();
    }
    OperatorProcess& start_ready(const std::string& refresh, const std::string& rotation,
                                 const std::vector<std::string>& more = {}) {
        OperatorProcess& process = start(refresh, rotation, more);
        EXPECT_TRUE(process.wait_until_ready()) << process.process().err();
        return process;
    }
    /// Another replica; its webhooks are those that are called from then on.
    OperatorProcess& start_standby(const std::string& refresh, const std::string& rotation) {
        OperatorProcess& process = start(refresh, rotation, {"--leader-elect"});
        EXPECT_TRUE(eventually([&] { return process.healthy("/readyz"); })) << process.process().err();
        return process;
    }
    void crash() {
        processes_.back()->crash();
        processes_.pop_back();
    }

    std::string current_key() {
        return kube::base64_decode(kube::string_at(admin().get(kSecret), {"data", "current"})).value_or("");
    }
    std::string sealing_key(const std::string& name) {
        const std::string seal = kube::string_at(stored(name), {"spec", "requester", "seal"});
        return seal.substr(3, seal.find('.', 3) - 3);
    }
    void ask_for_rotation(const std::string& value) {
        ASSERT_TRUE(admin().merge(kSecret, {{"metadata", {{"annotations", {{"endoscope.dev/rotate", value}}}}}}));
    }
    /// bob creates one request after the other until `enough`; their names.
    template <class Enough>
    std::vector<std::string> create_until(Enough enough) {
        std::vector<std::string> names;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(40);
        while (!enough() && std::chrono::steady_clock::now() < end) {
            names.push_back("stream-" + std::to_string(names.size()));
            const auto created = bob().create(request(names.back()));
            EXPECT_TRUE(created) << names.back() << ": " << created.error().message;
        }
        EXPECT_TRUE(enough());
        return names;
    }
    /// A request of alice's, sealed as by any creation, but not stored yet.
    json sealed_request(const std::string& name) {
        auto object = alice().rehearse(request(name));
        EXPECT_TRUE(object) << object.error().message;
        if (!object) return nullptr;
        for (const char* field : {"uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"})
            (*object)["metadata"].erase(field);
        return *object;
    }
    void store_past_the_webhooks(const json& object) {
        ASSERT_TRUE(admin().remove(kMutating) && admin().remove(kValidating));
        // The API server follows with a delay.
        ASSERT_TRUE(eventually([&] { return admin().create(object).has_value(); }));
    }

    std::vector<std::unique_ptr<OperatorProcess>> processes_;
};

TEST_F(SealKeyRotation, NobodyIsRefusedOrDeniedWhileKeysAreReplaced) {
    OperatorProcess& op = start_ready("300ms", "1s", {"--seal-key-retention", "10s"});
    const auto names = create_until([&] { return op.metric("endoscope_seal_key_rotations_total") >= 4; });
    for (const std::string& name : names) EXPECT_EQ(outcome(name), kJudged) << message(name);
    EXPECT_NE(sealing_key(names.front()), sealing_key(names.back()));
    ASSERT_TRUE(alice().create(request("allowed")));
    EXPECT_EQ(outcome("allowed"), "Succeeded/Completed");
    // Those of an earlier time are dropped.
    const std::string first = sealing_key(names.front());
    EXPECT_TRUE(eventually([&] { return !admin().get(kSecret)["data"].contains("key-" + first); }));
}

TEST_F(SealKeyRotation, AllReplicasFollowARotationOnDemand) {
    OperatorProcess& leader = start_ready("500ms", "0", {"--leader-elect"});
    OperatorProcess& standby = start_standby("500ms", "0");
    const std::string before = current_key();
    ask_for_rotation("first");
    std::vector<std::string> names = create_until([&] { return current_key() != before; });
    const std::string after = current_key();
    // The standby seals from now on, and with the new key once it has read that it is in use.
    EXPECT_TRUE(eventually([&] {
        names.push_back("late-" + std::to_string(names.size()));
        return bob().create(request(names.back())) && sealing_key(names.back()) == after;
    }));
    for (const std::string& name : names) EXPECT_EQ(outcome(name), kJudged) << message(name);
    EXPECT_EQ(leader.metric("endoscope_seal_key_rotations_total"), 1);
    EXPECT_EQ(standby.metric("endoscope_seal_key_rotations_total"), 0);
    EXPECT_EQ(standby.metric("endoscope_seal_keys"), 2);
    EXPECT_EQ(kube::string_at(admin().get(kSecret), {"metadata", "annotations", "endoscope.dev/rotated"}), "first");
    // The same value asks for nothing.
    ask_for_rotation("first");
    std::this_thread::sleep_for(std::chrono::seconds(3));
    EXPECT_EQ(current_key(), after);
    ask_for_rotation("second");
    EXPECT_TRUE(eventually([&] { return current_key() != after; }));
}

TEST_F(SealKeyRotation, AKeyThatTheLeaderDoesNotKnowYetIsLookedUp) {
    OperatorProcess& leader = start_ready("10m", "0", {"--leader-elect"});
    start_standby("500ms", "0");
    // As a backup would bring it back: a key in use that was never announced.
    const json data = {{"current", kube::base64_encode("restored")},
                       {"key-restored", kube::base64_encode(std::string(32, 'r'))}};
    ASSERT_TRUE(admin().merge(kSecret, {{"data", data}}));
    std::string name;
    EXPECT_TRUE(eventually([&] {
        name += "r";
        return bob().create(request(name)) && sealing_key(name) == "restored";
    }));
    EXPECT_EQ(outcome(name), kJudged) << message(name);
    EXPECT_EQ(leader.metric("endoscope_seal_keys"), 2);
}

TEST_F(SealKeyRotation, WithoutItsKeyAPendingRequestIsDeniedAndASessionGoesOn) {
    start_ready("500ms", "0");
    ASSERT_TRUE(alice().create(request("session", {{"command", {"sleep", "6"}}})));
    ASSERT_TRUE(reaches("session", "Running"));
    const json pending = sealed_request("pending");
    crash();
    const std::string lost = current_key();
    ASSERT_TRUE(admin().remove(kSecret));
    store_past_the_webhooks(pending);
    start_ready("500ms", "0");
    EXPECT_EQ(outcome("pending"), "Denied/IdentityInvalid");
    EXPECT_TRUE(message("pending").contains("the key was lost")) << message("pending");
    EXPECT_TRUE(message("pending").contains("create the request again")) << message("pending");
    EXPECT_EQ(outcome("session"), "Succeeded/Completed");
    EXPECT_EQ(containers_of("session"), 1U);
    EXPECT_NE(current_key(), lost);
    ASSERT_TRUE(alice().create(request("again")));
    EXPECT_EQ(outcome("again"), "Succeeded/Completed");
}

TEST_F(SealKeyRotation, ADeletedSecretIsMadeAnewAtOnceAndAllFollow) {
    start_ready("500ms", "0", {"--leader-elect"});
    start_standby("500ms", "0");
    ASSERT_TRUE(alice().create(request("session", {{"command", {"sleep", "4"}}})));
    ASSERT_TRUE(reaches("session", "Running"));
    const std::string lost = current_key();
    ASSERT_TRUE(admin().remove(kSecret));
    EXPECT_TRUE(eventually([&] { return !current_key().empty(); }));
    EXPECT_NE(current_key(), lost);
    // The standby seals with the new one soon, and the leader knows it.
    std::string name;
    EXPECT_TRUE(eventually([&] {
        name += "r";
        return bob().create(request(name)) && sealing_key(name) == current_key();
    }));
    EXPECT_EQ(outcome(name), kJudged) << message(name);
    EXPECT_EQ(outcome("session"), "Succeeded/Completed");
}

TEST_F(SealKeyRotation, ASpoiltSecretIsLeftAloneAndNothingIsSealedUntilItIsRepaired) {
    OperatorProcess& op = start_ready("500ms", "0");
    const json good = admin().get(kSecret)["data"];
    ASSERT_TRUE(admin().merge(kSecret, {{"data", {{"current", ""}}}}));
    const json spoilt = admin().get(kSecret);
    ASSERT_TRUE(eventually([&] { return !op.healthy("/readyz/seal-keys"); }));
    EXPECT_FALSE(op.healthy("/readyz"));
    EXPECT_TRUE(op.healthy("/healthz"));
    const auto refused = alice().create(request("refused"));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.contains(
        "Secret endoscope-system/endoscope-seal-key names no current key; repair it, or delete it"))
        << refused.error().message;
    EXPECT_EQ(op.metric("endoscope_seal_keys"), 0);
    std::this_thread::sleep_for(std::chrono::seconds(3));
    EXPECT_EQ(admin().get(kSecret), spoilt);
    ASSERT_TRUE(admin().merge(kSecret, {{"data", good}}));
    EXPECT_TRUE(eventually([&] { return op.healthy("/readyz"); }));
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
}

}  // namespace
}  // namespace endoscope::test
