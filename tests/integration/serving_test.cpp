// What the operator serves beside its work: metrics for those who may read them, certificates that are renewed, probes,
// and an end in order.
#include "kube/base/clock.hpp"
#include "kube/base/json.hpp"
#include "kube/net/certificates.hpp"
#include "tests/integration/fixture.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

namespace endoscope::test {
namespace {

constexpr std::chrono::seconds kEnd{20};
/// A Lease that nobody waits for long.
const std::vector<std::string> kShortLease = {"--leader-elect",
                                              "--leader-elect-lease-duration",
                                              "3s",
                                              "--leader-elect-renew-deadline",
                                              "2s",
                                              "--leader-elect-retry-period",
                                              "500ms"};

class Serving : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
    }
    void TearDown() override {
        if (process_) EXPECT_EQ(process_->stop(kEnd), 0) << process_->process().err();
        // Who is not let end well leaves its webhooks behind.
        const std::string group = "/apis/admissionregistration.k8s.io/v1/";
        for (const char* kind : {"mutating", "validating"}) {
            const std::string path = group + kind + "webhookconfigurations/endoscope";
            EXPECT_TRUE(admin().remove(path) || admin().is_absent(path));
        }
        EndoscopeTest::TearDown();
    }
    void start(const std::vector<std::string>& arguments) {
        static int number = 0;
        std::vector<std::string> argv = {"dev"};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        process_ = std::make_unique<OperatorProcess>(plane_->kubeconfig("admin"),
                                                     plane_->dir() + "/serving-" + std::to_string(++number), argv);
        ASSERT_TRUE(process_->wait_until_ready()) << process_->process().err();
    }
    /// The HTTP status of a scrape.
    int scrape(const std::string& token, const std::string& path = "/metrics") {
        const auto answer = https_get(process_->port_of("metrics"), path, token);
        return answer ? 200 : answer.error().http_status;
    }
    std::string probe(const std::string& path) { return http_get(process_->port_of("health"), path); }

    std::unique_ptr<OperatorProcess> process_;
};

TEST_F(Serving, MetricsAreForCallersWhoMayReadThem) {
    const std::string reader = token_of("reader");
    const std::string stranger = token_of("stranger");
    let_read_metrics("reader");
    start({"--metrics-secure=true"});
    EXPECT_EQ(scrape(""), 401);
    EXPECT_EQ(scrape("made up"), 401);
    EXPECT_EQ(scrape(stranger), 403);
    EXPECT_EQ(scrape(reader), 200);
    EXPECT_EQ(scrape(reader, "/other"), 403) << "the right is for one path";
    const auto text = https_get(process_->port_of("metrics"), "/metrics", reader);
    ASSERT_TRUE(text);
    EXPECT_TRUE(text->contains("endoscope_build_info")) << "and it is the metrics";
    EXPECT_TRUE(text->contains("controller_runtime_webhook_requests_total")) << "created before the first call";
    EXPECT_TRUE(text->contains("event_recorder_dropped_total{reason=\"queue_full\"} 0"));
    EXPECT_EQ(http_get(process_->port_of("metrics"), "/metrics"), "") << "no plain HTTP beside it";
    EXPECT_FALSE(process_->process().err().contains(reader)) << "tokens are not logged";
}

TEST_F(Serving, ARenewedCertificateNeedsNoRestart) {
    const auto now = std::chrono::time_point_cast<kube::WallTime::duration>(std::chrono::system_clock::now());
    const auto ca = kube::make_certificate_authority("test", now, std::chrono::hours(1));
    ASSERT_TRUE(ca);
    kube::LeafOptions leaf;
    leaf.common_name = "webhook";
    leaf.dns_names = {"localhost"};
    leaf.ip_addresses = {"127.0.0.1"};
    const auto first = kube::issue_certificate(*ca, leaf, now, std::chrono::hours(1));
    const auto second = kube::issue_certificate(*ca, leaf, now, std::chrono::hours(1));
    ASSERT_TRUE(first && second);
    const std::string dir = plane_->dir() + "/renewed";
    std::filesystem::create_directory(dir);
    const auto put = [&](const kube::KeyPair& pair) {
        std::ofstream(dir + "/tls.crt") << pair.certificate_pem;
        std::ofstream(dir + "/tls.key") << pair.key_pem;
    };
    put(*first);
    std::ofstream(dir + "/ca.crt") << ca->certificate_pem;
    start({"--webhook-cert-dir", dir, "--metrics-secure", "true", "--metrics-cert-dir", dir});
    // 404 and 401 are the answers of one whose certificate was verified.
    const auto serves = [&](const kube::KeyPair& pair, const std::string& listener, int status) {
        const auto answer = https_get(process_->port_of(listener), "/", "", pair.certificate_pem);
        return !answer && answer.error().http_status == status;
    };
    EXPECT_TRUE(serves(*first, "webhooks", 404));
    EXPECT_TRUE(serves(*first, "metrics", 401));
    EXPECT_FALSE(serves(*second, "webhooks", 404));
    put(*second);
    EXPECT_TRUE(eventually([&] { return serves(*second, "webhooks", 404) && serves(*second, "metrics", 401); }));
    EXPECT_FALSE(serves(*first, "webhooks", 404));
    EXPECT_TRUE(eventually([&] { return process_->healthy("/readyz"); })) << "the probe expects the new one";
    ASSERT_TRUE(alice().create(request("after")));
    EXPECT_EQ(outcome("after"), "Succeeded/Completed");
}

TEST_F(Serving, ProbesTellWhatTheyLookAt) {
    start({});
    EXPECT_EQ(probe("/healthz?verbose"), "[+]clock ok\n[+]leader ok\n[+]ping ok\nhealthz check passed\n");
    EXPECT_EQ(probe("/readyz?verbose&exclude=caches"),
              "[+]caches excluded: ok\n[+]seal-keys ok\n[+]shutdown ok\n[+]webhooks ok\nreadyz check passed\n");
    EXPECT_EQ(probe("/readyz/webhooks"), "ok");
    EXPECT_EQ(probe("/livez"), "ok");
    const std::string log = process_->process().err();
    EXPECT_TRUE(log.contains("--shutdown-timeout=30s")) << "the flags in force are logged: " << log;
}

TEST_F(Serving, ReadinessGoesFirstAndWebhooksAreServedForAWhile) {
    start({"--shutdown-delay", "3s"});
    ASSERT_TRUE(process_->healthy("/readyz"));
    process_->process().signal(SIGTERM);
    EXPECT_TRUE(eventually([&] { return !process_->healthy("/readyz"); }, std::chrono::seconds(2)));
    EXPECT_EQ(probe("/healthz"), "ok") << "not ready is not dead";
    const auto answer = https_get(process_->port_of("webhooks"), "/", "");
    EXPECT_EQ(answer ? 200 : answer.error().http_status, 404) << "still served";
    EXPECT_EQ(process_->process().wait(kEnd), 0) << process_->process().err();
    process_.reset();
}

TEST_F(Serving, WhoLeadsIsToldByEventsOnTheLease) {
    const auto told = [&](const std::string& what) {
        const json events = admin().get("/apis/events.k8s.io/v1/namespaces/endoscope-system/events");
        for (const json& event : events.value("items", json::array())) {
            if (event["reason"] == "LeaderElection" && event["note"].get<std::string>().ends_with(what)) return true;
        }
        return false;
    };
    start(kShortLease);
    EXPECT_TRUE(eventually([&] { return told("became leader"); }));
    EXPECT_EQ(process_->stop(kEnd), 0) << process_->process().err();
    process_.reset();
    EXPECT_TRUE(told("stopped leading")) << "flushed before the end";
}

TEST_F(Serving, WhatDoesNotEndIsNamedAndEndsWithAFailure) {
    auto arguments = kShortLease;
    arguments.insert(arguments.end(), {"--shutdown-timeout", "1s"});
    start(arguments);
    plane_->freeze_api_server();
    process_->process().signal(SIGTERM);
    const auto code = process_->process().wait(kEnd);
    const std::string log = process_->process().err();
    plane_->thaw_api_server();
    process_.reset();
    EXPECT_EQ(code, 1) << log;
    EXPECT_TRUE(log.contains("the end takes too long")) << log;
    EXPECT_TRUE(log.contains("leader election")) << log;
}

TEST_F(Serving, TheLeaseIsKeptWhileSomethingMayStillWrite) {
    const std::string lease = "/apis/coordination.k8s.io/v1/namespaces/endoscope-system/leases/endoscope";
    start({"--leader-elect", "--shutdown-timeout", "2s"});
    ASSERT_TRUE(alice().create(request("r", {{"command", {"sleep", "60"}}, {"deadlineSeconds", 3}})));
    ASSERT_TRUE(reaches("r", "Running"));
    plane_->freeze_api_server();
    // The deadline passes, and the write that says so waits for an answer.
    std::this_thread::sleep_for(std::chrono::seconds(4));
    process_->process().signal(SIGTERM);
    const auto code = process_->process().wait(kEnd);
    const std::string log = process_->process().err();
    plane_->thaw_api_server();
    process_.reset();
    EXPECT_EQ(code, 1) << log;
    EXPECT_TRUE(log.contains("worker")) << log;
    EXPECT_FALSE(log.contains("lease released")) << log;
    const json kept = admin().get(lease);
    EXPECT_NE(kube::string_at(kept, {"spec", "holderIdentity"}), "") << kept;
    EXPECT_TRUE(admin().remove(lease)) << "nobody has to wait for it";
}

TEST_F(Serving, ASecondSignalEndsAtOnce) {
    start(kShortLease);
    plane_->freeze_api_server();
    process_->process().signal(SIGTERM);
    EXPECT_TRUE(eventually([&] { return process_->process().err().contains("stopping"); }));
    const auto begin = std::chrono::steady_clock::now();
    process_->process().signal(SIGTERM);
    const auto code = process_->process().wait(kEnd);
    const auto took = std::chrono::steady_clock::now() - begin;
    plane_->thaw_api_server();
    process_.reset();
    EXPECT_EQ(code, 1);
    EXPECT_LT(took, std::chrono::seconds(2));
}

}  // namespace
}  // namespace endoscope::test
