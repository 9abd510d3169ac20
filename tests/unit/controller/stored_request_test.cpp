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
    EXPECT_EQ(cached.pods, "web");
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

TEST(StoredRequest, OfSeveralPodsOneMayHaveFailedWhileAnotherStillRuns) {
    json object = request("Failed");
    object["status"]["conditions"].push_back({{"type", "ContainerStillRunning"},
                                              {"status", "True"},
                                              {"reason", "DeadlineExceeded"},
                                              {"message", "it runs"},
                                              {"lastTransitionTime", "2026-01-02T03:04:06Z"}});
    object["status"]["finishedAt"] = "2026-01-02T03:04:07Z";
    const CachedRequest cached = cache_request(object);
    EXPECT_FALSE(cached.removable_since) << "its record is still needed";
    const StoredRequest stored = read_request(cached);
    EXPECT_EQ(stored.parsed, api::parse_debug_request(object));
    EXPECT_TRUE(is_recorded(stored, stored.parsed->status));
}

TEST(StoredRequest, WithOurFinalizerTheWholeStatusIsKept) {
    json object = request("Succeeded");
    object["metadata"]["finalizers"] = {"example.org/other"};
    const StoredRequest others = read_request(cache_request(object));
    EXPECT_FALSE(others.has_finalizer);
    EXPECT_EQ(others.finalizers, std::vector<std::string>{"example.org/other"});
    EXPECT_TRUE(others.parsed->status.conditions.empty());

    object["metadata"]["finalizers"] = {"example.org/other", "endoscope.dev/session"};
    EXPECT_TRUE(cache_request(object).has_finalizer);
    const StoredRequest ours = read_request(cache_request(object));
    EXPECT_TRUE(ours.has_finalizer);
    ASSERT_TRUE(ours.parsed);
    EXPECT_EQ(ours.parsed, api::parse_debug_request(object));
    EXPECT_EQ(ours.parsed->finalizers, ours.finalizers);
    auto status = ours.parsed->status;
    EXPECT_TRUE(is_recorded(ours, status));
    status.conditions.clear();
    EXPECT_FALSE(is_recorded(ours, status));
}

TEST(StoredRequest, FinalizersAreKnownOfASpecThatCannotBeRead) {
    json object = request("Denied");
    object["spec"]["surprise"] = 1;
    object["metadata"]["finalizers"] = {"endoscope.dev/session"};
    const StoredRequest stored = read_request(cache_request(object));
    EXPECT_FALSE(stored.parsed);
    EXPECT_TRUE(stored.has_finalizer);
    EXPECT_EQ(stored.finalizers, std::vector<std::string>{"endoscope.dev/session"});
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
