// The operator as a process: restarts, crashes, an API server that goes away, what it leaves on record.
#include "kube/base/json.hpp"
#include "tests/integration/fixture.hpp"

#include <set>
#include <signal.h>

namespace endoscope::test {
namespace {

using kube::string_at;

TEST_F(EndoscopeTest, ACrashAtAnyMomentInjectsOnceAndLosesNothing) {
    // The delays put the crash before the webhook's answer, around the PATCH, and while the container runs.
    for (const int delay_ms : {0, 5, 15, 40, 300}) {
        const std::string name = "r" + std::to_string(delay_ms);
        ASSERT_TRUE(cluster_->alice().create(request(name, {{"command", {"sleep", "1"}}})));
        const auto start = std::chrono::steady_clock::now();
        while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(delay_ms)) pause_shortly();
        op().crash();
        start_operator();
        EXPECT_EQ(outcome(name), "Succeeded/Completed") << "crashed after " << delay_ms << " ms";
    }
    std::set<std::string> requests;
    for (const json& container : injected("web")) requests.insert(container["env"][0]["value"].get<std::string>());
    EXPECT_EQ(injected("web").size(), 5U);
    EXPECT_EQ(requests.size(), 5U) << "one container for each request";
}

TEST_F(EndoscopeTest, SigtermRemovesOnlyItsOwnWebhooksAndExitsCleanly) {
    op().process().signal(SIGTERM);
    EXPECT_EQ(op().process().wait(std::chrono::seconds(15)), 0);
    const std::string hooks = "/apis/admissionregistration.k8s.io/v1/";
    EXPECT_TRUE(cluster_->admin().get(hooks + "mutatingwebhookconfigurations/endoscope").is_null());
    EXPECT_TRUE(cluster_->admin().get(hooks + "validatingwebhookconfigurations/endoscope").is_null());
    start_operator();
    json configuration = cluster_->admin().get(hooks + "mutatingwebhookconfigurations/endoscope");
    configuration["webhooks"][0]["clientConfig"]["url"] = "https://127.0.0.1:1/somebody-else";
    ASSERT_TRUE(cluster_->admin().request("PUT", hooks + "mutatingwebhookconfigurations/endoscope", configuration));
    op().process().signal(SIGTERM);
    EXPECT_EQ(op().process().wait(std::chrono::seconds(15)), 0);
    EXPECT_FALSE(cluster_->admin().get(hooks + "mutatingwebhookconfigurations/endoscope").is_null());
    start_operator();
}

TEST_F(EndoscopeTest, ApplyingTheSameAgainChangesNothing) {
    ASSERT_TRUE(cluster_->alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const std::string version = string_at(stored("r"), {"metadata", "resourceVersion"});
    const std::string pod_version = string_at(cluster_->admin().get(pod_path("web")), {"metadata", "resourceVersion"});
    ASSERT_TRUE(cluster_->alice().request("PATCH", path("r"), {{"spec", request("r")["spec"]}},
                                          "application/merge-patch+json"));
    op().crash();
    start_operator();
    EXPECT_EQ(string_at(stored("r"), {"metadata", "resourceVersion"}), version);
    EXPECT_EQ(string_at(cluster_->admin().get(pod_path("web")), {"metadata", "resourceVersion"}), pod_version);
}

TEST_F(EndoscopeTest, TheApiServerMayGoAwayWhileASessionRuns) {
    if (!cluster_->is_real()) GTEST_SKIP() << "the model API server keeps nothing over a restart";
    ASSERT_TRUE(cluster_->alice().create(request("r", {{"command", {"sleep", "3"}}})));
    ASSERT_TRUE(reaches("r", "Running"));
    cluster_->restart_api_server();
    EXPECT_EQ(outcome("r", std::chrono::seconds(60)), "Succeeded/Completed");
    ASSERT_TRUE(
        eventually([&] { return cluster_->alice().create(request("later")).has_value(); }, std::chrono::seconds(60)));
    EXPECT_EQ(outcome("later", std::chrono::seconds(60)), "Succeeded/Completed");
}

TEST_F(EndoscopeTest, EverythingIsOnRecord) {
    ASSERT_TRUE(cluster_->alice().create(request("good")));
    ASSERT_TRUE(cluster_->bob().create(request("bad")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");

    // Events, on the request and on the Pod.
    const auto has_event = [&](const std::string& kind, const std::string& reason) {
        const json events = cluster_->admin().get("/api/v1/namespaces/" + ns_ + "/events");
        for (const json& event : events["items"]) {
            if (string_at(event, {"involvedObject", "kind"}) == kind && event["reason"] == reason) return true;
        }
        return false;
    };
    for (const auto& [kind, reason] :
         {std::pair("DebugRequest", "Injected"), std::pair("DebugRequest", "Started"),
          std::pair("DebugRequest", "Completed"), std::pair("DebugRequest", "NotAuthorized"),
          std::pair("Pod", "DebugContainerInjected")}) {
        EXPECT_TRUE(eventually([&] { return has_event(kind, reason); })) << kind << " " << reason;
    }

    // Audit lines: JSON, one for each step, with the person's name.
    std::set<std::string> steps;
    std::istringstream lines(op().process().out());
    for (std::string line; std::getline(lines, line);) {
        if (!line.contains("\"" + ns_ + "/")) continue;
        const auto record = kube::parse_json(line);
        ASSERT_TRUE(record) << line;
        EXPECT_EQ((*record)["logger"], "audit");
        const bool good = (*record)["request"] == ns_ + "/good";
        EXPECT_EQ((*record)["requester"], good ? "alice" : "bob");
        steps.insert((good ? "good " : "bad ") + (*record)["event"].get<std::string>());
    }
    EXPECT_EQ(steps, (std::set<std::string>{"good admitted", "good verdict", "good injected", "good started",
                                            "good ended", "bad admitted", "bad verdict"}));

    // Metrics: each request counted once, nothing about people or images in a label.
    const std::string total = "endoscope_debug_requests_total{namespace=\"" + ns_ + "\",";
    EXPECT_EQ(op().metric(total + "phase=\"Succeeded\",reason=\"Completed\"}"), 1);
    EXPECT_EQ(op().metric(total + "phase=\"Denied\",reason=\"NotAuthorized\"}"), 1);
    EXPECT_EQ(op().metric("endoscope_debug_sessions_active{namespace=\"" + ns_ + "\"}"), 0);
    const std::string metrics = op().metrics();
    for (const char* word : {"alice", "bob", "dotbalo"}) EXPECT_FALSE(metrics.contains(word)) << word;
    EXPECT_TRUE(metrics.contains("controller_runtime_reconcile_total{controller=\"debugrequest\",result=\"success\"}"));
    EXPECT_TRUE(metrics.contains("process_resident_memory_bytes"));
    EXPECT_TRUE(op().healthy("/healthz"));
    EXPECT_TRUE(op().healthy("/readyz"));
}

TEST_F(EndoscopeTest, OneLifeCostsThreeWritesOneRehearsalOneReviewAndOneGet) {
    const auto count = [&](const std::string& code, const std::string& method) {
        double sum = 0;
        std::istringstream lines(op().metrics());
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("rest_client_requests_total{") && line.contains("code=\"" + code + "\"") &&
                line.contains("method=\"" + method + "\"")) {
                sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
            }
        }
        return sum;
    };
    // What earlier tests left to write must be written before anything is counted.
    double settled = -1;
    ASSERT_TRUE(eventually([&] {
        const double now = count("201", "POST") + count("200", "PATCH");
        const bool quiet = now == settled;
        settled = now;
        for (int i = 0; i < 10 && quiet; ++i) pause_shortly();
        return quiet && now == count("201", "POST") + count("200", "PATCH");
    }));
    const double patches = count("200", "PATCH");
    const double gets = count("200", "GET");
    const double posts = count("201", "POST");
    ASSERT_TRUE(cluster_->alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    // PATCH: the rehearsal, the injection, Running, Succeeded. POST: the review and five Events. GET: the Pod, and its
    // watch.
    ASSERT_TRUE(eventually([&] { return count("201", "POST") - posts >= 6; }));
    EXPECT_EQ(count("200", "PATCH") - patches, 4);
    EXPECT_EQ(count("200", "GET") - gets, 2);
    EXPECT_EQ(count("201", "POST") - posts, 6);
}

}  // namespace
}  // namespace endoscope::test
