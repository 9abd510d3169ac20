#include "controller/retention.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace endoscope::controller {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr kube::WallTime kEnd = std::chrono::sys_days{std::chrono::January / 2 / 2026};

json finished(const char* phase = "Succeeded") {
    return {{"metadata", {{"namespace", "production"}, {"name", "r"}, {"uid", "u"}, {"resourceVersion", "7"}}},
            {"spec", {{"target", {{"podName", "web"}}}, {"image", "busybox"}}},
            {"status", {{"phase", phase}, {"finishedAt", kube::format_time(kEnd)}}}};
}

json marked(const char* where, const char* key) {
    json object = finished();
    object["metadata"][where] = {{"team", "shop"}, {key, "x"}};
    return object;
}

TEST(Retention, TheMarksOfToolsAreKnown) {
    const std::vector<std::pair<const char*, const char*>> rows = {
        {"labels", "app.kubernetes.io/managed-by"},
        {"labels", "app.kubernetes.io/instance"},
        {"labels", "applyset.kubernetes.io/part-of"},
        {"labels", "argocd.argoproj.io/instance"},
        {"annotations", "argocd.argoproj.io/tracking-id"},
        {"labels", "kustomize.toolkit.fluxcd.io/name"},
        {"labels", "helm.toolkit.fluxcd.io/name"},
        {"annotations", "fluxcd.io/sync-checksum"},
        {"labels", "resourceset.fluxcd.controlplane.io/name"},
        {"annotations", "meta.helm.sh/release-name"},
        {"annotations", "helm.sh/hook"},
        {"annotations", "fleet.cattle.io/bundle-id"},
        {"labels", "objectset.rio.cattle.io/hash"},
        {"annotations", "objectset.rio.cattle.io/id"},
        {"labels", "kapp.k14s.io/app"},
        {"annotations", "config.k8s.io/owning-inventory"},
        {"annotations", "configsync.gke.io/resource-id"},
        {"labels", "configsync.gke.io/declared-version"},
        {"annotations", "configmanagement.gke.io/managed"},
        {"labels", "kluctl.io/discriminator"},
        {"labels", "tanka.dev/environment"},
        {"annotations", "work.karmada.io/name"},
        {"labels", "projectsveltos.io/reference-name"},
    };
    for (const auto& [where, key] : rows) {
        EXPECT_TRUE(is_managed(marked(where, key))) << where << " " << key;
        EXPECT_FALSE(removable_since(marked(where, key))) << where << " " << key;
    }
}

TEST(Retention, WhatOnlyLooksLikeAMarkIsNone) {
    const std::vector<std::pair<const char*, const char*>> rows = {
        {"labels", "app.kubernetes.io/name"},
        {"annotations", "app.kubernetes.io/managed-by"},
        {"annotations", "kubectl.kubernetes.io/last-applied-configuration"},
        {"labels", "fluxcd.io.example.com/name"},
        {"labels", "notfluxcd.io/name"},
        {"annotations", "field.cattle.io/creatorId"},
        {"labels", "helm"},
    };
    for (const auto& [where, key] : rows) {
        EXPECT_FALSE(is_managed(marked(where, key))) << where << " " << key;
        EXPECT_EQ(removable_since(marked(where, key)), kEnd) << where << " " << key;
    }
    EXPECT_FALSE(is_managed(finished()));
    EXPECT_FALSE(is_managed(json::object()));
    EXPECT_FALSE(is_managed({{"metadata", {{"labels", nullptr}, {"annotations", json::array({"fluxcd.io/x"})}}}}));
}

TEST(Retention, WhatHasAnOwnerIsItsOwners) {
    json owned = finished();
    owned["metadata"]["ownerReferences"] = json::array();
    EXPECT_FALSE(is_managed(owned));
    owned["metadata"]["ownerReferences"].push_back({{"kind", "Job"}, {"name", "nightly"}});
    EXPECT_TRUE(is_managed(owned));
    EXPECT_FALSE(removable_since(owned));
}

TEST(Retention, OnlyWhatIsOverForGoodIsCounted) {
    for (const char* phase : {"Succeeded", "Failed", "Denied", "Expired"}) {
        EXPECT_EQ(removable_since(finished(phase)), kEnd) << phase;
    }
    for (const char* phase : {"", "Pending", "AwaitingApproval", "Injecting", "Starting", "Running", "Done"}) {
        EXPECT_FALSE(removable_since(finished(phase))) << phase;
    }
    for (const json& time : {json(nullptr), json(""), json("yesterday"), json(7)}) {
        json object = finished();
        object["status"]["finishedAt"] = time;
        EXPECT_FALSE(removable_since(object)) << time;
    }
    EXPECT_FALSE(removable_since(json::object()));
}

TEST(Retention, AContainerThatRunsOnKeepsItsRequest) {
    json object = finished("Expired");
    json condition = {{"type", "ContainerStillRunning"},
                      {"status", "True"},
                      {"reason", "DeadlineExceeded"},
                      {"message", "it runs"},
                      {"lastTransitionTime", kube::format_time(kEnd)}};
    object["status"]["conditions"] = json::array({condition});
    EXPECT_FALSE(removable_since(object));
    object["status"]["conditions"][0]["status"] = "False";
    EXPECT_EQ(removable_since(object), kEnd);
}

TEST(Retention, WorkThatIsLeftKeepsTheRequest) {
    json object = finished();
    object["metadata"]["finalizers"] = {"example.com/mine", "endoscope.dev/session"};
    EXPECT_FALSE(removable_since(object));
    // Another's finalizer is the other's business: the deletion waits for it.
    object["metadata"]["finalizers"] = {"example.com/mine"};
    EXPECT_EQ(removable_since(object), kEnd);
}

TEST(Retention, TheCacheRemembersIt) {
    EXPECT_EQ(cache_request(finished()).removable_since, kEnd);
    EXPECT_FALSE(cache_request(marked("labels", "argocd.argoproj.io/instance")).removable_since);
    json unreadable = finished("Denied");
    unreadable["spec"] = {{"target", 7}};
    EXPECT_EQ(cache_request(unreadable).removable_since, kEnd);
}

class RetentionPlanTest : public testing::Test {
  protected:
    void add(const char* name, std::optional<kube::WallTime> since, bool deleting = false) {
        CachedRequest request = cache_request(finished());
        request.name = name;
        request.removable_since = since;
        request.deleting = deleting;
        requests_.push_back(std::make_shared<const CachedRequest>(std::move(request)));
    }
    RetentionPlan plan(kube::WallTime now, kube::Duration retain) const {
        return plan_retention(requests_, now, retain);
    }
    static std::vector<std::string> names(const RetentionPlan& plan) {
        std::vector<std::string> all;
        for (const auto& request : plan.due) all.push_back(request->name);
        return all;
    }

    std::vector<std::shared_ptr<const CachedRequest>> requests_;
};

TEST_F(RetentionPlanTest, OneIsDueWhenItsTimeIsOverAndNotAMomentBefore) {
    add("r", kEnd);
    EXPECT_TRUE(plan(kEnd + 720h - 1us, 720h).due.empty());
    EXPECT_EQ(names(plan(kEnd + 720h, 720h)), std::vector<std::string>{"r"});
    EXPECT_EQ(names(plan(kEnd + 9000h, 720h)), std::vector<std::string>{"r"});
}

TEST_F(RetentionPlanTest, TheOldestGoesFirst) {
    add("second", kEnd + 1h);
    add("first", kEnd);
    add("not yet", kEnd + 3h);
    add("never", std::nullopt);
    add("on its way", kEnd, true);
    EXPECT_EQ(names(plan(kEnd + 3h, 1h)), (std::vector<std::string>{"first", "second"}));
}

TEST_F(RetentionPlanTest, TheNextLookComesWhenTheNextIsDue) {
    const std::vector<std::pair<kube::Duration, kube::Duration>> bounds = {
        {720h, 10min}, {100min, 10min}, {50s, 5s}, {1s, 1s}, {10ms, 1s}};
    for (const auto& [retain, look] : bounds) EXPECT_EQ(plan(kEnd, retain).next_look, look);
    add("r", kEnd);
    EXPECT_EQ(plan(kEnd + 720h - 90s, 720h).next_look, 90s);
    EXPECT_EQ(plan(kEnd + 700h, 720h).next_look, 10min);
    EXPECT_EQ(plan(kEnd + 720h, 720h).next_look, 10min) << "what is due now is no reason to look again";
}

TEST_F(RetentionPlanTest, AnEndInTheFutureIsWaitedFor) {
    add("r", kEnd + 24h);
    EXPECT_TRUE(plan(kEnd, 1h).due.empty());
    EXPECT_TRUE(plan(kEnd + 24h, 1h).due.empty());
    EXPECT_EQ(plan(kEnd + 25h, 1h).due.size(), 1U);
}

}  // namespace
}  // namespace endoscope::controller
