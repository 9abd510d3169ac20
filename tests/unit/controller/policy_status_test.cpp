#include "controller/policy_reconciler.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

using nlohmann::json;

json policy_object() {
    return json::parse(R"({"metadata":{"name":"p","uid":"u","generation":4},
        "spec":{"namespaces":{"names":["a"]},"images":{"allow":["busybox"]},"profiles":["restricted"]}})");
}

TEST(PolicyStatus, SaysWhetherThePolicyIsInForce) {
    const api::TimePoint now = *api::parse_timestamp("2026-01-01T00:00:00Z");
    const auto good = policy_status(*CompiledPolicy::from_json(policy_object()), now);
    EXPECT_EQ(good.observed_generation, 4);
    EXPECT_EQ(good.message, "");
    ASSERT_EQ(good.conditions.size(), 1U);
    EXPECT_EQ(api::to_json(good.conditions)[0],
              json::parse(R"({"type":"Accepted","status":"True","reason":"Accepted","message":"the policy is in force",
                  "lastTransitionTime":"2026-01-01T00:00:00Z","observedGeneration":4})"));

    json wrong = policy_object();
    wrong["spec"]["images"]["deny"] = {"**/x"};
    const auto bad = policy_status(*CompiledPolicy::from_json(wrong), now);
    ASSERT_EQ(bad.conditions.size(), 1U);
    EXPECT_EQ(bad.conditions[0].status, api::ConditionStatus::is_false);
    EXPECT_EQ(bad.conditions[0].reason, "PolicyInvalid");
    EXPECT_NE(bad.message.find("spec.images.deny[0]"), std::string::npos) << bad.message;
    EXPECT_NE(bad.conditions[0].message.find("spec.images.deny[0]"), std::string::npos);
}

TEST(PolicyStatus, DoesNotChangeWithoutCause) {
    // Also of a policy that cannot be decoded: its record is read all the same.
    json undecodable = policy_object();
    undecodable["spec"]["limits"] = "many";
    for (json object : {policy_object(), undecodable}) {
        const auto first =
            policy_status(*CompiledPolicy::from_json(object), *api::parse_timestamp("2026-01-01T00:00:00Z"));
        object["status"] = api::to_json(first);
        const auto policy = CompiledPolicy::from_json(object);
        EXPECT_EQ(policy->status(), first);
        EXPECT_EQ(policy_status(*policy, *api::parse_timestamp("2026-01-02T00:00:00Z")), first);
    }
}

TEST(PolicyStatus, PutsRightWhatSomebodyElseWrote) {
    json object = policy_object();
    object["spec"]["profiles"] = {"none"};
    object["status"] = json::parse(R"({"observedGeneration":9,"message":"all is well","conditions":[
        {"type":"Accepted","status":"True","reason":"Accepted","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]})");
    const auto status =
        policy_status(*CompiledPolicy::from_json(object), *api::parse_timestamp("2026-01-02T00:00:00Z"));
    EXPECT_EQ(status.observed_generation, 4);
    EXPECT_EQ(status.conditions.at(0).status, api::ConditionStatus::is_false);
    EXPECT_EQ(status.conditions.at(0).last_transition_time, "2026-01-02T00:00:00Z");
}

}  // namespace
}  // namespace endoscope::controller
