#pragma once

#include "kube/base/clock.hpp"
#include "kube/runtime/certificate_files.hpp"
#include "options.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <stop_token>
#include <string>

namespace endoscope::cmd {

kube::Result<std::string> read_file(const std::string& path);

/// tls.crt and tls.key of a directory, as a mounted kubernetes.io/tls Secret has them.
std::unique_ptr<kube::CertificateFiles> certificate_files(const std::string& dir, kube::Clock& clock,
                                                          kube::CertificateObserver* observer);

/// The webhooks' certificate: from `--webhook-cert-dir`, re-read while it is in use, or made on the spot for `dev`.
class WebhookCertificate {
  public:
    static kube::Result<std::unique_ptr<WebhookCertificate>> make(const Options& options, kube::Clock& clock,
                                                                  kube::CertificateObserver* observer);

    std::shared_ptr<const kube::TlsServerContext> context() const { return files_ ? files_->context() : context_; }
    /// The chain that is served now.
    const std::string& pem() const { return files_ ? files_->certificate_pem() : pem_; }
    /// For the webhook configurations of `dev`; empty otherwise.
    const std::string& ca_pem() const { return ca_pem_; }
    /// Looks for a new one until `stop`.
    boost::asio::awaitable<void> run(std::stop_token stop);

  private:
    std::unique_ptr<kube::CertificateFiles> files_;
    std::shared_ptr<const kube::TlsServerContext> context_;
    std::string pem_;
    std::string ca_pem_;
};

}  // namespace endoscope::cmd
