// Requests for the Pods of a selector or a workload.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <algorithm>

namespace endoscope::test {
namespace {

class SeveralPods : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        for (const char* name : {"shop-1", "shop-2", "shop-3"}) run_labelled(name);
    }
    void run_labelled(const std::string& name) {
        json object = pod(name);
        object["metadata"]["labels"] = {{"app", "shop"}};
        make(object);
        ASSERT_TRUE(
            eventually([&] { return kube::string_at(admin().get(pod_path(name)), {"status", "phase"}) == "Running"; }));
    }
    json for_shop(const std::string& name, int most, json spec = json::object()) const {
        spec["target"] = {{"podName", nullptr}, {"selector", {{"matchLabels", {{"app", "shop"}}}}}, {"maxPods", most}};
        json object = request(name);
        object["spec"].merge_patch(spec);
        return object;
    }
    std::size_t injected_in_all() {
        std::size_t all = 0;
        for (const char* name : {"shop-1", "shop-2", "shop-3"}) all += injected(name).size();
        return all;
    }
};

TEST_F(SeveralPods, EachGetsOneContainerAndARow) {
    ASSERT_TRUE(alice().create(for_shop("r", 3)));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const json rows = stored("r")["status"]["targets"];
    ASSERT_EQ(rows.size(), 3U);
    for (const json& row : rows) {
        EXPECT_EQ(row["state"], "Terminated");
        EXPECT_EQ(row["exitCode"], 0);
        EXPECT_EQ(containers_of("r", row["podName"]), 1U);
    }
    EXPECT_EQ(op().metric("endoscope_debug_requests_total", {{"namespace", ns_}, {"phase", "Succeeded"}}), 1);
}

TEST_F(SeveralPods, MaxPodsIsAsManyAsItSays) {
    ASSERT_TRUE(alice().create(for_shop("r", 2)));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    EXPECT_EQ(injected_in_all(), 2U);
}

TEST_F(SeveralPods, AnImageThatCannotBePulledIsTriedInOnePod) {
    add_policy("quick", {{"limits", {{"startDeadlineSeconds", 2}}}});
    ASSERT_TRUE(alice().create(for_shop("r", 3, {{"image", image_of("quick", "missing:1")}})));
    EXPECT_EQ(outcome("r"), "Failed/ImagePullFailed");
    EXPECT_EQ(injected_in_all(), 1U);
}

TEST_F(SeveralPods, ACrashInTheMiddleGoesOnWithTheSamePods) {
    ASSERT_TRUE(alice().create(for_shop("r", 3, {{"command", {"sleep", "8"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    crash_and_restart();
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    EXPECT_EQ(injected_in_all(), 3U);
    for (const char* name : {"shop-1", "shop-2", "shop-3"}) EXPECT_EQ(containers_of("r", name), 1U);
}

TEST_F(SeveralPods, WhoMayNotDebugAllDebugsNone) {
    ASSERT_TRUE(bob().create(for_shop("r", 3)));
    EXPECT_EQ(outcome("r"), "Denied/NotAuthorized");
    EXPECT_EQ(injected_in_all(), 0U);
}

}  // namespace
}  // namespace endoscope::test
