// What policies want at the end of sessions.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <algorithm>

namespace endoscope::test {
namespace {

constexpr const char* kBudget = "/apis/policy/v1/namespaces/";

class Ending : public EndoscopeTest {
  protected:
    bool has_finalizer(const std::string& name) {
        const json object = stored(name);
        return object["metadata"].contains("finalizers");
    }
    bool is_audited(const std::string& name, const std::string& event) {
        const auto records = op().audit(ns_ + "/" + name);
        return std::ranges::any_of(records, [&](const json& record) { return record["event"] == event; });
    }
    json endless(const std::string& policy, int deadline) const {
        return {
            {"image", image_of(policy, "tools:1")}, {"command", {"sleep", "infinity"}}, {"deadlineSeconds", deadline}};
    }
};

TEST_F(Ending, AnOverduePodIsEvictedWhereThePolicySaysSo) {
    add_policy("evicting", {{"onExpiry", "EvictPod"}});
    ASSERT_TRUE(alice().create(request("r", endless("evicting", 2))));
    EXPECT_EQ(outcome("r"), "Expired/DeadlineExceeded");
    EXPECT_TRUE(eventually([&] { return admin().is_absent(pod_path("web")); }));
    EXPECT_TRUE(eventually([&] { return is_audited("r", "evicted"); }));
    EXPECT_TRUE(eventually([&] { return condition("r", "ContainerStillRunning") == "False"; }));
    EXPECT_TRUE(eventually([&] { return !has_finalizer("r"); }));
}

TEST_F(Ending, ADisruptionBudgetIsRespectedAndTriedAgain) {
    add_policy("evicting", {{"onExpiry", "EvictPod"}});
    const json budget = {{"apiVersion", "policy/v1"},
                         {"kind", "PodDisruptionBudget"},
                         {"metadata", {{"name", "keep"}, {"namespace", ns_}}},
                         {"spec", {{"minAvailable", 1}, {"selector", json::object()}}}};
    make(budget);
    ASSERT_TRUE(alice().create(request("r", endless("evicting", 2))));
    EXPECT_EQ(outcome("r"), "Expired/DeadlineExceeded");
    EXPECT_TRUE(eventually([&] { return message("r").find("could not be evicted yet") != std::string::npos; }))
        << message("r");
    EXPECT_FALSE(admin().is_absent(pod_path("web")));
    ASSERT_TRUE(admin().remove(kBudget + ns_ + "/poddisruptionbudgets/keep"));
    EXPECT_TRUE(eventually([&] { return admin().is_absent(pod_path("web")); }, std::chrono::seconds(60)));
}

TEST_F(Ending, ADebuggedPodIsReplacedAfterItsSession) {
    add_policy("replacing", {{"afterSession", "EvictPod"}});
    ASSERT_TRUE(alice().create(request("r", {{"image", image_of("replacing", "tools:1")}})));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    EXPECT_TRUE(eventually([&] { return admin().is_absent(pod_path("web")); }));
    EXPECT_TRUE(eventually([&] { return !has_finalizer("r"); }));
    EXPECT_EQ(phase("r"), "Succeeded");
}

TEST_F(Ending, DeletingARequestEvictsAndIsLetGo) {
    add_policy("evicting", {{"onExpiry", "EvictPod"}});
    ASSERT_TRUE(alice().create(request("r", endless("evicting", 600))));
    ASSERT_TRUE(reaches("r", "Running"));
    EXPECT_TRUE(has_finalizer("r"));
    ASSERT_TRUE(alice().remove(path("r")));
    EXPECT_TRUE(eventually([&] { return admin().is_absent(path("r")); }));
    EXPECT_TRUE(admin().is_absent(pod_path("web")));
}

TEST_F(Ending, ARequestIsLetGoAlsoAfterACrash) {
    add_policy("evicting", {{"onExpiry", "EvictPod"}});
    ASSERT_TRUE(alice().create(request("r", endless("evicting", 600))));
    ASSERT_TRUE(reaches("r", "Running"));
    ASSERT_TRUE(alice().remove(path("r")));
    crash_and_restart();
    EXPECT_TRUE(eventually([&] { return admin().is_absent(path("r")); }));
    EXPECT_TRUE(admin().is_absent(pod_path("web")));
}

TEST_F(Ending, WithNothingToDoNoFinalizerIsSet) {
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "60"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    EXPECT_FALSE(has_finalizer("r"));
}

}  // namespace
}  // namespace endoscope::test
