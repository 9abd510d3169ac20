// What a session leaves on record, and what it costs.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace endoscope::test {
namespace {

using kube::string_at;

class Record : public EndoscopeTest {
  protected:
    bool has_event(const std::string& kind, const std::string& name, const std::string& reason) {
        const json events = admin().get("/api/v1/namespaces/" + ns_ + "/events");
        const json* const items = kube::find_at(events, {"items"});
        if (items == nullptr) return false;
        return std::ranges::any_of(*items, [&](const json& event) {
            return string_at(event, {"involvedObject", "kind"}) == kind &&
                   string_at(event, {"involvedObject", "name"}) == name && event["reason"] == reason &&
                   string_at(event, {"involvedObject", "namespace"}) == ns_ && !string_at(event, {"message"}).empty();
        });
    }
};

TEST_F(Record, EventsStandOnTheRequestAndOnThePod) {
    ASSERT_TRUE(alice().create(request("good")));
    ASSERT_TRUE(bob().create(request("bad")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    for (const auto& [kind, name, reason] :
         {std::tuple("DebugRequest", "good", "Injected"), std::tuple("DebugRequest", "good", "Started"),
          std::tuple("DebugRequest", "good", "Completed"), std::tuple("DebugRequest", "bad", "NotAuthorized"),
          std::tuple("Pod", "web", "DebugContainerInjected"), std::tuple("Pod", "web", "Completed")}) {
        EXPECT_TRUE(eventually([&] { return has_event(kind, name, reason); })) << kind << " " << reason;
    }
    EXPECT_FALSE(has_event("Pod", "web", "NotAuthorized")) << "a denied request says nothing on the Pod";
}

TEST_F(Record, EveryStepIsOneAuditLine) {
    ASSERT_TRUE(alice().create(request("good")));
    ASSERT_TRUE(bob().create(request("bad")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    const auto events = [&](const std::string& name) {
        std::vector<std::string> list;
        for (const json& record : op().audit(ns_ + "/" + name)) list.push_back(record["event"]);
        return list;
    };
    const std::vector<std::string> good = {"admitted", "verdict", "injected", "started", "ended"};
    EXPECT_TRUE(eventually([&] { return events("good").size() == good.size(); }));
    EXPECT_EQ(events("good"), good);
    EXPECT_EQ(events("bad"), (std::vector<std::string>{"admitted", "verdict"}));
    const json stored_good = stored("good");
    for (const json& record : op().audit(ns_ + "/good")) {
        EXPECT_EQ(record["requester"], "alice");
        EXPECT_EQ(record["groups"], json({"developers", "system:authenticated"})) << record;
        EXPECT_EQ(record["pod"], "web");
        EXPECT_EQ(record["image"], kImage);
        EXPECT_TRUE(record["time"].get<std::string>().ends_with("Z")) << record;
        if (record["event"] == "admitted") continue;  // before there is an object
        EXPECT_EQ(record["requestUID"], stored_good["metadata"]["uid"]) << record;
        EXPECT_TRUE(record.contains("reason")) << record;
        if (record["event"] == "verdict") continue;
        EXPECT_EQ(record["policy"], ns_) << record;
        EXPECT_EQ(record["container"], stored_good["status"]["targets"][0]["containerName"]) << record;
    }
    const json ended = op().audit(ns_ + "/good").back();
    EXPECT_EQ(ended["phase"], "Succeeded");
    EXPECT_EQ(ended["reason"], "Completed");
    const json denied = op().audit(ns_ + "/bad").back();
    EXPECT_EQ(denied["phase"], "Denied");
    EXPECT_EQ(denied["reason"], "NotAuthorized");
    EXPECT_EQ(denied["message"], message("bad"));
    EXPECT_EQ(denied["requester"], "bob");
}

TEST_F(Record, MetricsCountEachRequestOnceAndNameNobody) {
    const OperatorProcess::Labels here = {{"namespace", ns_}};
    const auto verdicts = [&](const std::string& reason) {
        return op().metric("endoscope_verdicts_total", {{"reason", reason}});
    };
    const double allowed = verdicts("Allowed");
    const double unauthorized = verdicts("NotAuthorized");
    const double injections = op().metric("endoscope_injection_duration_seconds_count");
    const double starts = op().metric("endoscope_start_duration_seconds_count");
    const double admissions = op().metric("endoscope_admission_requests_total", {{"operation", "CREATE"}});
    ASSERT_TRUE(alice().create(request("good", {{"command", {"sleep", "2"}}})));
    ASSERT_TRUE(bob().create(request("bad")));
    ASSERT_TRUE(reaches("good", "Running"));
    EXPECT_TRUE(eventually([&] { return op().metric("endoscope_debug_sessions_active", here) == 1; }));
    EXPECT_EQ(op().metric("endoscope_debug_session_info",
                          {{"namespace", ns_}, {"request", "good"}, {"pod", "web"}, {"policy", ns_}}),
              1);
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    EXPECT_TRUE(eventually([&] { return op().metric("endoscope_debug_requests_total", here) == 2; }));
    EXPECT_EQ(op().metric("endoscope_debug_requests_total",
                          {{"namespace", ns_}, {"phase", "Succeeded"}, {"reason", "Completed"}}),
              1);
    EXPECT_EQ(op().metric("endoscope_debug_requests_total",
                          {{"namespace", ns_}, {"phase", "Denied"}, {"reason", "NotAuthorized"}}),
              1);
    EXPECT_EQ(op().metric("endoscope_debug_sessions_active", here), 0);
    EXPECT_TRUE(op().has_series("endoscope_debug_sessions_active", here));
    EXPECT_FALSE(op().has_series("endoscope_debug_session_info", here));
    EXPECT_EQ(verdicts("Allowed") - allowed, 1);
    EXPECT_EQ(verdicts("NotAuthorized") - unauthorized, 1);
    EXPECT_EQ(op().metric("endoscope_injection_duration_seconds_count") - injections, 1);
    EXPECT_EQ(op().metric("endoscope_start_duration_seconds_count") - starts, 1);
    EXPECT_EQ(op().metric("endoscope_admission_requests_total", {{"operation", "CREATE"}}) - admissions, 4)
        << "two webhooks, two requests";
    const std::string metrics = op().metrics();
    for (const char* word : {"alice", "bob", "dotbalo"}) EXPECT_FALSE(metrics.contains(word)) << word;
    for (const char* name : {"controller_runtime_reconcile_total", "rest_client_requests_total",
                             "process_resident_memory_bytes", "workqueue_depth", "endoscope_build_info"}) {
        EXPECT_TRUE(metrics.contains("\n" + std::string(name) + "{") ||
                    metrics.contains("\n" + std::string(name) + " "))
            << name;
    }
    EXPECT_TRUE(op().healthy("/healthz"));
    EXPECT_TRUE(op().healthy("/readyz"));
}

TEST_F(Record, MetricsPassPromtoolsLint) {
    const char* const linter = std::getenv("ENDOSCOPE_CONTROLPLANE_BIN");
    if (linter == nullptr) GTEST_SKIP() << "promtool's lint is part of the real control plane's program";
    ASSERT_TRUE(alice().create(request("good")));
    ASSERT_TRUE(bob().create(request("bad")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    std::ofstream(plane_->dir() + "/metrics") << op().metrics();
    Subprocess lint({"/bin/sh", "-c", R"(exec "$0" promlint <"$1")", linter, plane_->dir() + "/metrics"},
                    plane_->dir() + "/promlint");
    EXPECT_EQ(lint.wait(std::chrono::seconds(20)), 0) << lint.out() << lint.err();
}

TEST_F(Record, OneLifeCostsThreeWritesOneRehearsalOneReviewAndOneGet) {
    const auto calls = [&](const std::string& code, const std::string& method) {
        return op().metric("rest_client_requests_total", {{"code", code}, {"method", method}});
    };
    const double patches = calls("200", "PATCH");
    const double gets = calls("200", "GET");
    const double posts = calls("201", "POST");
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    ASSERT_TRUE(eventually([&] { return has_event("Pod", "web", "Completed"); }));
    // The review and six Events.
    ASSERT_TRUE(eventually([&] { return calls("201", "POST") - posts >= 7; }));
    EXPECT_EQ(calls("201", "POST") - posts, 7);
    // The rehearsal, the injection, Running, Succeeded.
    EXPECT_EQ(calls("200", "PATCH") - patches, 4);
    // The Pod, and the watch of it.
    EXPECT_EQ(calls("200", "GET") - gets, 2);
}

TEST_F(Record, TheAuditLogOfTheApiServerAgreesOnTheCost) {
    if (!plane_->is_real()) GTEST_SKIP() << "the model API server keeps no audit log";
    const std::size_t before = plane_->audit_log().size();
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    ASSERT_TRUE(eventually([&] { return has_event("Pod", "web", "Completed"); }));
    std::multiset<std::string> calls;
    std::istringstream lines(plane_->audit_log().substr(before));
    for (std::string line; std::getline(lines, line);) {
        const auto entry = kube::parse_json(line);
        if (!entry || !string_at(*entry, {"userAgent"}).starts_with("endoscope-operator/")) continue;
        const std::string resource = string_at(*entry, {"objectRef", "resource"});
        // Watches of everything are renewed at their own pace, and a watch's two lines are one call.
        if (string_at(*entry, {"verb"}) == "watch" || resource == "events") continue;
        const std::string part = string_at(*entry, {"objectRef", "subresource"});
        const bool dry = string_at(*entry, {"requestURI"}).contains("dryRun=All");
        calls.insert(string_at(*entry, {"verb"}) + " " + resource + (part.empty() ? "" : "/" + part) +
                     (dry ? " dry" : ""));
    }
    const std::multiset<std::string> expected = {"create subjectaccessreviews",        "get pods",
                                                 "patch pods/ephemeralcontainers dry", "patch pods/ephemeralcontainers",
                                                 "patch debugrequests/status",         "patch debugrequests/status"};
    EXPECT_EQ(calls, expected);
}

}  // namespace
}  // namespace endoscope::test
