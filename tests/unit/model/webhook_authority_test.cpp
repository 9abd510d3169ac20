// The webhooks' certificate authority against the model API server, under a virtual clock: days of rotations, with API
// servers whose copy of the configurations is old, and at no moment a certificate that one of them would refuse.
#include "kube/runtime/webhook_authority.hpp"

#include "fixture.hpp"
#include "kube/base/base64.hpp"
#include "kube/base/task_group.hpp"
#include "kube/runtime/ca_secret.hpp"
#include "tests/support/memory_stream.hpp"

#include <deque>
#include <set>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::run_coro;
using kube::test::settle;
using std::chrono::minutes;
using std::chrono::seconds;

const std::string kSecrets = "/api/v1/namespaces/default/secrets";
const std::string kHooks = "/apis/admissionregistration.k8s.io/v1/";
constexpr seconds kTick{15};
/// A CA lives for half an hour, a certificate for five minutes: two looks a minute, and a minute of propagation.
const kube::RotationTimes kTimes{.ca_lifetime = minutes(30), .leaf_lifetime = minutes(5)};
/// How old an API server's copy may be; less than the propagation that is waited for.
constexpr std::size_t kLagTicks = 3;

Json configuration(const std::string& kind) {
    Json hook = {{"name", "ours.example.org"},
                 {"admissionReviewVersions", {"v1"}},
                 {"sideEffects", "None"},
                 {"failurePolicy", "Fail"},
                 {"clientConfig", {{"url", "https://127.0.0.1:1/"}}},
                 {"rules",
                  {{{"apiGroups", {"example.org"}},
                    {"apiVersions", {"v1"}},
                    {"operations", {"CREATE"}},
                    {"resources", {"things"}},
                    {"scope", "Namespaced"}}}}};
    Json other = hook;
    other["name"] = "other.example.org";
    other["clientConfig"]["caBundle"] = kube::base64_encode("somebody else's");
    return {{"apiVersion", "admissionregistration.k8s.io/v1"},
            {"kind", kind},
            {"metadata", {{"name", "ours"}}},
            {"webhooks", {other, hook}}};
}

std::vector<Json> expected() {
    std::vector<Json> both = {configuration("MutatingWebhookConfiguration"),
                              configuration("ValidatingWebhookConfiguration")};
    for (Json& one : both) one["webhooks"].erase(0);
    return both;
}

struct CountRepairs final : kube::WebhookTrustObserver {
    void on_checked(std::size_t) override {}
    void on_bundle_written() override { ++repairs; }
    void on_expiry(kube::WallTime, kube::WallTime) override {}
    int repairs = 0;
};

kube::LeafOptions leaf() {
    kube::LeafOptions options;
    options.common_name = "webhook";
    return options;
}

/// One process that serves the webhooks.
struct Replica {
    Replica(kube::Client& client, kube::Clock& clock, bool leader)
        : leads(leader),
          configurations(client, expected(), "install it", &counts),
          authority(
              client, clock, configurations,
              {.ns = "default", .secret_name = "ca", .app = "test", .leaf = leaf(), .times = kTimes, .leads = [this] {
                   return leads;
               }}) {}
    bool leads;
    CountRepairs counts;
    kube::WebhookConfigurations configurations;
    kube::WebhookAuthority authority;
};

class Cluster {
  public:
    explicit Cluster(asio::any_io_executor executor)
        : executor_(executor),
          api_(executor, clock_),
          client_(std::make_shared<kube::test::MemoryTransport>([this] { return connect(); }), clock_, {}),
          tasks_(executor) {}

    asio::awaitable<void> install() {
        for (const std::string kind : {"Mutating", "Validating"}) {
            const std::string path =
                kHooks + (kind == "Mutating" ? "mutating" : "validating") + "webhookconfigurations";
            const Answer made = co_await ask(api_, "POST", path, configuration(kind + "WebhookConfiguration"));
            EXPECT_EQ(made.code, 201) << made.body;
        }
    }
    asio::awaitable<void> start(bool leader) {
        replicas.push_back(std::make_unique<Replica>(client_, clock_, leader));
        const auto started = co_await replicas.back()->authority.start({});
        EXPECT_TRUE(started) << started.error().message;
    }
    asio::awaitable<Json> hooks(std::string kind) {
        const Answer got = co_await ask(api_, "GET", kHooks + kind + "webhookconfigurations/ours");
        co_return got.body;
    }
    asio::awaitable<Json> secret() {
        const Answer got = co_await ask(api_, "GET", kSecrets + "/ca");
        co_return got.body;
    }
    /// Fifteen seconds: whoever's turn it is looks, then every replica is called by API servers old and new.
    asio::awaitable<void> tick() {
        for (std::size_t i = 0; i < replicas.size(); ++i) {
            if ((ticks_ + i) % 2 == 0) co_await replicas[i]->authority.refresh({});
        }
        ++ticks_;
        const Json mutating = co_await hooks("mutating");
        copies_.push_back(mutating);
        if (copies_.size() > kLagTicks) copies_.pop_front();
        if (calls_are_checked) {
            for (const auto& replica : replicas) called(*replica);
        }
        clock_.advance(kTick);
        co_await settle();
    }
    asio::awaitable<void> pass(kube::Duration time) {
        for (kube::Duration passed{}; passed < time; passed += kTick) co_await tick();
    }
    /// Only what API servers see from now on counts.
    void forget_copies() { copies_.clear(); }
    asio::awaitable<void> end() {
        stop_.request_stop();
        co_await tasks_.join();
        co_await api_.join();
    }
    ApiServer& api() { return api_; }
    kube::WallTime now() const { return clock_.now(); }
    std::string problem(std::size_t replica) const {
        return replicas.at(replica)->configurations.problem(replicas.at(replica)->authority.serving().certificate_pem,
                                                            clock_.now());
    }

    std::vector<std::unique_ptr<Replica>> replicas;
    bool calls_are_checked = true;
    std::set<std::string> leaves;   ///< Every certificate that was served.
    std::set<std::string> bundles;  ///< Every bundle that was installed.

  private:
    void called(const Replica& replica) {
        const std::string& chain = replica.authority.serving().certificate_pem;
        leaves.insert(chain);
        for (const Json& copy : copies_) {
            const Json& hook = copy["webhooks"][1];
            const std::string bundle = string_at(hook, {"clientConfig", "caBundle"});
            const auto trusted = kube::verify_server_chain(chain, kube::base64_decode(bundle).value_or(""), now());
            EXPECT_TRUE(trusted) << "tick " << ticks_ << ": " << trusted.error().message;
            bundles.insert(bundle);
        }
    }
    kube::Result<std::unique_ptr<kube::ByteStream>> connect() {
        auto [client, server] = kube::test::make_memory_stream_pair(executor_);
        kube::PeerCertificate admin;
        admin.common_name = "admin";
        admin.organizations.emplace_back("system:masters");
        server->peer = admin;
        tasks_.spawn("connection", serve(std::move(server)));
        return std::unique_ptr<kube::ByteStream>(std::move(client));
    }
    asio::awaitable<void> serve(std::unique_ptr<kube::test::MemoryStream> stream) {
        co_await kube::serve_http(clock_, *stream, api_.handler(), {}, stop_.get_token());
    }

    asio::any_io_executor executor_;
    kube::test::ManualClock clock_;
    ApiServer api_;
    std::stop_source stop_;
    kube::Client client_;
    kube::TaskGroup tasks_;
    std::deque<Json> copies_;
    std::size_t ticks_ = 0;
};

/// Two replicas of which the first leads, trusted everywhere.
asio::awaitable<std::unique_ptr<Cluster>> running_cluster() {
    auto cluster = std::make_unique<Cluster>(co_await asio::this_coro::executor);
    co_await cluster->install();
    co_await cluster->start(true);
    co_await cluster->start(false);
    cluster->calls_are_checked = false;
    co_await cluster->pass(minutes(1));
    cluster->calls_are_checked = true;
    EXPECT_EQ(cluster->problem(0), "");
    EXPECT_EQ(cluster->problem(1), "");
    co_return cluster;
}

asio::awaitable<void> rotates() {
    auto cluster = co_await running_cluster();
    co_await cluster->pass(minutes(45));
    // A CA every 20 minutes, each with a time before and after it; a certificate of each replica every 200 s.
    EXPECT_GE(cluster->bundles.size(), 4U);
    EXPECT_GE(cluster->leaves.size(), 20U);
    const Json hooks = co_await cluster->hooks("mutating");
    EXPECT_EQ(hooks["webhooks"][0]["clientConfig"]["caBundle"], kube::base64_encode("somebody else's"));
    EXPECT_EQ(cluster->replicas[1]->counts.repairs, 0) << "only the leader writes";
    co_await cluster->end();
}

TEST(WebhookAuthorityOnModel, RotatesWithoutAMomentInWhichItIsNotTrusted) {
    run_coro(rotates());
}

asio::awaitable<void> leaders_change() {
    auto cluster = co_await running_cluster();
    for (int i = 0; i < 10; ++i) {
        std::swap(cluster->replicas[0]->leads, cluster->replicas[1]->leads);
        co_await cluster->pass(minutes(3) + i * kTick);
        if (i % 5 == 0) co_await cluster->pass(minutes(10));
    }
    EXPECT_GE(cluster->bundles.size(), 4U);
    EXPECT_GT(cluster->replicas[1]->counts.repairs, 0);
    co_await cluster->end();
}

TEST(WebhookAuthorityOnModel, ANewLeaderGoesOnWhereTheOldOneStopped) {
    run_coro(leaders_change());
}

asio::awaitable<void> loses_the_secret(bool garbage) {
    auto cluster = co_await running_cluster();
    const Json before = co_await cluster->secret();
    if (garbage) {
        const Json patch = {{"data", {{"tls.crt", kube::base64_encode("garbage")}, {"more", "AA=="}}}};
        const Answer broken = co_await ask(cluster->api(), "PATCH", kSecrets + "/ca", patch, kMerge);
        EXPECT_EQ(broken.code, 200) << broken.body;
    } else {
        const Answer gone = co_await ask(cluster->api(), "DELETE", kSecrets + "/ca");
        EXPECT_EQ(gone.code, 200) << gone.body;
    }
    co_await cluster->pass(minutes(5));
    const Json after = co_await cluster->secret();
    EXPECT_TRUE(kube::read_authorities(after)) << after;
    EXPECT_NE(after["data"]["tls.crt"], before["data"]["tls.crt"]) << "a new authority, as whoever deletes it wants";
    EXPECT_FALSE(after["data"].contains("more"));
    EXPECT_EQ(after["data"]["previous.crt"], before["data"]["tls.crt"]) << "and no moment without service";
    co_await cluster->pass(minutes(15));
    const Json later = co_await cluster->secret();
    EXPECT_FALSE(later["data"].contains("previous.crt"));
    co_await cluster->end();
}

TEST(WebhookAuthorityOnModel, ASecretThatIsDeletedOrGarbageIsWrittenAnew) {
    run_coro(loses_the_secret(false));
    run_coro(loses_the_secret(true));
}

asio::awaitable<void> loses_a_bundle() {
    auto cluster = co_await running_cluster();
    const Json right = co_await cluster->hooks("validating");
    const std::string path = kHooks + "validatingwebhookconfigurations/ours";
    for (const Json& value : {Json("AAAA"), Json()}) {
        const Json patch = {{"webhooks", {{{"name", "ours.example.org"}, {"clientConfig", {{"caBundle", value}}}}}}};
        const Answer edited = co_await ask(cluster->api(), "PATCH", path, patch, kStrategic);
        EXPECT_EQ(edited.code, 200) << edited.body;
        co_await cluster->pass(seconds(60));
        const Json repaired = co_await cluster->hooks("validating");
        EXPECT_EQ(repaired["webhooks"], right["webhooks"]) << "within a minute";
    }
    co_await cluster->end();
}

TEST(WebhookAuthorityOnModel, ABundleThatIsEditedOrRemovedIsPutRightWithinAMinute) {
    run_coro(loses_a_bundle());
}

asio::awaitable<void> misses_a_configuration() {
    auto cluster = co_await running_cluster();
    cluster->calls_are_checked = false;
    for (const std::string kind : {"mutating", "validating"}) {
        const Answer gone = co_await ask(cluster->api(), "DELETE", kHooks + kind + "webhookconfigurations/ours");
        EXPECT_EQ(gone.code, 200);
    }
    co_await cluster->pass(minutes(1));
    for (const std::size_t replica : {0U, 1U}) {
        EXPECT_TRUE(cluster->problem(replica).contains("install it")) << cluster->problem(replica);
    }
    co_await cluster->install();
    co_await cluster->pass(minutes(2));
    cluster->forget_copies();
    cluster->calls_are_checked = true;
    co_await cluster->pass(minutes(1));
    EXPECT_EQ(cluster->problem(0), "");
    EXPECT_EQ(cluster->problem(1), "");
    co_await cluster->end();
}

TEST(WebhookAuthorityOnModel, AConfigurationThatIsMissingIsTold) {
    run_coro(misses_a_configuration());
}

asio::awaitable<void> nobody_leads() {
    auto cluster = co_await running_cluster();
    cluster->replicas[0]->leads = false;
    const Json before = co_await cluster->secret();
    cluster->calls_are_checked = false;
    co_await cluster->pass(minutes(25));
    const Json after = co_await cluster->secret();
    EXPECT_EQ(after, before) << "a rotation is due, and nobody may begin it";
    EXPECT_EQ(cluster->problem(0), "") << "certificates are renewed all the same";
    co_await cluster->end();
}

TEST(WebhookAuthorityOnModel, WhoDoesNotLeadWritesNothing) {
    run_coro(nobody_leads());
}

asio::awaitable<void> starts_with_garbage() {
    Cluster cluster(co_await asio::this_coro::executor);
    const Json secret = {
        {"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", "ca"}}}, {"data", {{"tls.crt", "AAAA"}}}};
    const Answer made = co_await ask(cluster.api(), "POST", kSecrets, secret);
    EXPECT_EQ(made.code, 201) << made.body;
    co_await cluster.install();
    cluster.calls_are_checked = false;
    co_await cluster.start(false);
    co_await cluster.start(true);
    co_await cluster.pass(minutes(3));
    EXPECT_EQ(cluster.problem(0), "");
    EXPECT_EQ(cluster.problem(1), "");
    co_await cluster.end();
}

TEST(WebhookAuthorityOnModel, StartsWhereTheSecretIsGarbage) {
    run_coro(starts_with_garbage());
}

}  // namespace
}  // namespace model::test
