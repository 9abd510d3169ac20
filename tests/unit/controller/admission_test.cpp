#include "controller/admission.hpp"

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using kube::AdmissionRequest;
using nlohmann::json;

/// A clock that stands still.
class StillClock final : public kube::Clock {
  public:
    kube::WallTime now() const override { return *api::parse_timestamp("2026-01-31T12:00:00Z"); }
    kube::SteadyTime steady_now() const override { return {}; }
    std::unique_ptr<kube::Timer> call_at(kube::SteadyTime, std::function<void()>) override { return nullptr; }
};

class AdmissionTest : public testing::Test {
  protected:
    AdmissionContext context() {
        return {.clock = clock_,
                .keys = [this] { return keys_; },
                .policies = [] { return std::vector<std::shared_ptr<const CompiledPolicy>>(); },
                .namespace_labels = [](const std::string&) { return std::optional<api::Labels>(api::Labels()); },
                .random_suffix = [] { return std::string("abcde"); },
                .operator_namespace = "endoscope-system"};
    }

    static AdmissionRequest create(const json& requester = nullptr) {
        AdmissionRequest request;
        request.uid = "u";
        request.operation = "CREATE";
        request.ns = "prod";
        request.name = "r";
        request.user = {
            .username = "alice", .uid = "7", .groups = {"dev", "system:authenticated"}, .extra = {{"k", {"v"}}}};
        request.object = {{"apiVersion", "endoscope.dev/v1alpha1"},
                          {"kind", "DebugRequest"},
                          {"metadata", {{"name", "r"}, {"namespace", "prod"}}},
                          {"spec",
                           {{"reason", "why"},
                            {"target", {{"podName", "web"}}},
                            {"image", "busybox:1.36"},
                            {"mode", "Interactive"},
                            {"profile", "restricted"}}}};
        if (!requester.is_null()) request.object["spec"]["requester"] = requester;
        return request;
    }

    /// The object as it is after the mutating step.
    AdmissionRequest mutated(AdmissionRequest request) {
        const auto response = mutate_debug_request(context(), request);
        EXPECT_TRUE(response.allowed) << response.message;
        if (!response.patch.is_null()) request.object = request.object.patch(response.patch);
        return request;
    }

    StillClock clock_;
    std::shared_ptr<const SealKeyRing> keys_ =
        std::make_shared<const SealKeyRing>(SealKeyRing{.current = {.id = "k1"}});
};

TEST_F(AdmissionTest, TheAuthenticatedUserIsStampedWhateverTheAuthorWrote) {
    for (const json& forged : {json(nullptr), json({{"username", "admin"}, {"groups", {"system:masters"}}}),
                               json({{"username", "alice"}, {"seal", "v1.k1.AAAA"}}), json("admin"), json::array()}) {
        const auto request = mutated(create(forged));
        const json& requester = request.object["spec"]["requester"];
        EXPECT_EQ(requester["username"], "alice");
        EXPECT_EQ(requester["uid"], "7");
        EXPECT_EQ(requester["groups"], json({"dev", "system:authenticated"}));
        EXPECT_EQ(requester["extra"], json({{"k", {"v"}}}));
        EXPECT_EQ(requester["stampedAt"], "2026-01-31T12:00:00Z");
        EXPECT_TRUE(validate_debug_request(context(), request).allowed);
    }
}

TEST_F(AdmissionTest, GenerateNameIsResolvedBeforeTheSeal) {
    auto request = create();
    request.name.clear();
    request.object["metadata"] = {{"generateName", "dbg-"}, {"namespace", "prod"}};
    request = mutated(request);
    EXPECT_EQ(request.object["metadata"]["name"], "dbg-abcde");
    EXPECT_TRUE(validate_debug_request(context(), request).allowed);
}

TEST_F(AdmissionTest, AChangeAfterTheStampIsRefused) {
    const auto stamped = mutated(create());
    const std::vector<std::pair<std::string, json>> changes = {{"/spec/requester/username", "bob"},
                                                               {"/spec/requester/groups", json::array()},
                                                               {"/spec/requester/extra", json::object()},
                                                               {"/spec/requester/stampedAt", "2026-01-31T12:00:01Z"},
                                                               {"/spec/image", "evil:1"},
                                                               {"/metadata/name", "other"}};
    for (const auto& [path, value] : changes) {
        auto request = stamped;
        request.object = request.object.patch({{{"op", "replace"}, {"path", path}, {"value", value}}});
        const auto response = validate_debug_request(context(), request);
        EXPECT_FALSE(response.allowed) << path;
        EXPECT_EQ(response.code, 403) << path;
    }
    auto elsewhere = stamped;
    elsewhere.ns = "test";
    EXPECT_FALSE(validate_debug_request(context(), elsewhere).allowed);
    auto unstamped = create();
    EXPECT_FALSE(validate_debug_request(context(), unstamped).allowed);
}

TEST_F(AdmissionTest, AnUpdateKeepsTheStoredRequester) {
    const auto stored = mutated(create()).object;
    AdmissionRequest update = create();
    update.operation = "UPDATE";
    update.old_object = stored;
    update.user.username = "bob";
    const auto silent = mutate_debug_request(context(), update);
    EXPECT_EQ(update.object.patch(silent.patch)["spec"]["requester"], stored["spec"]["requester"]);
    EXPECT_TRUE(silent.warnings.empty());  // every second apply leaves it out

    update.object["spec"]["requester"] = {{"username", "bob"}};
    EXPECT_FALSE(validate_debug_request(context(), update).allowed);
    const auto forged = mutate_debug_request(context(), update);
    EXPECT_EQ(update.object.patch(forged.patch)["spec"]["requester"], stored["spec"]["requester"]);
    EXPECT_EQ(forged.warnings.size(), 1U);

    update.object = stored;
    EXPECT_TRUE(mutate_debug_request(context(), update).patch.is_null());
    EXPECT_TRUE(validate_debug_request(context(), update).allowed);
}

TEST_F(AdmissionTest, AnUpdateCannotAddARequesterToAnObjectWithoutOne) {
    AdmissionRequest update = create(json({{"username", "bob"}}));
    update.operation = "UPDATE";
    update.old_object = create().object;
    const auto response = mutate_debug_request(context(), update);
    EXPECT_FALSE(update.object.patch(response.patch)["spec"].contains("requester"));
    EXPECT_FALSE(validate_debug_request(context(), update).allowed);
}

TEST_F(AdmissionTest, MistakesAreRefusedWithTheirField) {
    const std::vector<std::tuple<std::string, json, std::string>> mistakes = {
        {"/spec/image", "Bad Image", "spec.image"},
        {"/spec/image", "ghcr.io/acme/x@sha256:12", "spec.image"},
        {"/spec/target", json::object(), "spec.target"},
        {"/spec/reason", "a\nb", "spec.reason"},
        {"/spec/mode", "Shell", "spec.mode"},
        {"/spec/unknown", 1, "spec.unknown"},
    };
    for (const auto& [path, value, field] : mistakes) {
        auto request = create();
        request.object = request.object.patch({{{"op", "add"}, {"path", path}, {"value", value}}});
        const auto response = validate_debug_request(context(), mutated(request));
        EXPECT_FALSE(response.allowed) << path;
        EXPECT_EQ(response.code, 422) << path;
        EXPECT_TRUE(response.message.contains(field)) << response.message;
    }
}

TEST_F(AdmissionTest, ADenialThatIsCertainIsToldAtOnceButAdmitted) {
    const auto response = validate_debug_request(context(), mutated(create()));
    EXPECT_TRUE(response.allowed);
    ASSERT_EQ(response.warnings.size(), 1U);
    EXPECT_TRUE(response.warnings[0].contains("NoPolicy"));
}

TEST_F(AdmissionTest, TheStatusSubresourceAndDeletionsPass) {
    auto request = create();
    request.subresource = "status";
    EXPECT_TRUE(mutate_debug_request(context(), request).patch.is_null());
    request.subresource.clear();
    request.operation = "DELETE";
    request.object = nullptr;
    EXPECT_TRUE(mutate_debug_request(context(), request).allowed);
    EXPECT_TRUE(validate_debug_request(context(), request).allowed);
}

}  // namespace
}  // namespace endoscope::controller
