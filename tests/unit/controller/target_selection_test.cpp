#include "controller/target_selection.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

TEST(TargetSelection, PodsOfAWorkload) {
    const auto owned = [](const char* name, const char* kind, const char* owner, bool controller = true) {
        return pod(name, "2026-01-01T00:00:00Z", true,
                   {{"labels", {{"pod-template-hash", "5d4"}}},
                    {"ownerReferences", {{{"kind", kind}, {"name", owner}, {"controller", controller}}}}});
    };
    const std::vector<PodView> pods = {owned("of-deployment", "ReplicaSet", "web-5d4"),
                                       owned("of-set", "StatefulSet", "web"), owned("of-job", "Job", "web"),
                                       owned("not-controlled", "StatefulSet", "web", false),
                                       owned("of-other", "ReplicaSet", "web-api-5d4")};
    const auto of = [&](const char* kind, const char* name) {
        api::Target target;
        target.workload = api::Workload{.kind = kind, .name = name};
        target.max_pods = 20;
        return names(target, pods);
    };
    EXPECT_EQ(of("Deployment", "web"), Names{"of-deployment"});
    EXPECT_EQ(of("ReplicaSet", "web-5d4"), Names{"of-deployment"});
    EXPECT_EQ(of("StatefulSet", "web"), Names{"of-set"});
    EXPECT_EQ(of("Job", "web"), Names{"of-job"});
    EXPECT_EQ(of("DaemonSet", "web"), Names());
}

}  // namespace
}  // namespace endoscope::controller
