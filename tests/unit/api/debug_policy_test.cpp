#include "api/debug_policy.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::api {
namespace {

using nlohmann::json;

json whole() {
    return json::parse(R"({"metadata":{"name":"p","uid":"u","generation":3,"resourceVersion":"9"},
      "spec":{"namespaces":{"names":["prod-*"],"selector":{"matchLabels":{"tier":"prod"},
                "matchExpressions":[{"key":"x","operator":"Exists"},{"key":"y","operator":"In","values":["1"]}]}},
        "authorization":"UsePolicy","requesters":{"allowServiceAccounts":true,"serviceAccounts":["a/b"]},
        "images":{"allow":["busybox"],"deny":["**:latest"],"requireDigest":true},"profiles":["restricted"],
        "customProfiles":[{"name":"c","securityContext":{"privileged":true}}],
        "runAs":{"allowMatchTarget":true,"minUser":0,"defaultUser":65532},"env":{"allowedNames":["TERM"]},
        "commands":[["ps"],["cat","/proc/1/status"]],
        "targets":{"podSelector":{"matchLabels":{"a":"b"}},"containers":["nginx"],"allowHostPID":true,"allowHostNetwork":true,
          "allowHostIPC":true,"allowPrivileged":true,"allowServiceAccounts":["x"]},
        "reason":{"required":false,"pattern":"^X"},"approval":{"required":2,"timeoutSeconds":60},
        "limits":{"maxDeadlineSeconds":1,"defaultDeadlineSeconds":2,"startDeadlineSeconds":3,"maxPerPod":4,"exclusive":true,
          "maxActivePerNamespace":5,"maxActivePerRequester":6,"maxPods":7},
        "onExpiry":"EvictPod","afterSession":"EvictPod"},
      "status":{"observedGeneration":3,"message":"m","conditions":[{"type":"Accepted","status":"True"}]}})");
}

TEST(DebugPolicy, ReadsEveryField) {
    const auto policy = parse_debug_policy(whole());
    ASSERT_TRUE(policy) << policy.error().text();
    const DebugPolicySpec& spec = policy->spec;
    EXPECT_EQ(policy->generation, 3);
    EXPECT_EQ(spec.namespaces.names, std::vector<std::string>{"prod-*"});
    EXPECT_EQ(spec.namespaces.selector.match_expressions.size(), 2U);
    EXPECT_EQ(spec.authorization, AuthorizationMode::use_policy);
    EXPECT_TRUE(spec.requesters.allow_service_accounts);
    EXPECT_TRUE(spec.images.require_digest);
    ASSERT_EQ(spec.custom_profiles.size(), 1U);
    EXPECT_EQ(spec.custom_profiles.front().name, "c");
    EXPECT_EQ(spec.run_as, (PolicyRunAs{.allow_match_target = true, .min_user = 0, .default_user = 65532}));
    EXPECT_EQ(spec.commands.at(1).at(1), "/proc/1/status");
    EXPECT_TRUE(spec.targets.allow_host_pid && spec.targets.allow_host_network && spec.targets.allow_host_ipc &&
                spec.targets.allow_privileged);
    EXPECT_FALSE(spec.reason.is_required());
    EXPECT_EQ(spec.approval->required, 2);
    EXPECT_EQ(spec.limits, (PolicyLimits{1, 2, 3, 4, true, 5, 6, 7}));
    EXPECT_EQ(spec.on_expiry, OnExpiry::evict_pod);
    EXPECT_EQ(spec.after_session, AfterSession::evict_pod);
    EXPECT_EQ(policy->status.conditions.at(0).type, "Accepted");
    EXPECT_EQ(to_json(policy->status)["observedGeneration"], 3);
}

TEST(DebugPolicy, WhatIsMissingDenies) {
    const auto policy = parse_debug_policy(json::parse(R"({"metadata":{"name":"p"},"spec":{}})"));
    ASSERT_TRUE(policy);
    const DebugPolicySpec& spec = policy->spec;
    EXPECT_TRUE(spec.namespaces.names.empty() && spec.namespaces.selector.empty());
    EXPECT_EQ(spec.authorization, AuthorizationMode::pod_permission);
    EXPECT_TRUE(spec.images.allow.empty() && spec.profiles.empty() && spec.env_allowed_names.empty());
    EXPECT_FALSE(spec.run_as.allow_match_target);
    EXPECT_EQ(spec.run_as.min_user, 1);
    EXPECT_EQ(spec.targets.allow_service_accounts, std::vector<std::string>{"*"});
    EXPECT_FALSE(spec.targets.allow_privileged);
    EXPECT_EQ(spec.limits.max_per_pod, 5);
    EXPECT_EQ(spec.approval, std::nullopt);
    EXPECT_FALSE(spec.reason.is_required());
}

TEST(DebugPolicy, APatternMakesTheReasonRequired) {
    const auto policy = parse_debug_policy(json::parse(R"({"spec":{"reason":{"pattern":"x"}}})"));
    EXPECT_TRUE(policy->spec.reason.is_required());
}

TEST(DebugPolicy, ParseErrorsNameTheField) {
    struct Row {
        const char* pointer;
        const char* value;
        const char* field;
    };
    const Row rows[] = {
        {"/spec/imagess", "{}", "spec.imagess"},
        {"/spec/images/allowed", "[]", "spec.images.allowed"},
        {"/spec/images/allow", R"("x")", "spec.images.allow"},
        {"/spec/profiles", R"("restricted")", "spec.profiles"},
        {"/spec/authorization", R"("None")", "spec.authorization"},
        {"/spec/onExpiry", R"("Kill")", "spec.onExpiry"},
        {"/spec/commands", R"(["ps"])", "spec.commands[0]"},
        {"/spec/namespaces/selector/matchLabels", R"({"-":"x"})", "spec.namespaces.selector.matchLabels"},
        {"/spec/namespaces/selector/matchExpressions", R"([{"key":"a","operator":"Gt"}])",
         "spec.namespaces.selector.matchExpressions[0].operator"},
        {"/spec/namespaces/selector/matchExpressions", R"([{"key":"a","operator":"In"}])",
         "spec.namespaces.selector.matchExpressions[0].values"},
        {"/spec/targets/podSelector/matchExpressions", R"([{"operator":"Exists"}])",
         "spec.targets.podSelector.matchExpressions[0].key"},
        {"/spec/targets/podSelector/matchExpressions", R"([{"key":"a","operator":"NotIn","values":["b","pr*d"]}])",
         "spec.targets.podSelector.matchExpressions[0].values[1]"},
        {"/spec/limits/maxPerPod", R"("5")", "spec.limits.maxPerPod"},
        {"/spec/limits/exclusive", "1", "spec.limits.exclusive"},
    };
    for (const Row& row : rows) {
        json object = whole();
        object[json::json_pointer(row.pointer)] = json::parse(row.value);
        const auto policy = parse_debug_policy(object);
        ASSERT_FALSE(policy) << row.pointer;
        EXPECT_EQ(policy.error().field, row.field);
    }
}

TEST(DebugPolicy, PartsOfAWrongPolicyCanBeRead) {
    json object = whole();
    object["spec"]["limits"] = "many";
    EXPECT_FALSE(parse_debug_policy(object));
    EXPECT_EQ(parse_policy_record(object).name, "p");
    EXPECT_EQ(parse_policy_namespaces(object)->names.size(), 1U);
    EXPECT_EQ(readable_denials(object).size(), 1U);
    object["spec"]["namespaces"]["names"] = 1;
    EXPECT_FALSE(parse_policy_namespaces(object));
}

}  // namespace
}  // namespace endoscope::api
