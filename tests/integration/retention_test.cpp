// --retain-finished: what is removed, what stays, and who says so.
#include "tests/integration/fixture.hpp"

#include <memory>

namespace endoscope::test {
namespace {

constexpr std::chrono::seconds kEnd{20};

class Retention : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        start_retaining();
    }
    void TearDown() override {
        if (retaining_) EXPECT_EQ(retaining_->stop(kEnd), 0) << retaining_->process().err();
        EndoscopeTest::TearDown();
    }

    void start_retaining() {
        static int number = 0;
        retaining_ = std::make_unique<OperatorProcess>(plane_->kubeconfig("admin"),
                                                       plane_->dir() + "/retaining-" + std::to_string(++number),
                                                       std::vector<std::string>{"dev", "--retain-finished", "3s"});
        ASSERT_TRUE(retaining_->wait_until_ready()) << retaining_->process().err();
        ASSERT_TRUE(eventually([&] { return alice().rehearse(request("probe")).has_value(); })) << "webhooks in force";
    }

    bool goes(const std::string& name) {
        return eventually([&] { return admin().is_absent(path(name)); }, kEnd);
    }
    std::vector<json> removals(const std::string& name) {
        auto records = retaining_->audit(ns_ + "/" + name);
        std::erase_if(records, [](const json& record) { return record["event"] != "removed"; });
        return records;
    }

    std::unique_ptr<OperatorProcess> retaining_;
};

TEST_F(Retention, WhatIsOverGoesAndWhatIsManagedOwnedOrRunningStays) {
    json managed = request("managed");
    managed["metadata"]["labels"] = {{"app.kubernetes.io/managed-by", "Helm"}};
    json tracked = request("tracked");
    tracked["metadata"]["annotations"] = {{"argocd.argoproj.io/tracking-id", "app:endoscope.dev/DebugRequest:x/y"}};
    json owned = request("owned");
    owned["metadata"]["ownerReferences"] = json::array({{{"apiVersion", "v1"},
                                                         {"kind", "Pod"},
                                                         {"name", "web"},
                                                         {"uid", admin().get(pod_path("web"))["metadata"]["uid"]}}});
    for (const json& object : {managed, tracked, owned}) {
        const auto created = alice().create(object);
        ASSERT_TRUE(created) << created.error().message;
    }
    ASSERT_TRUE(alice().create(request("long", {{"command", {"sleep", "infinity"}}})));
    ASSERT_TRUE(alice().create(request("overdue", {{"command", {"sleep", "infinity"}}, {"deadlineSeconds", 1}})));
    ASSERT_TRUE(alice().create(request("good")));
    ASSERT_TRUE(bob().create(request("bad")));
    const std::string good_uid = stored("good")["metadata"]["uid"];
    EXPECT_TRUE(goes("good"));
    EXPECT_TRUE(goes("bad"));
    for (const char* name : {"managed", "tracked", "owned"}) EXPECT_EQ(outcome(name), "Succeeded/Completed") << name;
    EXPECT_EQ(outcome("overdue"), "Expired/DeadlineExceeded");
    // What comes later is old now, too, so the others would have gone.
    ASSERT_TRUE(alice().create(request("later")));
    EXPECT_TRUE(goes("later"));
    for (const char* name : {"managed", "tracked", "owned", "long", "overdue"})
        EXPECT_FALSE(phase(name).empty()) << name;
    ASSERT_TRUE(eventually([&] { return removals("later").size() == 1; }));
    const auto removed = removals("good");
    ASSERT_EQ(removed.size(), 1U);
    EXPECT_EQ(removed[0]["requestUID"], good_uid);
    EXPECT_EQ(removed[0]["requester"], "alice");
    EXPECT_EQ(removed[0]["phase"], "Succeeded");
    EXPECT_EQ(removed[0]["reason"], "Completed");
    EXPECT_TRUE(removals("managed").empty());
    EXPECT_EQ(retaining_->metric("endoscope_debug_requests_removed_total", {{"namespace", ns_}}), 3);
    EXPECT_EQ(retaining_->metric("endoscope_debug_requests", {{"namespace", ns_}, {"phase", "Denied"}}), 0);
}

TEST_F(Retention, AgeIsCountedFromTheEndWhoeverSawIt) {
    EXPECT_EQ(retaining_->stop(kEnd), 0) << retaining_->process().err();
    start_operator();
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    end_operator();
    start_retaining();
    EXPECT_TRUE(goes("r"));
}

}  // namespace
}  // namespace endoscope::test
