#include "app.hpp"

#include "controller/admission.hpp"
#include "controller/fence.hpp"
#include "controller/installer.hpp"
#include "controller/operator.hpp"
#include "kube/base/log.hpp"
#include "kube/base/memory.hpp"
#include "kube/base/task_group.hpp"
#include "kube/client/client.hpp"
#include "kube/client/connection.hpp"
#include "kube/net/tls.hpp"
#include "kube/runtime/endpoints.hpp"
#include "kube/runtime/leader_election.hpp"
#include "kube/runtime/metrics.hpp"
#include "kube/runtime/metrics_auth.hpp"
#include "kube/runtime/serving_metrics.hpp"
#include "leader_reporter.hpp"
#include "webhook_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
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
/// After being ready: longer than idle connections are kept.
constexpr kube::Duration kSettled = std::chrono::seconds(90);

std::string instance_name() {
    char host[256] = {};
    if (gethostname(host, sizeof host - 1) != 0) return "endoscope-operator";
    return std::string(host) + "_" + std::to_string(getpid());
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
          event_metrics_(kube::make_event_metrics(registry_)),
          certificate_metrics_(kube::make_certificate_metrics(registry_)),
          webhook_metrics_(kube::make_webhook_metrics(
              registry_, {std::string(controller::kMutatePath), std::string(controller::kValidatePath)})),
          connection_metrics_(kube::make_connection_metrics(registry_)),
          audit_(*clock_,
                 [](std::string_view line) {
                     std::fwrite(line.data(), 1, line.size(), stdout);
                     std::fputc('\n', stdout);
                     std::fflush(stdout);
                 }),
          signals_(io_, SIGTERM, SIGINT),
          servers_(io_.get_executor()),
          recording_(io_.get_executor()),
          electing_(io_.get_executor()),
          running_(io_.get_executor()) {}

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
            if (signalled_) std::_Exit(1);  // a second signal means now
            signalled_ = true;
            kube::log::info("operator", "stopping", {{"signal", number}});
            begin_stop();
            wait_for_signal();
        });
    }

    /// Readiness goes first (see `listen_health`); whoever still calls the webhooks is served for a while.
    void begin_stop() {
        if (stop_.stop_requested()) return;
        stopped_at_ = clock_->steady_now();
        overtime_ = clock_->call_after(options_.shutdown_timeout, [this] { give_up(); });
        stop_.request_stop();
    }

    /// Something does not end. The Lease is not given back: what runs may still write.
    void give_up() const {
        std::string names;
        for (const auto& name : {operator_ ? operator_->running() : std::string(), running_.names(), electing_.names(),
                                 recording_.names(), servers_.names()}) {
            if (!name.empty()) names += (names.empty() ? "" : ", ") + name;
        }
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.shutdown_timeout).count();
        kube::log::error("operator", "the end takes too long; giving up", {{"seconds", seconds}, {"running", names}});
        std::fflush(stdout);
        std::_Exit(1);
    }

    asio::awaitable<void> main() {
        auto served = co_await serve();
        if (!served && served.error().kind != ErrorKind::cancelled) {
            kube::log::error("operator", "cannot run",
                             {{"kind", to_string(served.error().kind)}, {"error", served.error().message}});
            exit_code_ = 1;
        }
        begin_stop();
        event_stop_.request_stop();
        co_await recording_.join();
        server_stop_.request_stop();
        co_await servers_.join();
        overtime_.reset();
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
                        {{"version", ENDOSCOPE_VERSION},
                         {"config", config->source},
                         {"server", transport->host()},
                         {"flags", options_.effective}});
        kube::ClientOptions& client = client_options_;
        client.user_agent = kube::user_agent("endoscope-operator", ENDOSCOPE_VERSION);
        client.field_manager = "endoscope";
        client.path_prefix = config->path_prefix;
        client.seed = std::random_device()();
        client.observer = request_metrics_.get();
        client.qps = options_.kube_api_qps;
        client.burst = options_.kube_api_burst;
        client_ = std::make_unique<kube::Client>(transport, *clock_, client, credentials);
        commands_ = kube::make_command_runner(
            transport, *clock_,
            {.user_agent = client.user_agent, .path_prefix = client.path_prefix, .observer = client.observer},
            credentials);
        std::random_device random;
        events_ =
            std::make_unique<kube::EventRecorder>(io_.get_executor(), *client_, *clock_,
                                                  kube::EventRecorderOptions{.controller = "endoscope.dev/operator",
                                                                             .instance = instance_name(),
                                                                             .seed = random(),
                                                                             .observer = event_metrics_.get()});
        recording_.spawn("events", events_->run(event_stop_.get_token()));
        if (!options_.leader_elect) return {};
        // A client of its own, so that no queue of slow requests stands before a renewal.
        client.qps = 0;
        election_client_ = std::make_unique<kube::Client>(transport, *clock_, client, credentials);
        std::ostringstream identity;
        identity << instance_name() << '_' << std::hex << random() << random();
        kube::LeaderElectionOptions election{.ns = options_.ns,
                                             .name = options_.lease_name,
                                             .identity = identity.str(),
                                             .times = options_.lease_times,
                                             .seed = random()};
        leader_reporter_ = std::make_unique<LeaderReporter>(kube::make_leader_metrics(registry_, options_.lease_name),
                                                            *events_, election);
        election.observer = leader_reporter_.get();
        election_ = std::make_unique<kube::LeaderElection>(io_.get_executor(), *election_client_, *clock_, election);
        return {};
    }

    /// Until all that needs the leadership has ended; a loss ends the process, since nothing proves that it has.
    asio::awaitable<void> hold_lease() {
        const std::stop_callback on_lost(election_->lost(), [this] {
            exit_code_ = 1;
            begin_stop();
        });
        const auto how = co_await election_->run(election_stop_.get_token());
        if (how == kube::LeaseEnd::lost) begin_stop();
    }

    asio::awaitable<void> reconcile() {
        const auto ended = co_await operator_->run(stop_.get_token());
        if (ended) co_return;
        kube::log::error("operator", "cannot run",
                         {{"kind", to_string(ended.error().kind)}, {"error", ended.error().message}});
        exit_code_ = 1;
        begin_stop();
    }

    Result<void> listen(const std::string& what, const std::string& host, unsigned short port,
                        kube::TlsContextSource tls, kube::HttpHandler handler) {
        auto listener = kube::make_tcp_listener(io_.get_executor(), *clock_, host, port, std::move(tls));
        if (!listener) return std::unexpected(listener.error());
        kube::log::info("operator", "listening", {{"for", what}, {"address", host}, {"port", (*listener)->port()}});
        http_servers_.push_back(
            std::make_unique<kube::HttpServer>(io_.get_executor(), *clock_, std::move(*listener), std::move(handler)));
        servers_.spawn(what, http_servers_.back()->run(server_stop_.get_token()));
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
        controller::OperatorOptions settings;
        settings.ns = options_.ns;
        settings.max_concurrent_reconciles = options_.max_concurrent_reconciles;
        settings.sync_period = options_.sync_period;
        settings.retain_finished = options_.retain_finished;
        settings.seal_keys = options_.seal_keys;
        settings.webhooks = webhook_metrics_.get();
        settings.deny_at_admission = options_.deny_at_admission;
        settings.seed = std::random_device()();
        if (election_) {
            settings.election = election_.get();
            settings.write_timeout = options_.lease_times.lease - options_.lease_times.renew_deadline;
        }
        operator_ = std::make_unique<controller::Operator>(io_.get_executor(), *client_, *commands_, *clock_, registry_,
                                                           audit_, *events_, settings);
        co_return Result<void>();
    }

    Result<void> listen_metrics() {
        if (!options_.metrics.enabled) return {};
        kube::HttpHandler handler = operator_->metrics_handler();
        kube::TlsContextSource tls;
        if (options_.metrics_secure) {
            handler = kube::require_authorization(std::make_shared<kube::RequestAuthorizer>(
                                                      io_.get_executor(), *client_, *clock_, std::random_device()()),
                                                  std::move(handler));
            if (options_.metrics_cert_dir.empty()) {
                kube::LeafOptions names;
                names.common_name = "endoscope-metrics";
                names.dns_names = {"localhost"};
                self_signed_ = std::make_unique<kube::SelfSignedCertificate>(*clock_, std::move(names));
                tls = [this] { return self_signed_->context(); };
            } else {
                metrics_files_ = certificate_files(options_.metrics_cert_dir, *clock_, certificate_metrics_.get());
                if (const auto loaded = metrics_files_->load(); !loaded) return loaded;
                servers_.spawn("metrics certificate", metrics_files_->run(server_stop_.get_token()));
                tls = [this] { return metrics_files_->context(); };
            }
        }
        return listen("metrics", options_.metrics.host, options_.metrics.port, std::move(tls), std::move(handler));
    }

    std::string webhooks_problem() const { return webhooks_ ? webhooks_->problem() : "webhooks are not served yet"; }

    Result<void> listen_health() {
        if (!options_.health.enabled) return {};
        // That the probe is answered at all tells that the event loop turns: everything runs on it.
        std::map<std::string, kube::HealthCheck> live = {
            {"ping", [] { return std::string(); }},
            {"clock", kube::make_clock_check(*clock_)},
            {"leader", [this] { return election_ ? election_->health() : std::string(); }}};
        std::map<std::string, kube::HealthCheck> ready = {
            {"caches", [this] { return std::string(operator_ && operator_->synced() ? "" : "caches are not synced"); }},
            {"seal-keys", [this] { return operator_ ? operator_->seal_keys_problem() : "not started yet"; }},
            {"shutdown", [this] { return std::string(stop_.stop_requested() ? "shutting down" : ""); }},
            {"webhooks", [this] { return webhooks_problem(); }}};
        return listen("health", options_.health.host, options_.health.port, nullptr,
                      kube::make_health_handler(std::move(live), std::move(ready)));
    }

    asio::awaitable<Result<void>> serve() {
        auto connected = connect();
        if (!connected) co_return connected;
        auto health = listen_health();
        if (!health) co_return health;
        const auto version = co_await wait_for_server();
        if (!version) co_return std::unexpected(version.error());
        kube::log::info("operator", "connected", {{"kubernetes", *version}});
        const auto can_have_fence = co_await controller::can_have_fence(*client_, stop_.get_token());
        if (options_.fence && !can_have_fence) co_return std::unexpected(can_have_fence.error());
        const bool has_fence = options_.fence && *can_have_fence;
        auto prepared = co_await prepare_cluster();
        if (!prepared) co_return prepared;
        auto metrics = listen_metrics();
        if (!metrics) co_return metrics;
        webhooks_ = std::make_unique<WebhookServer>(io_.get_executor(), *client_, *clock_, options_, registry_,
                                                    certificate_metrics_.get(),
                                                    [this] { return !election_ || election_->is_leader(); });
        auto serving = co_await webhooks_->start(operator_->admission_handler(), servers_, stop_.get_token(),
                                                 server_stop_.get_token());
        if (!serving) co_return serving;
        if (options_.verb == Verb::dev) {
            Result<void> installed;
            if (has_fence)
                installed = co_await controller::install_fence(*client_, webhooks_->url(), stop_.get_token());
            if (!installed) co_return installed;
            installed = co_await webhooks_->install(stop_.get_token());
            if (!installed) co_return installed;
        }
        if (election_) electing_.spawn("leader election", hold_lease());
        running_.spawn("operator", reconcile());
        running_.spawn("webhook trust", webhooks_->watch(stop_.get_token()));
        running_.spawn("announce", announce_ready());
        if (election_) running_.spawn("settle down", settle_down());
        co_await running_.join();
        // Nothing writes any more: another may lead.
        election_stop_.request_stop();
        co_await electing_.join();
        if (options_.verb == Verb::dev) {
            std::stop_source limit;
            const auto timer = clock_->call_after(kCleanUpTime, [&limit] { limit.request_stop(); });
            co_await webhooks_->uninstall(limit.get_token());
            if (has_fence) co_await controller::remove_fence(*client_, webhooks_->url(), limit.get_token());
        }
        const kube::Duration linger = stopped_at_ + options_.shutdown_delay - clock_->steady_now();
        if (exit_code_ == 0 && linger > kube::Duration::zero()) co_await kube::sleep_for(*clock_, linger, {});
        co_return Result<void>();
    }

    /// Prints `ready` once requests are reconciled: scripts wait for that line.
    asio::awaitable<void> announce_ready() {
        if (election_) co_await election_->wait_until_leading(stop_.get_token());
        const auto ready = [this] {
            return operator_->synced() && operator_->seal_keys_problem().empty() && webhooks_problem().empty();
        };
        while (!ready() && !stop_.stop_requested()) {
            co_await kube::sleep_for(*clock_, std::chrono::milliseconds(20), stop_.get_token());
        }
        if (stop_.stop_requested()) co_return;
        std::puts("ready");
        std::fflush(stdout);
        co_await settle_down();
    }

    /// Once what was begun at the start, or on taking over, is done and its connections are closed.
    asio::awaitable<void> settle_down() {
        const bool waited = co_await kube::sleep_for(*clock_, kSettled, stop_.get_token());
        if (waited) kube::release_start_up_memory();
    }

    const Options& options_;
    asio::io_context io_;
    std::unique_ptr<kube::Clock> clock_;
    kube::Registry registry_;
    std::unique_ptr<kube::RequestObserver> request_metrics_;
    std::unique_ptr<kube::EventObserver> event_metrics_;
    std::unique_ptr<kube::CertificateObserver> certificate_metrics_;
    std::unique_ptr<kube::WebhookObserver> webhook_metrics_;
    std::unique_ptr<kube::ConnectionObserver> connection_metrics_;
    controller::AuditLog audit_;
    asio::signal_set signals_;
    // One after the other: first what reconciles, then the lease, then the Events, then what answers others.
    std::stop_source stop_;
    std::stop_source election_stop_;
    std::stop_source event_stop_;
    std::stop_source server_stop_;
    kube::TaskGroup servers_;
    kube::TaskGroup recording_;
    kube::TaskGroup electing_;
    kube::TaskGroup running_;
    kube::ClientOptions client_options_;
    std::unique_ptr<kube::Client> client_;
    std::unique_ptr<kube::CommandRunner> commands_;
    std::unique_ptr<kube::Client> election_client_;
    std::unique_ptr<kube::EventRecorder> events_;
    std::unique_ptr<LeaderReporter> leader_reporter_;
    std::unique_ptr<kube::LeaderElection> election_;
    std::unique_ptr<controller::Operator> operator_;
    std::unique_ptr<kube::SelfSignedCertificate> self_signed_;
    std::unique_ptr<kube::CertificateFiles> metrics_files_;
    std::unique_ptr<WebhookServer> webhooks_;
    std::vector<std::unique_ptr<kube::HttpServer>> http_servers_;
    std::unique_ptr<kube::Timer> overtime_;
    kube::SteadyTime stopped_at_{};
    bool signalled_ = false;
    int exit_code_ = 0;
};

}  // namespace

int run_app(const Options& options) {
    kube::log::configure(options.log_format, options.log_level);
    // A log collector that goes away must not take us with it.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return App(options).run();
    } catch (const std::exception& error) {
        kube::log::error("operator", "cannot start", {{"error", error.what()}});
        return 1;
    }
}

}  // namespace endoscope::cmd
