#include "controller/stored_request.hpp"

#include "controller/seal.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

using nlohmann::json;

json request(const char* phase) {
    return json::parse(R"({"apiVersion":"endoscope.dev/v1alpha1","kind":"DebugRequest",
        "metadata":{"namespace":"production","name":"r","uid":"u","resourceVersion":"7","generation":2,
          "creationTimestamp":"2026-01-02T03:04:05Z","managedFields":[{"manager":"kubectl"}]},
        "spec":{"reason":"INC-1","target":{"podName":"web","container":"app"},"image":"busybox","profile":"restricted",
          "requester":{"username":"alice","groups":["developers"],"stampedAt":"2026-01-02T03:04:05Z"}},
        "status":{"observedGeneration":2,"reason":"Completed","message":"ended",
          "startedAt":"2026-01-02T03:04:06Z","attachCommand":"kubectl attach",
          "targets":[{"podName":"web","podUID":"pu","containerName":"debug","state":"Running"}],
          "conditions":[{"type":"Ready","status":"True","reason":"Completed","message":"ended",
            "lastTransitionTime":"2026-01-02T03:04:06Z","observedGeneration":2}]}})")
        .patch({{{"op", "add"}, {"path", "/status/phase"}, {"value", phase}}});
}

TEST(StoredRequest, ARequestThatGoesOnIsReadBackWhole) {
    for (const char* phase : {"Running", "Expired"}) {
        const StoredRequest stored = read_request(cache_request(request(phase)));
        ASSERT_TRUE(stored.parsed) << stored.parsed.error().text();
        EXPECT_EQ(stored.parsed, api::parse_debug_request(request(phase))) << phase;
        EXPECT_EQ(stored.key(), "production/r");
        EXPECT_EQ(stored.uid, "u");
        EXPECT_EQ(stored.resource_version, "7");
    }
}

TEST(StoredRequest, WhatIsAskedAboutAllRequestsNeedsNoReading) {
    const CachedRequest cached = cache_request(request("Running"));
    EXPECT_TRUE(cached.is_readable);
    EXPECT_TRUE(cached.has_targets);
    EXPECT_FALSE(cached.deleting);
    EXPECT_EQ(cached.phase, api::Phase::running);
    EXPECT_EQ(cached.subject, "alice");
    EXPECT_EQ(cached.pod, "web");
    EXPECT_EQ(cached.container, "app");
}

TEST(StoredRequest, ARequestThatIsOverKeepsItsSpecAndTheHeartOfItsStatus) {
    const StoredRequest stored = read_request(cache_request(request("Succeeded")));
    ASSERT_TRUE(stored.parsed);
    const auto whole = api::parse_debug_request(request("Succeeded"));
    EXPECT_EQ(stored.parsed->spec, whole->spec);
    EXPECT_EQ(stored.parsed->status.phase, api::Phase::succeeded);
    EXPECT_EQ(stored.parsed->status.message, "ended");
    EXPECT_TRUE(stored.parsed->status.conditions.empty());
    EXPECT_TRUE(cache_request(request("Succeeded")).has_targets);
}

TEST(StoredRequest, AStatusOnRecordIsKnownAgain) {
    for (const char* phase : {"Running", "Succeeded"}) {
        const StoredRequest stored = read_request(cache_request(request(phase)));
        auto status = api::parse_debug_request(request(phase))->status;
        EXPECT_TRUE(is_recorded(stored, status)) << phase;
        status.message = "ended otherwise";
        EXPECT_FALSE(is_recorded(stored, status)) << phase;
    }
    auto other = api::parse_debug_request(request("Running"))->status;
    other.conditions.clear();
    EXPECT_FALSE(is_recorded(read_request(cache_request(request("Running"))), other));
}

TEST(StoredRequest, ASpecThatCannotBeReadIsStillAnError) {
    json object = request("Denied");
    object["spec"]["surprise"] = 1;
    const CachedRequest cached = cache_request(object);
    EXPECT_FALSE(cached.is_readable);
    const StoredRequest stored = read_request(cached);
    ASSERT_FALSE(stored.parsed);
    EXPECT_EQ(stored.parsed.error().text(), api::parse_debug_request(object).error().text());
    EXPECT_EQ(stored.phase, api::Phase::denied);
    EXPECT_FALSE(is_recorded(stored, api::DebugRequestStatus()));
}

TEST(StoredRequest, TheSealIsCheckedOnTheTextThatIsKept) {
    SealKeyRing keys;
    keys.current.id = "k";
    json object = request("Running");
    const auto seal = make_seal(
        keys.current, {.kind = "DebugRequest", .namespace_name = "production", .name = "r", .spec = object["spec"]});
    ASSERT_TRUE(seal) << seal.error();
    object["spec"]["requester"]["seal"] = *seal;
    const auto identity = [&](const json& changed) {
        return check_identity(keys, "DebugRequest", json::parse(read_request(cache_request(changed)).text));
    };
    EXPECT_EQ(identity(object), IdentityCheck::valid);
    object["spec"]["image"] = "other";
    EXPECT_EQ(identity(object), IdentityCheck::invalid);
}

}  // namespace
}  // namespace endoscope::controller
