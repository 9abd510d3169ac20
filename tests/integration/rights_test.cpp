// `run` with the rights of manifests/rbac and no others: everything it does is allowed.
#include "kube/base/base64.hpp"
#include "kube/base/clock.hpp"
#include "kube/base/yaml.hpp"
#include "kube/net/certificates.hpp"
#include "tests/integration/fixture.hpp"

#include <filesystem>
#include <fstream>
#include <memory>

namespace endoscope::test {
namespace {

constexpr std::chrono::seconds kEnd{20};
constexpr const char* kWebhooks = "/apis/admissionregistration.k8s.io/v1/";
constexpr const char* kRole = "/apis/rbac.authorization.k8s.io/v1/clusterroles/endoscope-operator";
const std::string kOperator = "system:serviceaccount:endoscope-system:endoscope-operator";

std::vector<json> manifest(const std::string& name) {
    auto documents = kube::parse_yaml(read_text(std::string(ENDOSCOPE_MANIFESTS) + "/" + name));
    EXPECT_TRUE(documents) << name;
    return documents ? std::move(*documents) : std::vector<json>();
}

class Rights : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        dir_ = plane_->dir() + "/rights";
        std::filesystem::create_directory(dir_);
        for (const json& object : manifest("rbac/operator.yaml")) {
            const auto created = admin().create(object);
            ASSERT_TRUE(created) << created.error().message;
        }
        plane_->derive_kubeconfig("operator", [](json& config) {
            config["users"][0]["user"]["as"] = kOperator;
            config["users"][0]["user"]["as-groups"] = {"system:serviceaccounts",
                                                       "system:serviceaccounts:endoscope-system"};
        });
        make_certificate();
        token_ = token_of("reader");
        let_read_metrics("reader");
    }
    void TearDown() override {
        if (process_) EXPECT_EQ(process_->stop(kEnd), 0) << process_->process().err();
        for (const char* kind : {"mutating", "validating"}) {
            const std::string path = std::string(kWebhooks) + kind + "webhookconfigurations/endoscope";
            EXPECT_TRUE(admin().remove(path) || admin().is_absent(path));
        }
        EndoscopeTest::TearDown();
    }

    /// What cert-manager would put into the volume.
    void make_certificate() {
        const auto now = std::chrono::time_point_cast<kube::WallTime::duration>(std::chrono::system_clock::now());
        const auto ca = kube::make_certificate_authority("test", now, std::chrono::hours(1));
        ASSERT_TRUE(ca);
        kube::LeafOptions leaf;
        leaf.common_name = "webhook";
        leaf.ip_addresses = {"127.0.0.1"};
        const auto pair = kube::issue_certificate(*ca, leaf, now, std::chrono::hours(1));
        ASSERT_TRUE(pair);
        std::ofstream(dir_ + "/tls.crt") << pair->certificate_pem;
        std::ofstream(dir_ + "/tls.key") << pair->key_pem;
        ca_ = ca->certificate_pem;
    }

    /// Begins to run, with webhooks that the API server reaches by URL, since it reaches no Service here.
    void start() {
        static int number = 0;
        process_ = std::make_unique<OperatorProcess>(
            plane_->kubeconfig("operator"), dir_ + "/log-" + std::to_string(++number),
            std::vector<std::string>{"run", "--webhook-cert-dir", dir_, "--metrics-secure=true", "--leader-elect",
                                     "--leader-elect-lease-duration", "3s", "--leader-elect-renew-deadline", "2s",
                                     "--leader-elect-retry-period", "500ms"});
        process_->read_metrics_as(token_);
        ASSERT_TRUE(eventually([&] { return process_->port_of("webhooks") != 0; })) << process_->process().err();
        const std::string server = "https://127.0.0.1:" + std::to_string(process_->port_of("webhooks"));
        for (json object : manifest("webhooks.yaml")) {
            json& client = object["webhooks"][0]["clientConfig"];
            client = {{"url", server + client["service"]["path"].get<std::string>()},
                      {"caBundle", kube::base64_encode(ca_)}};
            const std::string collection =
                kWebhooks + std::string(object["kind"] == "MutatingWebhookConfiguration" ? "mutating" : "validating") +
                "webhookconfigurations";
            admin().remove(collection + "/endoscope");
            const auto created = admin().request("POST", collection, object);
            ASSERT_TRUE(created) << created.error().message;
        }
        ASSERT_TRUE(process_->wait_until_ready()) << process_->process().err();
        ASSERT_TRUE(eventually([&] { return process_->healthy("/readyz"); })) << process_->process().err();
    }

    double forbidden() { return process_->metric("rest_client_requests_total", {{"code", "403"}}); }

    std::string dir_;
    std::string ca_;
    std::string token_;
    std::unique_ptr<OperatorProcess> process_;
};

TEST_F(Rights, TheManifestsAllowEverythingItDoes) {
    start();
    ASSERT_TRUE(eventually([&] { return alice().rehearse(request("good")).has_value(); })) << "webhooks in force";
    ASSERT_TRUE(alice().create(request("good")));
    ASSERT_TRUE(bob().create(request("bad")));
    ASSERT_TRUE(alice().create(request("long", {{"command", {"sleep", "infinity"}}, {"deadlineSeconds", 1}})));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    EXPECT_EQ(outcome("long"), "Expired/DeadlineExceeded");
    EXPECT_TRUE(eventually([&] {
        const json conditions = admin().get(policy_path(ns_))["status"]["conditions"];
        return conditions.is_array() && !conditions.empty();
    })) << "the status of the policy";
    EXPECT_TRUE(eventually([&] {
        const json events = admin().get("/apis/events.k8s.io/v1/namespaces/" + ns_ + "/events");
        return !events["items"].empty();
    })) << "Events";
    EXPECT_EQ(forbidden(), 0);
    EXPECT_GT(process_->metric("rest_client_requests_total", {{"code", "201"}}), 0);
    // The second start finds the Lease and the seal key.
    EXPECT_EQ(process_->stop(kEnd), 0) << process_->process().err();
    start();
    ASSERT_TRUE(alice().create(request("again")));
    EXPECT_EQ(outcome("again"), "Succeeded/Completed");
    EXPECT_EQ(forbidden(), 0);
    // And if something were not allowed, it would be counted.
    json role = admin().get(kRole);
    std::erase_if(role["rules"].get_ref<json::array_t&>(),
                  [](const json& rule) { return rule["resources"] == json::array({"events"}); });
    ASSERT_TRUE(admin().request("PUT", kRole, role));
    int number = 0;
    EXPECT_TRUE(eventually(
        [&] { return alice().create(request("more-" + std::to_string(++number))).has_value() && forbidden() > 0; }));
}

}  // namespace
}  // namespace endoscope::test
