#pragma once

#include "kube/base/task_group.hpp"
#include "kube/client/client.hpp"
#include "kube/net/http.hpp"
#include "kube/runtime/certificate_files.hpp"
#include "kube/runtime/metrics.hpp"
#include "kube/runtime/tls_probe.hpp"
#include "kube/runtime/webhook_configurations.hpp"
#include "options.hpp"
#include "webhook_certificate.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace endoscope::cmd {

/// Why a caller with this certificate may not call webhooks that are for `name` alone (any when empty); empty: it may.
std::string caller_problem(const std::optional<kube::PeerCertificate>& peer, const std::string& name);

/// The admission webhooks as the API server meets them: listener, certificate, and the configurations that point here.
class WebhookServer {
  public:
    /// `leads` tells whether this replica may write the CA's Secret and the caBundles. All must outlive this.
    WebhookServer(boost::asio::any_io_executor executor, kube::Client& client, kube::Clock& clock,
                  const Options& options, const kube::Registry& registry, kube::CertificateObserver* certificates,
                  std::function<bool()> leads);
    WebhookServer(const WebhookServer&) = delete;
    WebhookServer& operator=(const WebhookServer&) = delete;

    /// Reads or makes the certificate and serves `handler`: in `servers`, until `server_stop`.
    boost::asio::awaitable<kube::Result<void>> start(kube::HttpHandler handler, kube::TaskGroup& servers,
                                                     std::stop_token stop, std::stop_token server_stop);
    /// For `dev`: makes the configurations point here. Before `watch`.
    boost::asio::awaitable<kube::Result<void>> install(std::stop_token stop);
    /// Takes away what `install` made, where it still points here.
    boost::asio::awaitable<void> uninstall(std::stop_token stop);
    /// Keeps certificate, authority and caBundles right until `stop`; writes while it leads.
    boost::asio::awaitable<void> watch(std::stop_token stop);

    /// Where the API server is told to call, from `start` on.
    const std::string& url() const { return url_; }
    /// Empty, or why the API server cannot call the webhooks.
    std::string problem() const;

  private:
    std::string trust_problem() const;
    kube::HttpServerOptions limits() const;

    boost::asio::any_io_executor executor_;
    kube::Client& client_;
    kube::Clock& clock_;
    const Options& options_;
    std::unique_ptr<kube::WebhookTrustObserver> metrics_;
    std::unique_ptr<kube::HttpServerObserver> refusals_;
    kube::WebhookConfigurations configurations_;
    WebhookCertificate certificate_;
    std::unique_ptr<kube::HttpServer> http_;
    std::unique_ptr<kube::TlsProbe> probe_;
    std::string url_;
    std::string problem_ = "the webhook configurations have not been read yet";
};

}  // namespace endoscope::cmd
