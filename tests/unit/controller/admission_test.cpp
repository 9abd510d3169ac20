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
                .no_keys = [] { return std::string("the Secret is gone"); },
                .on_unknown_key = [this] { ++unknown_keys_; },
                .policies = [this] { return policies_; },
                .namespace_labels = [](const std::string&) { return std::optional<api::Labels>(api::Labels()); },
                .random_suffix = [] { return std::string("abcde"); },
                .operator_namespace = "endoscope-system",
                .deny_at_admission = deny_at_admission_};
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

    /// A policy of that name for all namespaces and one image.
    void add_policy(const std::string& name, const std::string& image) {
        policies_.push_back(CompiledPolicy::from_json(
            {{"metadata", {{"name", name}}},
             {"spec",
              {{"namespaces", {{"names", {"*"}}}}, {"images", {{"allow", {image}}}}, {"profiles", {"restricted"}}}}}));
    }

    StillClock clock_;
    std::vector<std::shared_ptr<const CompiledPolicy>> policies_;
    bool deny_at_admission_ = false;
    int unknown_keys_ = 0;
    std::shared_ptr<const SealKeyRing> keys_ =
        std::make_shared<const SealKeyRing>(SealKeyRing{.current = {.id = "k1"}});
};

TEST_F(AdmissionTest, WithoutKeysNothingIsCreated) {
    const auto sealed = mutated(create());
    keys_ = nullptr;
    for (const auto& response :
         {mutate_debug_request(context(), create()), validate_debug_request(context(), sealed)}) {
        EXPECT_FALSE(response.allowed);
        EXPECT_EQ(response.code, 503);
        EXPECT_EQ(response.message,
                  "Endoscope cannot seal requests at the moment: the Secret is gone; try again in a few seconds");
    }
    // What exists can be labelled, and ends, all the same.
    AdmissionRequest update = sealed;
    update.operation = "UPDATE";
    update.old_object = update.object;
    EXPECT_TRUE(mutate_debug_request(context(), update).allowed);
    EXPECT_TRUE(validate_debug_request(context(), update).allowed);
}

TEST_F(AdmissionTest, AKeyThatAnotherReplicaKnowsAlreadyIsAskedFor) {
    keys_ = std::make_shared<const SealKeyRing>(SealKeyRing{.current = {.id = "k2"}});
    const auto sealed = mutated(create());
    keys_ = std::make_shared<const SealKeyRing>(SealKeyRing{.current = {.id = "k1"}});
    const auto refused = validate_debug_request(context(), sealed);
    EXPECT_FALSE(refused.allowed);
    EXPECT_EQ(refused.code, 503) << "nobody is at fault";
    EXPECT_EQ(unknown_keys_, 1);
    keys_ = std::make_shared<const SealKeyRing>(SealKeyRing{.current = {.id = "k1"}, .others = {{.id = "k2"}}});
    EXPECT_TRUE(validate_debug_request(context(), sealed).allowed);
    EXPECT_EQ(unknown_keys_, 1);
}

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

TEST_F(AdmissionTest, AnotherSpecIsRefusedWithANameForTheNextRequest) {
    const std::string longest(253, 'a');
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"web", "web-2"},
        {"web-2", "web-3"},
        {"web-9", "web-10"},
        {"web-99", "web-100"},
        {"inc-4711", "inc-4711-2"},
        {"inc-4711-2", "inc-4711-3"},
        {"web-02", "web-02-2"},
        {"web-v2", "web-v2-2"},
        {"7", "7-2"},
        {"a.b-3", "a.b-4"},
        {longest, longest.substr(2) + "-2"},
        {longest.substr(3) + ".aa", longest.substr(3) + "-2"},
    };
    for (const auto& [name, next] : rows) {
        AdmissionRequest update = create();
        update.operation = "UPDATE";
        update.name = name;
        update.old_object = mutated(create()).object;
        update.object["spec"]["image"] = "busybox:1.37";
        const auto refused = mutate_debug_request(context(), update);
        EXPECT_FALSE(refused.allowed);
        EXPECT_EQ(refused.code, 422);
        EXPECT_EQ(refused.reason, "Invalid");
        EXPECT_EQ(refused.message, "spec is immutable: create a new DebugRequest, e.g. \"" + next + "\"");
    }
    AdmissionRequest labelled = create();
    labelled.operation = "UPDATE";
    labelled.old_object = mutated(create()).object;
    labelled.object["metadata"]["labels"] = {{"team", "shop"}};
    EXPECT_TRUE(mutate_debug_request(context(), labelled).allowed);
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

TEST_F(AdmissionTest, WhereItIsAskedForACertainDenialIsARefusalWithTheReasonOfEachPolicy) {
    deny_at_admission_ = true;
    auto response = validate_debug_request(context(), mutated(create()));
    EXPECT_FALSE(response.allowed);
    EXPECT_EQ(response.code, 403);
    EXPECT_EQ(response.reason, "Forbidden");
    EXPECT_TRUE(response.message.contains("NoPolicy")) << response.message;
    EXPECT_TRUE(response.causes.empty());

    add_policy("a", "ghcr.io/acme/**");
    add_policy("b", "ghcr.io/other/**");
    response = validate_debug_request(context(), mutated(create()));
    EXPECT_FALSE(response.allowed);
    EXPECT_TRUE(response.message.contains("ImageNotAllowed")) << response.message;
    ASSERT_EQ(response.causes.size(), 2U);
    EXPECT_EQ(response.causes[1].reason, "ImageNotAllowed");
    EXPECT_TRUE(response.causes[1].message.contains("policy \"b\"")) << response.causes[1].message;
    EXPECT_FALSE(response.causes[1].message.contains("ghcr.io")) << "the lists are not for those who may not know";

    // What cannot be judged without look-ups is admitted and judged by the reconciler.
    add_policy("c", "busybox:1.*");
    EXPECT_TRUE(validate_debug_request(context(), mutated(create())).allowed);
}

TEST_F(AdmissionTest, ATagThatCanBeMovedIsWarnedOf) {
    add_policy("any", "**");
    const auto by_tag = validate_debug_request(context(), mutated(create()));
    EXPECT_TRUE(by_tag.allowed);
    ASSERT_EQ(by_tag.warnings.size(), 1U);
    EXPECT_TRUE(by_tag.warnings[0].contains("docker.io/library/busybox:1.36")) << by_tag.warnings[0];
    auto pinned = create();
    pinned.object["spec"]["image"] = "busybox:1.36@sha256:" + std::string(64, '1');
    EXPECT_TRUE(validate_debug_request(context(), mutated(pinned)).warnings.empty());
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
