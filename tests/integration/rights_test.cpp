// `run` with the rights of manifests/rbac and of the components, and no others: everything it does is allowed.
#include "kube/base/yaml.hpp"
#include "tests/integration/fixture.hpp"
#include "tests/integration/granted.hpp"
#include "tests/integration/relay.hpp"

#include <filesystem>
#include <memory>

namespace endoscope::test {
namespace {

constexpr std::chrono::seconds kEnd{20};
constexpr const char* kWebhooks = "/apis/admissionregistration.k8s.io/v1/";
constexpr const char* kSecrets = "/api/v1/namespaces/endoscope-system/secrets/";
constexpr const char* kRole = "/apis/rbac.authorization.k8s.io/v1/clusterroles/endoscope-operator";
const std::string kOperator = "system:serviceaccount:endoscope-system:endoscope-operator";

std::vector<json> manifest(const std::string& name) {
    auto documents = kube::parse_yaml(read_text(std::string(ENDOSCOPE_MANIFESTS) + "/" + name));
    EXPECT_TRUE(documents) << name;
    return documents ? std::move(*documents) : std::vector<json>();
}

/// Whatever the operator is granted by the manifests: always, and by the components that a cluster opts in to.
std::vector<json> all_roles() {
    std::vector<json> all;
    for (const char* const name :
         {"rbac/operator.yaml", "retention/rbac.yaml", "terminate/rbac.yaml", "evict/rbac.yaml"}) {
        for (json& object : manifest(name)) all.push_back(std::move(object));
    }
    return all;
}

class Rights : public EndoscopeTest {
  protected:
    void SetUp() override {
        EndoscopeTest::SetUp();
        end_operator();
        dir_ = plane_->dir() + "/rights";
        std::filesystem::create_directory(dir_);
        for (const json& object : all_roles()) {
            const auto made = admin().put_in_place(object);
            ASSERT_TRUE(made) << made.error().message;
        }
        const std::string token = plane_->is_real() ? issue_token("endoscope-system", "endoscope-operator") : "";
        plane_->derive_kubeconfig("operator", [&](json& config) {
            json& credentials = config["users"][0]["user"];
            if (token.empty()) {
                credentials["as"] = kOperator;
                credentials["as-groups"] = {"system:serviceaccounts", "system:serviceaccounts:endoscope-system"};
            } else {
                credentials = {{"token", token}};
            }
            relay_ = redirect(config);
        });
        // Of other tests: what is there already is not created.
        admin().remove(std::string(kSecrets) + "endoscope-webhook-ca");
        admin().remove("/apis/coordination.k8s.io/v1/namespaces/endoscope-system/leases/endoscope");
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

    /// Begins to run, with webhooks that the API server reaches by URL, since it reaches no Service here.
    void start(const std::vector<std::string>& flags = {}) {
        static int number = 0;
        std::vector<std::string> argv = {"run", "--webhook-url", "https://127.0.0.1", "--metrics-secure=true",
                                         "--leader-elect"};
        argv.insert(argv.end(), flags.begin(), flags.end());
        process_ = std::make_unique<OperatorProcess>(plane_->kubeconfig("operator"),
                                                     dir_ + "/log-" + std::to_string(++number), argv);
        process_->read_metrics_as(token_);
        ASSERT_TRUE(eventually([&] { return process_->port_of("webhooks") != 0; })) << process_->process().err();
        const std::string server = "https://127.0.0.1:" + std::to_string(process_->port_of("webhooks"));
        for (json object : manifest("webhooks.yaml")) {
            json& client = object["webhooks"][0]["clientConfig"];
            client = {{"url", server + client["service"]["path"].get<std::string>()}};
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
    std::string token_;
    std::unique_ptr<Relay> relay_;  ///< Between the operator and the API server.
    std::unique_ptr<OperatorProcess> process_;
};

TEST_F(Rights, TheManifestsAllowEverythingItDoes) {
    start({"--seal-key-refresh", "500ms"});
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
    ASSERT_TRUE(admin().merge("/api/v1/namespaces/endoscope-system/secrets/endoscope-seal-key",
                              {{"metadata", {{"annotations", {{"endoscope.dev/rotate", "now"}}}}}}));
    EXPECT_TRUE(eventually([&] { return process_->metric("endoscope_seal_key_rotations_total") == 1; })) << "the key";
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

TEST_F(Rights, NothingIsGrantedThatIsNotUsed) {
    if (!plane_->is_real()) GTEST_SKIP() << "the model API server keeps no audit log";
    const std::size_t before = plane_->audit_log().size();
    const auto done = [&] { return accesses(plane_->audit_log().substr(before), kOperator); };
    // Authority and certificates of the webhooks are renewed all the time, and the seal key is on demand.
    // An API server that starts again takes its time, and the leader outlives it.
    start({"--webhook-ca-lifetime", "30s", "--webhook-certificate-lifetime", "10s", "--seal-key-refresh", "500ms",
           "--leader-elect-lease-duration", "90s", "--leader-elect-renew-deadline", "60s", "--retain-finished", "30s"});
    ASSERT_TRUE(admin().merge(std::string(kSecrets) + "endoscope-seal-key",
                              {{"metadata", {{"annotations", {{"endoscope.dev/rotate", "1"}}}}}}));
    ASSERT_TRUE(eventually([&] { return alice().rehearse(request("good")).has_value(); })) << "webhooks in force";
    // A policy that is changed is accepted anew.
    ASSERT_TRUE(admin().merge(policy_path(ns_), {{"spec", {{"limits", {{"maxPods", 4}}}}}}));
    // A session, a denial, and a denial that somebody wiped out: its Event is repeated.
    ASSERT_TRUE(alice().create(request("good", {{"output", {{"tailLines", 1}}}})));
    ASSERT_TRUE(bob().create(request("bad")));
    EXPECT_EQ(outcome("good"), "Succeeded/Completed");
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    // What policies want at the end of sessions; no node answers to commands here, which costs no right.
    add_policy("terminating", {{"onExpiry", "Terminate"}});
    add_policy("replacing", {{"afterSession", "EvictPod"}});
    run_pod("spare");
    ASSERT_TRUE(alice().create(request(
        "overdue",
        {{"image", image_of("terminating", "tools:1")}, {"command", {"sleep", "infinity"}}, {"deadlineSeconds", 1}})));
    ASSERT_TRUE(alice().create(
        request("replaced", {{"image", image_of("replacing", "tools:1")}, {"target", {{"podName", "spare"}}}})));
    EXPECT_EQ(outcome("overdue"), "Expired/DeadlineExceeded");
    EXPECT_EQ(outcome("replaced"), "Succeeded/Completed");
    EXPECT_TRUE(eventually([&] { return admin().is_absent(pod_path("spare")); }));
    ASSERT_TRUE(admin().merge(path("bad") + "/status", {{"status", {{"phase", nullptr}}}}));
    EXPECT_EQ(outcome("bad"), "Denied/NotAuthorized");
    EXPECT_GT(process_->metric("rest_client_requests_total", {{"code", "200"}}), 0) << "metrics, for who may read them";
    // A session in a Pod whose watch the API server forgets.
    ASSERT_TRUE(alice().create(request("long", {{"command", {"sleep", "infinity"}}})));
    ASSERT_TRUE(reaches("long", "Running"));
    for (const Access& access : done()) EXPECT_NE(access.code, 403) << access.text();
    // From here on there are some: an API server that has just started knows no roles yet.
    relay_->shut();
    plane_->forget_history();
    relay_->open();

    const auto granted = grants(all_roles());
    const auto unused = [&] { return unneeded(granted, done()); };
    EXPECT_TRUE(eventually([&] { return unused().empty(); }, std::chrono::seconds(90)));
    for (const Access& grant : unused()) ADD_FAILURE() << "granted and never used: " << grant.text();
    // And if something more were granted, it would be told.
    const Access more = {.verb = "delete", .group = "", .resource = "pods", .ns = "", .name = ""};
    EXPECT_EQ(unneeded({more}, done()), std::vector<Access>{more});
}

}  // namespace
}  // namespace endoscope::test
