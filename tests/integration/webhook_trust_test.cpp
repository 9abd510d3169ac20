// What makes the API server trust the webhooks: an authority of our own and its rotation, the caBundle, readiness, and
// who may call.
#include "kube/base/base64.hpp"
#include "kube/base/yaml.hpp"
#include "kube/net/certificates.hpp"
#include "kube/runtime/ca_secret.hpp"
#include "tests/integration/fixture.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

namespace endoscope::test {
namespace {

constexpr std::chrono::seconds kEnd{20};
const std::string kSecret = "/api/v1/namespaces/endoscope-system/secrets/endoscope-webhook-ca";
const std::vector<std::string> kShortLease = {"--leader-elect",
                                              "--leader-elect-lease-duration",
                                              "3s",
                                              "--leader-elect-renew-deadline",
                                              "2s",
                                              "--leader-elect-retry-period",
                                              "500ms"};
/// Looks every two seconds, and nothing is renewed during a test.
const std::vector<std::string> kLooksOften = {"--webhook-ca-lifetime", "1h", "--webhook-certificate-lifetime", "20s"};
/// A new authority every 16 seconds, a new certificate every five.
const std::vector<std::string> kRotatesOften = {"--webhook-ca-lifetime", "24s", "--webhook-certificate-lifetime", "8s"};

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

class WebhookTrust : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        forget();
    }
    void TearDown() override {
        for (const auto& process : processes_) {
            EXPECT_EQ(process->stop(kEnd), 0) << process->process().err();
            EXPECT_FALSE(process->process().err().contains("Sanitizer")) << process->process().err();
        }
        processes_.clear();
        forget();
        EndoscopeTest::TearDown();
    }
    /// As on a cluster where nothing was ever installed.
    void forget() {
        for (const std::string& path : {hook_path("mutating"), hook_path("validating"), kSecret}) {
            EXPECT_TRUE(admin().remove(path) || admin().is_absent(path)) << path;
        }
    }
    static std::string hook_path(const std::string& kind) {
        return "/apis/admissionregistration.k8s.io/v1/" + kind + "webhookconfigurations/endoscope";
    }
    OperatorProcess& begin(const std::vector<std::string>& arguments) {
        static int number = 0;
        processes_.push_back(std::make_unique<OperatorProcess>(
            plane_->kubeconfig("admin"), plane_->dir() + "/trust-" + std::to_string(++number), arguments));
        return *processes_.back();
    }
    OperatorProcess& start(const std::vector<std::string>& arguments) {
        OperatorProcess& process = begin(arguments);
        EXPECT_TRUE(process.wait_until_ready()) << process.process().err();
        return process;
    }
    /// The manifest's configurations, called by URL: the API server reaches no Service here. As installed by people,
    /// without a caBundle.
    void install(OperatorProcess& process, const std::string& bundle = "") {
        ASSERT_TRUE(eventually([&] { return process.port_of("webhooks") != 0; })) << process.process().err();
        const std::string server = "https://127.0.0.1:" + std::to_string(process.port_of("webhooks"));
        auto manifest = kube::parse_yaml(read_text(std::string(ENDOSCOPE_MANIFESTS) + "/webhooks.yaml"));
        ASSERT_TRUE(manifest);
        for (json object : *manifest) {
            json& client = object["webhooks"][0]["clientConfig"];
            client = {{"url", server + client["service"]["path"].get<std::string>()}};
            if (!bundle.empty()) client["caBundle"] = kube::base64_encode(bundle);
            const auto created = admin().request(
                "POST",
                "/apis/admissionregistration.k8s.io/v1/" +
                    std::string(object["kind"] == "MutatingWebhookConfiguration" ? "mutating" : "validating") +
                    "webhookconfigurations",
                object);
            ASSERT_TRUE(created) << created.error().message;
        }
    }
    json bundle_of(const std::string& kind) {
        const json object = admin().get(hook_path(kind));
        if (!object.is_object()) return nullptr;
        const json& client = object["webhooks"][0]["clientConfig"];
        return client.contains("caBundle") ? client["caBundle"] : json();
    }
    void set_bundle(const std::string& kind, const json& value) {
        const json patch = {
            {"webhooks",
             {{{"name", (kind == "mutating" ? "mutate" : "validate") + std::string(".debugrequest.endoscope.dev")},
               {"clientConfig", {{"caBundle", value}}}}}}};
        const auto patched =
            admin().request("PATCH", hook_path(kind), patch, std::string(kube::patch::kStrategicMerge));
        ASSERT_TRUE(patched) << patched.error().message;
    }
    static bool ready(OperatorProcess& process) { return process.healthy("/readyz"); }
    /// Why the API server does not admit a request, without making one; "" when it does.
    std::string refusal(const std::string& name) {
        const auto rehearsed = alice().rehearse(request(name));
        return rehearsed ? "" : rehearsed.error().message;
    }
    bool admits(const std::string& name) {
        return eventually([&] { return refusal(name).empty(); });
    }

    std::vector<std::unique_ptr<OperatorProcess>> processes_;
};

TEST_F(WebhookTrust, AnAuthorityIsMadeFromNothing) {
    OperatorProcess& process = begin({"run", "--metrics-secure=false", "--webhook-url", "https://127.0.0.1"});
    ASSERT_TRUE(eventually([&] { return process.process().err().contains("kubectl apply -k manifests"); }))
        << "what to do is told: " << process.process().err();
    EXPECT_FALSE(ready(process));
    install(process);
    EXPECT_TRUE(process.wait_until_ready()) << process.process().err();
    EXPECT_TRUE(eventually([&] { return ready(process); }));
    EXPECT_TRUE(admits("r")) << refusal("r");
    ASSERT_TRUE(alice().create(request("r")));
    EXPECT_EQ(outcome("r"), "Succeeded/Completed");
    const json secret = admin().get(kSecret);
    ASSERT_TRUE(kube::read_authorities(secret)) << secret;
    EXPECT_EQ(bundle_of("mutating"), secret["data"]["ca.crt"]);
    EXPECT_EQ(bundle_of("validating"), secret["data"]["ca.crt"]);
    EXPECT_FALSE(process.process().err().contains("PRIVATE"));
    const double ends =
        process.metric("endoscope_webhook_certificate_expiration_timestamp_seconds", {{"certificate", "serving"}});
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    EXPECT_GT(ends, std::chrono::duration<double>(now + std::chrono::hours(24 * 6)).count());
    EXPECT_EQ(process.metric("endoscope_webhook_configuration_weaknesses"), 0);
}

TEST_F(WebhookTrust, RotationsForcedOneAfterTheOtherFailNoAdmission) {
    start(std::vector<std::string>{"dev"} + kRotatesOften);
    std::set<std::string> bundles;
    std::set<std::string> signers;
    int admitted = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(50);
    while (std::chrono::steady_clock::now() < end) {
        const std::string refused = refusal("r-" + std::to_string(++admitted));
        ASSERT_EQ(refused, "") << "after " << admitted << ": " << processes_[0]->process().err();
        const json secret = admin().get(kSecret);
        signers.insert(secret["data"]["tls.crt"].get<std::string>());
        bundles.insert(bundle_of("mutating").get<std::string>());
    }
    EXPECT_GE(signers.size(), 3U) << processes_[0]->process().err();
    EXPECT_GE(bundles.size(), 5U);
    EXPECT_GE(admitted, 20);
    EXPECT_TRUE(ready(*processes_[0]));
}

TEST_F(WebhookTrust, ACaBundleThatIsChangedIsPutRight) {
    OperatorProcess& process = start(std::vector<std::string>{"dev"} + kLooksOften);
    const json right = bundle_of("mutating");
    ASSERT_TRUE(right.is_string());
    const auto ca = kube::make_certificate_authority("other", kube::WallTime(), std::chrono::hours(1));
    ASSERT_TRUE(ca);
    const json before = admin().get(hook_path("validating"));
    for (const std::string kind : {"mutating", "validating"}) {
        for (const json& wrong : {json(kube::base64_encode(ca->certificate_pem)), json()}) {
            set_bundle(kind, wrong);
            EXPECT_TRUE(eventually([&] { return bundle_of(kind) == right; })) << process.process().err();
            EXPECT_TRUE(admits("r")) << refusal("r");
        }
    }
    EXPECT_EQ(process.metric("endoscope_webhook_ca_bundle_writes_total"), 4);
    EXPECT_EQ(admin().get(hook_path("validating"))["webhooks"], before["webhooks"]) << "nothing else is touched";
    // What guards less is told, and left to whoever did it.
    json weak = before;
    weak["webhooks"][0]["failurePolicy"] = "Ignore";
    weak["webhooks"][0]["namespaceSelector"] = {{"matchLabels", {{"debug", "on"}}}};
    ASSERT_TRUE(admin().merge(hook_path("validating"), {{"webhooks", weak["webhooks"]}}));
    EXPECT_TRUE(eventually([&] { return process.metric("endoscope_webhook_configuration_weaknesses") == 2; }));
    EXPECT_TRUE(process.process().err().contains("failurePolicy is \\\"Ignore\\\"")) << process.process().err();
    EXPECT_TRUE(ready(process));
}

TEST_F(WebhookTrust, WithoutAConfigurationNobodyIsReady) {
    OperatorProcess& process = start(std::vector<std::string>{"dev"} + kLooksOften);
    json kept = admin().get(hook_path("validating"));
    ASSERT_TRUE(eventually([&] { return ready(process); }));
    ASSERT_TRUE(admin().remove(hook_path("validating")));
    EXPECT_TRUE(eventually([&] { return !ready(process); }));
    EXPECT_TRUE(process.process().err().contains("ValidatingWebhookConfiguration endoscope is not installed"))
        << process.process().err();
    EXPECT_TRUE(process.healthy("/healthz"));
    kept["metadata"] = {{"name", "endoscope"}};
    kept["webhooks"][0]["clientConfig"].erase("caBundle");
    ASSERT_TRUE(admin().request("POST", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", kept));
    EXPECT_TRUE(eventually([&] { return ready(process); })) << process.process().err();
    EXPECT_TRUE(admits("r")) << refusal("r");
}

TEST_F(WebhookTrust, ASecretThatIsLostOrGarbageStopsNothing) {
    OperatorProcess& process = start(std::vector<std::string>{"dev"} + kRotatesOften);
    const auto signer = [&] {
        const json secret = admin().get(kSecret);
        return kube::read_authorities(secret) ? secret["data"]["tls.crt"].get<std::string>() : "";
    };
    const auto replaced = [&](const std::string& old) {
        return eventually([&] {
            EXPECT_EQ(refusal("r"), "") << process.process().err();
            return !signer().empty() && signer() != old;
        });
    };
    std::string before = signer();
    ASSERT_TRUE(admin().remove(kSecret));
    EXPECT_TRUE(replaced(before)) << process.process().err();
    before = signer();
    ASSERT_TRUE(admin().merge(kSecret, {{"data", {{"tls.key", kube::base64_encode("garbage")}}}}));
    EXPECT_TRUE(replaced(before)) << process.process().err();
    EXPECT_TRUE(process.process().err().contains("tls.key")) << process.process().err();
}

TEST_F(WebhookTrust, TwoReplicasShareAnAuthorityAndTheLeaderWrites) {
    const std::vector<std::string> arguments =
        std::vector<std::string>{"run", "--metrics-secure=false", "--webhook-url", "https://127.0.0.1"} + kShortLease +
        kLooksOften;
    OperatorProcess& first = begin(arguments);
    install(first);
    ASSERT_TRUE(first.wait_until_ready()) << first.process().err();
    OperatorProcess& second = begin(arguments);
    ASSERT_TRUE(eventually([&] { return ready(first) && ready(second); })) << second.process().err();
    const std::string bundle = kube::base64_decode(bundle_of("mutating").get<std::string>()).value_or("");
    for (OperatorProcess* const replica : {&first, &second}) {
        const auto answer = https_get(replica->port_of("webhooks"), "/", "", bundle);
        EXPECT_EQ(answer ? 0 : answer.error().http_status, 404) << answer.error().message;
    }
    // The standby goes on where the leader stopped.
    first.crash();
    processes_.erase(processes_.begin());
    EXPECT_TRUE(second.wait_until_ready()) << second.process().err();
    set_bundle("mutating", json());
    EXPECT_TRUE(eventually([&] { return bundle_of("mutating") == kube::base64_encode(bundle); }))
        << second.process().err();
    EXPECT_EQ(second.metric("endoscope_webhook_ca_bundle_writes_total"), 1);
}

TEST_F(WebhookTrust, WithFilesTheCaBundleIsReadAndNeverWritten) {
    const auto now = std::chrono::time_point_cast<kube::WallTime::duration>(std::chrono::system_clock::now());
    const auto ca = kube::make_certificate_authority("test", now, std::chrono::hours(1));
    kube::LeafOptions leaf;
    leaf.ip_addresses = {"127.0.0.1"};
    const auto pair = kube::issue_certificate(*ca, leaf, now, std::chrono::hours(1));
    ASSERT_TRUE(pair);
    const std::string dir = plane_->dir() + "/files";
    std::filesystem::create_directory(dir);
    std::ofstream(dir + "/tls.crt") << pair->certificate_pem;
    std::ofstream(dir + "/tls.key") << pair->key_pem;
    OperatorProcess& process = begin({"run", "--metrics-secure=false", "--webhook-cert-dir", dir});
    install(process);
    EXPECT_TRUE(eventually([&] { return process.process().err().contains("has no caBundle yet"); }))
        << process.process().err();
    EXPECT_FALSE(ready(process));
    // As cert-manager's CA injector does.
    for (const std::string kind : {"mutating", "validating"}) {
        set_bundle(kind, kube::base64_encode(ca->certificate_pem));
    }
    EXPECT_TRUE(eventually([&] { return ready(process); })) << process.process().err();
    EXPECT_TRUE(admits("r")) << refusal("r");
    const auto other = kube::make_certificate_authority("test", now, std::chrono::hours(1));
    ASSERT_TRUE(other);
    set_bundle("mutating", kube::base64_encode(other->certificate_pem));
    EXPECT_TRUE(eventually([&] { return !ready(process); })) << "the served certificate is not trusted any more";
    EXPECT_EQ(bundle_of("mutating"), kube::base64_encode(other->certificate_pem));
    EXPECT_TRUE(admin().is_absent(kSecret));
    set_bundle("mutating", kube::base64_encode(other->certificate_pem + ca->certificate_pem));
    EXPECT_TRUE(eventually([&] { return ready(process); })) << process.process().err();
}

TEST_F(WebhookTrust, CallersMustShowTheCertificateThatIsAskedFor) {
    const std::vector<std::string> arguments = {"dev", "--webhook-client-ca-file", plane_->webhook_client_ca(),
                                                "--webhook-client-name", "api-server"};
    OperatorProcess& process = start(arguments);
    EXPECT_TRUE(admits("r")) << refusal("r");
    EXPECT_TRUE(eventually([&] { return ready(process); })) << "the probe of our own needs no certificate";
    const auto stranger = https_get(process.port_of("webhooks"), "/", "");
    ASSERT_FALSE(stranger);
    EXPECT_EQ(stranger.error().http_status, 403) << stranger.error().message;
    EXPECT_EQ(process.metric("endoscope_webhook_refused_total", {{"reason", "client_certificate"}}), 1);
    EXPECT_EQ(process.stop(kEnd), 0) << process.process().err();
    processes_.clear();

    OperatorProcess& other = start(
        {"dev", "--webhook-client-ca-file", plane_->webhook_client_ca(), "--webhook-client-name", "somebody-else"});
    EXPECT_TRUE(eventually([&] { return refusal("r").contains("failed calling webhook"); })) << refusal("r");
    EXPECT_GT(other.metric("endoscope_webhook_refused_total", {{"reason", "client_certificate"}}), 0);
}

}  // namespace
}  // namespace endoscope::test
