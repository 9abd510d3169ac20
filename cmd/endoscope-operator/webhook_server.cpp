#include "webhook_server.hpp"

#include "controller/installer.hpp"
#include "controller/manifests.hpp"
#include "kube/base/log.hpp"
#include "kube/net/tls.hpp"
#include "kube/net/url.hpp"
#include "kube/runtime/serving_metrics.hpp"

#include <algorithm>
#include <arpa/inet.h>

namespace endoscope::cmd {
namespace asio = boost::asio;
using kube::Result;

namespace {

constexpr kube::Duration kFilesInterval = std::chrono::seconds(10);  // as the files are
/// Until the API server can call us there is nothing better to do.
constexpr kube::Duration kRetryInterval = std::chrono::seconds(2);
// The API server takes no request above 3 MiB, and a review holds the object twice on an update. A DebugRequest is far
// smaller: what is not is its annotations, 256 KiB at most.
constexpr std::size_t kMostBodyBytes = std::size_t{3} << 20;
constexpr std::size_t kMostBodyBytesTogether = std::size_t{16} << 20;
constexpr std::size_t kMostHeaderBytes = std::size_t{16} << 10;
constexpr std::size_t kMostConnections = 500;
// A new connection then may reach another replica.
constexpr std::size_t kMostRequestsOfAConnection = 1000;
constexpr kube::Duration kHeaderTime = std::chrono::seconds(5);
constexpr kube::Duration kBodyTime = std::chrono::seconds(10);
constexpr const char* kAuthoritySecret = "endoscope-webhook-ca";
constexpr const char* kLoopback = "127.0.0.1";

bool is_address(const std::string& host) {
    in6_addr ignored{};
    return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

/// The host by which the API server calls, where it does not call a Service; empty: it does.
std::string called_host(const Options& options) {
    if (!options.webhook_url.empty()) return kube::parse_url(options.webhook_url)->host;
    return options.verb == Verb::dev ? kLoopback : "";
}

/// Where `dev` tells the API server to call. A port that is not given is the one that is listened on.
std::string called_url(const Options& options, unsigned short port) {
    if (options.webhook_url.empty()) return std::string("https://") + kLoopback + ":" + std::to_string(port);
    const auto url = kube::parse_url(options.webhook_url);
    return options.webhook_url + (url->port == 0 ? ":" + std::to_string(port) : "");
}

kube::LeafOptions leaf_of(const Options& options) {
    kube::LeafOptions leaf;
    leaf.common_name = "endoscope-webhook";
    const std::string service = "endoscope-webhook." + options.ns;
    leaf.dns_names = {service + ".svc", service + ".svc.cluster.local", service};
    const std::string host = called_host(options);
    if (!host.empty()) (is_address(host) ? leaf.ip_addresses : leaf.dns_names).push_back(host);
    return leaf;
}

std::unique_ptr<kube::WebhookAuthority> make_authority(const Options& options, kube::Client& client, kube::Clock& clock,
                                                       kube::WebhookConfigurations& configurations,
                                                       kube::WebhookTrustObserver* observer,
                                                       std::function<bool()> leads) {
    if (!options.webhook_cert_dir.empty()) return nullptr;
    return std::make_unique<kube::WebhookAuthority>(client, clock, configurations,
                                                    kube::WebhookAuthorityOptions{.ns = options.ns,
                                                                                  .secret_name = kAuthoritySecret,
                                                                                  .app = "endoscope",
                                                                                  .leaf = leaf_of(options),
                                                                                  .times = options.webhook_times,
                                                                                  .leads = std::move(leads),
                                                                                  .observer = observer});
}

}  // namespace

WebhookServer::WebhookServer(asio::any_io_executor executor, kube::Client& client, kube::Clock& clock,
                             const Options& options, const kube::Registry& registry,
                             kube::CertificateObserver* certificates, std::function<bool()> leads)
    : executor_(std::move(executor)),
      client_(client),
      clock_(clock),
      options_(options),
      metrics_(kube::make_webhook_trust_metrics(registry, "endoscope")),
      refusals_(kube::make_refusal_metrics(registry, "endoscope")),
      configurations_(client, controller::webhook_configurations("", ""),
                      options.verb == Verb::dev ? "restart dev" : "run: kubectl apply -k manifests, or helm upgrade",
                      metrics_.get()),
      certificate_(options, clock, certificates,
                   make_authority(options, client, clock, configurations_, metrics_.get(), std::move(leads))) {}

std::string caller_problem(const std::optional<kube::PeerCertificate>& peer, const std::string& name) {
    if (!peer) {
        return "a client certificate is needed (--webhook-client-ca-file): the API server sends the one that its "
               "AdmissionConfiguration names";
    }
    if (name.empty() || peer->common_name == name ||
        std::ranges::find(peer->dns_names, name) != peer->dns_names.end()) {
        return "";
    }
    return "the client certificate is not one of " + name + " (--webhook-client-name)";
}

/// An API server's calls are small and quick; whoever is slow is none. The sum bounds the memory that callers can take.
kube::HttpServerOptions WebhookServer::limits() const {
    kube::HttpServerOptions limits;
    limits.max_body_bytes = kMostBodyBytes;
    limits.max_total_body_bytes = kMostBodyBytesTogether;
    limits.max_header_bytes = kMostHeaderBytes;
    limits.max_connections = kMostConnections;
    limits.max_requests = kMostRequestsOfAConnection;
    limits.header_timeout = kHeaderTime;
    limits.body_timeout = kBodyTime;
    limits.observer = refusals_.get();
    if (!options_.webhook_client_ca_file.empty()) {
        limits.check_peer = [name = options_.webhook_client_name](const std::optional<kube::PeerCertificate>& peer) {
            return caller_problem(peer, name);
        };
    }
    return limits;
}

asio::awaitable<Result<void>> WebhookServer::start(kube::HttpHandler handler, kube::TaskGroup& servers,
                                                   std::stop_token stop, std::stop_token server_stop) {
    auto certified = co_await certificate_.start(stop);
    if (!certified) co_return certified;
    const std::string host = called_host(options_) == kLoopback ? kLoopback : "0.0.0.0";
    auto listener = kube::make_tcp_listener(executor_, clock_, host, options_.webhook_port,
                                            [this] { return certificate_.context(); });
    if (!listener) co_return std::unexpected(listener.error());
    const unsigned short port = (*listener)->port();
    kube::log::info("operator", "listening", {{"for", "webhooks"}, {"address", host}, {"port", port}});
    url_ = called_url(options_, port);
    http_ = std::make_unique<kube::HttpServer>(executor_, clock_, std::move(*listener), std::move(handler), limits());
    probe_ =
        std::make_unique<kube::TlsProbe>(executor_, clock_, kLoopback, port, [this] { return certificate_.pem(); });
    servers.spawn("webhooks", http_->run(server_stop));
    servers.spawn("webhook files", certificate_.follow_files(server_stop));
    servers.spawn("webhook probe", probe_->run(stop));
    co_return Result<void>();
}

asio::awaitable<Result<void>> WebhookServer::install(std::stop_token stop) {
    auto installed = co_await controller::install_webhooks(client_, url_, certificate_.ca_pem(), stop);
    co_return installed;
}

asio::awaitable<void> WebhookServer::uninstall(std::stop_token stop) {
    co_await controller::remove_webhooks(client_, url_, stop);
}

asio::awaitable<void> WebhookServer::watch(std::stop_token stop) {
    kube::WebhookAuthority* const authority = certificate_.authority();
    const kube::Duration interval = authority != nullptr ? options_.webhook_times.poll_interval() : kFilesInterval;
    while (!stop.stop_requested()) {
        if (authority != nullptr) {
            co_await authority->refresh(stop);
        } else {
            co_await configurations_.read(stop);
        }
        if (stop.stop_requested()) co_return;
        std::string now = trust_problem();
        if (now != problem_ && !now.empty()) {
            kube::log::warn("webhooks", "the API server cannot call the webhooks", {{"error", now}});
        } else if (now != problem_) {
            kube::log::info("webhooks", "the API server can call the webhooks");
        }
        problem_ = std::move(now);
        co_await kube::sleep_for(clock_, problem_.empty() ? interval : std::min(interval, kRetryInterval), stop);
    }
}

std::string WebhookServer::trust_problem() const {
    return configurations_.problem(certificate_.pem(), clock_.now());
}

std::string WebhookServer::problem() const {
    if (!probe_) return "webhooks are not served yet";
    return problem_.empty() ? probe_->problem() : problem_;
}

}  // namespace endoscope::cmd
