#include "controller/target_selection.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace endoscope::controller {
namespace {

using nlohmann::json;

PodView pod(const std::string& name, const std::string& created, bool ready, json metadata = json::object()) {
    json object = {{"metadata", {{"name", name}, {"creationTimestamp", created}, {"labels", {{"app", "web"}}}}},
                   {"status",
                    {{"phase", "Running"},
                     {"conditions",
                      {{{"type", "PodScheduled"}, {"status", "True"}},
                       {{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}}}};
    object["metadata"].update(metadata);
    return parse_pod(object).value();
}

std::vector<std::string> names(const api::Target& target, const std::vector<PodView>& pods) {
    std::vector<const PodView*> candidates;
    for (const PodView& each : pods) candidates.push_back(&each);
    std::vector<std::string> chosen;
    for (const PodView* each : select_pods(target, candidates)) chosen.push_back(each->name);
    return chosen;
}

api::Target by_label(std::optional<std::int64_t> max_pods) {
    return {.pod_name = {},
            .selector = api::LabelSelector{.match_labels = {{"app", "web"}}, .match_expressions = {}},
            .workload = {},
            .max_pods = max_pods,
            .container = {}};
}

using Names = std::vector<std::string>;

TEST(TargetSelection, TheNewestReadyFirst) {
    const std::vector<PodView> pods = {
        pod("old", "2026-01-01T00:00:00Z", true),
        pod("new-not-ready", "2026-03-01T00:00:00Z", false),
        pod("b-new", "2026-02-01T00:00:00Z", true),
        pod("a-new", "2026-02-01T00:00:00Z", true),
        pod("other", "2026-04-01T00:00:00Z", true, {{"labels", {{"app", "db"}}}}),
    };
    EXPECT_EQ(names(by_label({}), pods), Names{"a-new"});
    EXPECT_EQ(names(by_label(3), pods), (Names{"a-new", "b-new", "old"}));
    EXPECT_EQ(names(by_label(20), pods), (Names{"a-new", "b-new", "old", "new-not-ready"}));
}

TEST(TargetSelection, OnlyPodsThatRunUnlessNamed) {
    std::vector<PodView> pods = {pod("going", "2026-01-01T00:00:00Z", true, {{"deletionTimestamp", "x"}}),
                                 pod("over", "2026-01-01T00:00:00Z", false)};
    pods[1].phase = "Succeeded";
    EXPECT_EQ(names(by_label(5), pods), Names());
    api::Target named;
    named.pod_name = "over";
    EXPECT_EQ(names(named, pods), Names{"over"});
    named.pod_name = "nobody";
    EXPECT_EQ(names(named, pods), Names());
}

/// A Pod with that controller, and with the label that a Deployment gives.
PodView owned(const std::string& name, const std::string& version, const std::string& kind, const std::string& owner,
              const std::string& hash = "5d4", bool controller = true) {
    const json reference = {{"apiVersion", version}, {"kind", kind}, {"name", owner}, {"controller", controller}};
    return pod(name, "2026-01-01T00:00:00Z", true,
               {{"labels", {{"pod-template-hash", hash}}}, {"ownerReferences", {reference}}});
}

TEST(TargetSelection, PodsOfAWorkload) {
    const std::vector<PodView> pods = {
        owned("of-deployment", "apps/v1", "ReplicaSet", "web-5d4"),
        owned("of-stateful-set", "apps/v1", "StatefulSet", "web"),
        owned("of-daemon-set", "apps/v1", "DaemonSet", "web"),
        owned("of-job", "batch/v1", "Job", "web"),
        owned("of-other", "apps/v1", "ReplicaSet", "web-api-5d4"),
        owned("not-controlled", "apps/v1", "StatefulSet", "web", "5d4", false),
        owned("foreign-set", "apps.kruise.io/v1beta1", "StatefulSet", "web"),
        owned("foreign-job", "batch.volcano.sh/v1alpha1", "Job", "web"),
        owned("foreign-replica-set", "acme.dev/v1", "ReplicaSet", "web-5d4"),
        owned("core", "v1", "DaemonSet", "web"),
        owned("job-of-apps", "apps/v1", "Job", "web"),
        owned("set-of-batch", "batch/v1", "StatefulSet", "web"),
        owned("hash-with-a-name", "apps/v1", "ReplicaSet", "web-api-5d4", "api-5d4"),
        owned("hash-of-another", "apps/v1", "ReplicaSet", "web-5d4", "6e5"),
        owned("no-hash", "apps/v1", "ReplicaSet", "web-", ""),
        owned("deployment-itself", "apps/v1", "Deployment", "web"),
    };
    const auto of = [&](const char* kind, const char* name) {
        api::Target target;
        target.workload = api::Workload{.kind = kind, .name = name};
        target.max_pods = 20;
        const Names chosen = names(target, pods);
        Names matching;
        for (const PodView& each : pods) {
            if (matches(each, target)) matching.push_back(each.name);
        }
        EXPECT_TRUE(std::ranges::is_permutation(chosen, matching)) << kind << " " << name;
        return chosen;
    };
    EXPECT_EQ(of("Deployment", "web"), Names{"of-deployment"});
    EXPECT_EQ(of("Deployment", "web-api"), Names{"of-other"});
    EXPECT_EQ(of("ReplicaSet", "web-5d4"), (Names{"hash-of-another", "of-deployment"}));
    EXPECT_EQ(of("StatefulSet", "web"), Names{"of-stateful-set"});
    EXPECT_EQ(of("DaemonSet", "web"), Names{"of-daemon-set"});
    EXPECT_EQ(of("Job", "web"), Names{"of-job"});
    EXPECT_EQ(of("Job", "api"), Names());
    EXPECT_EQ(of("CronJob", "web"), Names());
}

TEST(TargetSelection, MatchesWhateverTheState) {
    PodView web = pod("web", "2026-01-01T00:00:00Z", false, {{"deletionTimestamp", "x"}});
    web.phase = "Failed";
    api::Target named;
    named.pod_name = "web";
    EXPECT_TRUE(matches(web, named));
    EXPECT_TRUE(matches(web, by_label({})));
    named.pod_name = "web-2";
    EXPECT_FALSE(matches(web, named));
    web.labels = {{"app", "db"}};
    EXPECT_FALSE(matches(web, by_label({})));
    EXPECT_FALSE(matches(web, api::Target()));
}

TEST(TargetSelection, WhatMayNotBeDebuggedIsChosenAllTheSame) {
    const std::vector<PodView> pods = {
        pod("mirror", "2026-02-01T00:00:00Z", true, {{"annotations", {{"kubernetes.io/config.mirror", "x"}}}}),
        pod("web", "2026-01-01T00:00:00Z", true)};
    EXPECT_EQ(names(by_label({}), pods), Names{"mirror"});  // The verdict refuses it.
}

}  // namespace
}  // namespace endoscope::controller
