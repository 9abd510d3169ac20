#pragma once

#include "kube/base/clock.hpp"
#include "kube/runtime/certificate_files.hpp"
#include "kube/runtime/client_ca_file.hpp"
#include "kube/runtime/webhook_authority.hpp"
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

/// What the webhooks are served with: a certificate, from `--webhook-cert-dir` or of an authority of our own, and the
/// CA of `--webhook-client-ca-file` for the callers' certificates.
class WebhookCertificate {
  public:
    /// `authority` is used where no directory is given, and null otherwise.
    WebhookCertificate(const Options& options, kube::Clock& clock, kube::CertificateObserver* observer,
                       std::unique_ptr<kube::WebhookAuthority> authority);

    /// Reads or makes the first certificate.
    boost::asio::awaitable<kube::Result<void>> start(std::stop_token stop);
    /// Re-reads files until `stop`.
    boost::asio::awaitable<void> follow_files(std::stop_token stop);
    /// Null: the certificate comes from files.
    kube::WebhookAuthority* authority() { return authority_.get(); }

    /// What the next handshake is made with.
    std::shared_ptr<const kube::TlsServerContext> context();
    /// The chain that is served now.
    const std::string& pem() const { return pair().certificate_pem; }
    /// For the webhook configurations of `dev`; empty in `run` with files.
    std::string ca_pem() const { return authority_ ? authority_->bundle() : ca_pem_; }

  private:
    const kube::KeyPair& pair() const { return authority_ ? authority_->serving() : files_->pair(); }

    bool needs_ca_file_;
    std::string ca_path_;
    std::unique_ptr<kube::WebhookAuthority> authority_;
    std::unique_ptr<kube::CertificateFiles> files_;
    std::unique_ptr<kube::ClientCaFile> client_ca_;
    std::string ca_pem_;
    std::shared_ptr<const kube::TlsServerContext> context_;
    std::string context_pem_;  ///< What `context_` was made of.
    std::string context_client_ca_;
};

}  // namespace endoscope::cmd
