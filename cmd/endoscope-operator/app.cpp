#include "app.hpp"

#include "controller/installer.hpp"
#include "controller/operator.hpp"
#include "controller/seal_keys.hpp"
#include "kube/base/log.hpp"
#include "kube/base/task_group.hpp"
#include "kube/client/client.hpp"
#include "kube/client/connection.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/tls.hpp"
#include "kube/runtime/endpoints.hpp"
#include "kube/runtime/leader_election.hpp"
#include "kube/runtime/metrics.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <unistd.h>

namespace endoscope::cmd {
namespace asio = boost::asio;
using kube::ErrorKind;
using kube::Result;

namespace {

constexpr kube::Duration kRetryDelay = std::chrono::seconds(2);
constexpr kube::Duration kCleanUpTime = std::chrono::seconds(5);
constexpr kube::Duration kDevCertificateLife = std::chrono::hours(24 * 30);

std::string instance_name() {
    char host[256] = {};
    if (gethostname(host, sizeof host - 1) != 0) return "endoscope-operator";
    return std::string(host) + "_" + std::to_string(getpid());
}

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (!(content << file.rdbuf())) return kube::fail(ErrorKind::config, "cannot read " + path);
    return content.str();
}

/// The webhooks' certificate: from a directory, or made on the spot for `dev`.
struct WebhookCertificate {
    kube::TlsServerConfig server;
    std::string ca_pem;  ///< For the webhook configurations; empty with a directory.
};

Result<WebhookCertificate> webhook_certificate(const Options& options, kube::Clock& clock) {
    WebhookCertificate certificate;
    if (!options.webhook_cert_dir.empty()) {
        auto chain = read_file(options.webhook_cert_dir + "/tls.crt");
        if (!chain) return std::unexpected(chain.error());
        auto key = read_file(options.webhook_cert_dir + "/tls.key");
        if (!key) return std::unexpected(key.error());
        certificate.server = {.certificate_pem = std::move(*chain), .key_pem = std::move(*key), .client_ca_pem = {}};
        if (options.verb == Verb::dev) {
            auto ca = read_file(options.webhook_cert_dir + "/ca.crt");
            if (!ca) return std::unexpected(ca.error());
            certificate.ca_pem = std::move(*ca);
        }
        return certificate;
    }
    const auto ca = kube::make_certificate_authority("endoscope-dev", clock.now(), kDevCertificateLife);
    if (!ca) return std::unexpected(ca.error());
    kube::LeafOptions leaf;
    leaf.common_name = "endoscope-webhook";
    leaf.dns_names = {"localhost"};
    leaf.ip_addresses = {"127.0.0.1"};
    const auto pair = kube::issue_certificate(*ca, leaf, clock.now(), kDevCertificateLife);
    if (!pair) return std::unexpected(pair.error());
    certificate.server = {.certificate_pem = pair->certificate_pem, .key_pem = pair->key_pem, .client_ca_pem = {}};
    certificate.ca_pem = ca->certificate_pem;
    return certificate;
}

/// Owns everything, in the order in which it is built; destroyed in reverse.
class App {
  public:
    explicit App(const Options& options)
        : options_(options),
          io_(1),
          clock_(kube::make_system_clock(io_.get_executor())),
          registry_(kube::make_registry()),
          request_metrics_(kube::make_request_metrics(registry_)),
          connection_metrics_(kube::make_connection_metrics(registry_)),
          audit_(*clock_,
                 [](std::string_view line) {
                     std::fwrite(line.data(), 1, line.size(), stdout);
                     std::fputc('\n', stdout);
                     std::fflush(stdout);
                 }),
          signals_(io_, SIGTERM, SIGINT),
          servers_(io_.get_executor()) {}

    int run() {
        wait_for_signal();
        asio::co_spawn(io_, main(), [this](const std::exception_ptr& failure) {
            if (failure) exit_code_ = 1;
            // Every task has been joined; what is left are timers for a later look at some request.
            io_.stop();
        });
        io_.run();
        return exit_code_;
    }

  private:
    void wait_for_signal() {
        signals_.async_wait([this](const boost::system::error_code& code, int number) {
            if (code) return;
            if (stop_.stop_requested()) std::_Exit(1);  // a second signal means now
            kube::log::info("operator", "stopping", {{"signal", number}});
            stop_.request_stop();
            wait_for_signal();
        });
    }

    asio::awaitable<void> main() {
        auto served = co_await serve();
        if (!served && served.error().kind != ErrorKind::cancelled) {
            kube::log::error("operator", "cannot run",
                             {{"kind", to_string(served.error().kind)}, {"error", served.error().message}});
            exit_code_ = 1;
        }
        stop_.request_stop();
        co_await servers_.join();
    }

    Result<void> connect() {
        const auto sources = kube::ConfigSources::process();
        auto config = kube::load_config(options_.kubeconfig, options_.context, sources);
        if (!config) return std::unexpected(config.error());
        auto connection =
            kube::make_connection(io_.get_executor(), *clock_, *config, sources, connection_metrics_.get());
        if (!connection) return std::unexpected(connection.error());
        const auto& [transport, credentials] = *connection;
        kube::log::info("operator", "starting",
                        {{"version", ENDOSCOPE_VERSION}, {"config", config->source}, {"server", transport->host()}});
        kube::ClientOptions& client = client_options_;
        client.user_agent = kube::user_agent("endoscope-operator", ENDOSCOPE_VERSION);
        client.field_manager = "endoscope";
        client.path_prefix = config->path_prefix;
        client.seed = std::random_device()();
        client.observer = request_metrics_.get();
        client_ = std::make_unique<kube::Client>(transport, *clock_, client, credentials);
        if (!options_.leader_elect) return {};
        // A client of its own, so that no queue of slow requests stands before a renewal.
        election_client_ = std::make_unique<kube::Client>(transport, *clock_, client, credentials);
        leader_metrics_ = kube::make_leader_metrics(registry_, options_.lease_name);
        std::random_device random;
        std::ostringstream identity;
        identity << instance_name() << '_' << std::hex << random() << random();
        election_ =
            std::make_unique<kube::LeaderElection>(io_.get_executor(), *election_client_, *clock_,
                                                   kube::LeaderElectionOptions{.ns = options_.ns,
                                                                               .name = options_.lease_name,
                                                                               .identity = identity.str(),
                                                                               .times = options_.lease_times,
                                                                               .seed = random(),
                                                                               .observer = leader_metrics_.get()});
        return {};
    }

    /// Until all that needs the leadership has ended; a loss ends the process, since nothing proves that it has.
    asio::awaitable<void> hold_lease() {
        const std::stop_callback on_lost(election_->lost(), [this] {
            exit_code_ = 1;
            stop_.request_stop();
        });
        const auto how = co_await election_->run(election_stop_.get_token());
        if (how == kube::LeaseEnd::lost) stop_.request_stop();
    }

    asio::awaitable<void> reconcile() {
        const auto ended = co_await operator_->run(stop_.get_token());
        if (ended) co_return;
        kube::log::error("operator", "cannot run",
                         {{"kind", to_string(ended.error().kind)}, {"error", ended.error().message}});
        exit_code_ = 1;
        stop_.request_stop();
    }

    Result<void> listen(const std::string& what, const std::string& host, unsigned short port,
                        kube::TlsContextSource tls, kube::HttpHandler handler, unsigned short* bound) {
        auto listener = kube::make_tcp_listener(io_.get_executor(), *clock_, host, port, std::move(tls));
        if (!listener) return std::unexpected(listener.error());
        if (bound != nullptr) *bound = (*listener)->port();
        kube::log::info("operator", "listening", {{"for", what}, {"address", host}, {"port", (*listener)->port()}});
        http_servers_.push_back(
            std::make_unique<kube::HttpServer>(io_.get_executor(), *clock_, std::move(*listener), std::move(handler)));
        servers_.spawn(what, http_servers_.back()->run(stop_.get_token()));
        return {};
    }

    /// Waits for an API server that is away instead of giving up: it may be starting as we are.
    asio::awaitable<Result<std::string>> wait_for_server() {
        for (;;) {
            auto version = co_await controller::check_server(*client_, stop_.get_token());
            if (version || !kube::is_retryable(version.error()) || stop_.stop_requested()) co_return version;
            kube::log::warn("operator", "waiting for the API server",
                            {{"server", client_->host()}, {"error", version.error().message}});
            co_await kube::sleep_for(*clock_, kRetryDelay, stop_.get_token());
        }
    }

    asio::awaitable<Result<void>> prepare_cluster() {
        if (options_.verb == Verb::dev) {
            auto installed = co_await controller::install_crds(*client_, *clock_, stop_.get_token());
            if (!installed) co_return installed;
            auto ensured = co_await controller::ensure_namespace(*client_, options_.ns, stop_.get_token());
            if (!ensured) co_return ensured;
        } else {
            for (;;) {
                auto present = co_await controller::require_crds(*client_, stop_.get_token());
                if (present) break;
                if (stop_.stop_requested()) co_return present;
                kube::log::warn("operator", "waiting for the CRDs", {{"error", present.error().message}});
                co_await kube::sleep_for(*clock_, kRetryDelay, stop_.get_token());
            }
        }
        auto keys = co_await controller::load_seal_keys(*client_, options_.ns, stop_.get_token());
        if (!keys) co_return std::unexpected(keys.error());
        controller::OperatorOptions settings;
        settings.ns = options_.ns;
        settings.instance = instance_name();
        settings.max_concurrent_reconciles = options_.max_concurrent_reconciles;
        settings.seed = std::random_device()();
        if (election_) {
            settings.election = election_.get();
            settings.write_timeout = options_.lease_times.lease - options_.lease_times.renew_deadline;
        }
        operator_ = std::make_unique<controller::Operator>(io_.get_executor(), *client_, *clock_, registry_,
                                                           std::move(*keys), audit_, settings);
        co_return Result<void>();
    }

    Result<void> listen_all(unsigned short& webhook_port, const std::shared_ptr<const kube::TlsServerContext>& tls) {
        if (options_.metrics.enabled) {
            auto metrics = listen("metrics", options_.metrics.host, options_.metrics.port, nullptr,
                                  operator_->metrics_handler(), nullptr);
            if (!metrics) return metrics;
        }
        const std::string host = options_.verb == Verb::dev ? "127.0.0.1" : "0.0.0.0";
        return listen(
            "webhooks", host, options_.webhook_port, [tls] { return tls; }, operator_->admission_handler(),
            &webhook_port);
    }

    Result<void> listen_health() {
        if (!options_.health.enabled) return {};
        std::map<std::string, kube::HealthCheck> live = {
            {"ping", [] { return std::string(); }},
            {"leader", [this] { return election_ ? election_->health() : std::string(); }}};
        std::map<std::string, kube::HealthCheck> ready = {
            {"caches", [this] { return std::string(operator_ && operator_->synced() ? "" : "caches are not synced"); }},
            {"webhooks", [this] { return std::string(webhooks_ready_ ? "" : "webhooks are not served yet"); }}};
        return listen("health", options_.health.host, options_.health.port, nullptr,
                      kube::make_health_handler(std::move(live), std::move(ready)), nullptr);
    }

    asio::awaitable<Result<void>> serve() {
        auto connected = connect();
        if (!connected) co_return connected;
        auto health = listen_health();
        if (!health) co_return health;
        const auto version = co_await wait_for_server();
        if (!version) co_return std::unexpected(version.error());
        kube::log::info("operator", "connected", {{"kubernetes", *version}});
        auto prepared = co_await prepare_cluster();
        if (!prepared) co_return prepared;
        const auto certificate = webhook_certificate(options_, *clock_);
        if (!certificate) co_return std::unexpected(certificate.error());
        auto tls = kube::make_tls_server_context(certificate->server);
        if (!tls) co_return std::unexpected(tls.error());
        unsigned short webhook_port = 0;
        auto listening = listen_all(webhook_port, *tls);
        if (!listening) co_return listening;
        const std::string url = "https://127.0.0.1:" + std::to_string(webhook_port);
        if (options_.verb == Verb::dev) {
            auto installed =
                co_await controller::install_webhooks(*client_, url, certificate->ca_pem, stop_.get_token());
            if (!installed) co_return installed;
        }
        webhooks_ready_ = true;
        kube::TaskGroup running(io_.get_executor());
        kube::TaskGroup electing(io_.get_executor());
        if (election_) electing.spawn("leader election", hold_lease());
        running.spawn("operator", reconcile());
        running.spawn("announce", announce_ready());
        co_await running.join();
        election_stop_.request_stop();
        co_await electing.join();
        if (options_.verb == Verb::dev) {
            std::stop_source limit;
            const auto timer = clock_->call_after(kCleanUpTime, [&limit] { limit.request_stop(); });
            co_await controller::remove_webhooks(*client_, url, limit.get_token());
        }
        co_return Result<void>();
    }

    /// Prints `ready` once requests are reconciled: scripts wait for that line.
    asio::awaitable<void> announce_ready() {
        while (!operator_->synced() && !stop_.stop_requested()) {
            co_await kube::sleep_for(*clock_, std::chrono::milliseconds(20), stop_.get_token());
        }
        if (election_) co_await election_->wait_until_leading(stop_.get_token());
        if (stop_.stop_requested()) co_return;
        std::puts("ready");
        std::fflush(stdout);
    }

    const Options& options_;
    asio::io_context io_;
    std::unique_ptr<kube::Clock> clock_;
    kube::Registry registry_;
    std::unique_ptr<kube::RequestObserver> request_metrics_;
    std::unique_ptr<kube::ConnectionObserver> connection_metrics_;
    controller::AuditLog audit_;
    asio::signal_set signals_;
    std::stop_source stop_;
    kube::TaskGroup servers_;
    kube::ClientOptions client_options_;
    std::unique_ptr<kube::Client> client_;
    std::unique_ptr<kube::Client> election_client_;
    std::unique_ptr<kube::LeaderObserver> leader_metrics_;
    std::unique_ptr<kube::LeaderElection> election_;
    std::stop_source election_stop_;
    std::unique_ptr<controller::Operator> operator_;
    std::vector<std::unique_ptr<kube::HttpServer>> http_servers_;
    bool webhooks_ready_ = false;
    int exit_code_ = 0;
};

}  // namespace

int run_app(const Options& options) {
    kube::log::configure(options.log_format, options.log_level);
    try {
        return App(options).run();
    } catch (const std::exception& error) {
        kube::log::error("operator", "cannot start", {{"error", error.what()}});
        return 1;
    }
}

}  // namespace endoscope::cmd
