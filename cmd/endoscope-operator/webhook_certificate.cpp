#include "webhook_certificate.hpp"

#include "kube/base/log.hpp"
#include "kube/base/task_group.hpp"

#include <boost/asio/this_coro.hpp>

#include <fstream>
#include <sstream>

namespace endoscope::cmd {
namespace asio = boost::asio;
using kube::Result;

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (!(content << file.rdbuf())) return kube::fail(kube::ErrorKind::config, "cannot read " + path);
    return content.str();
}

std::unique_ptr<kube::CertificateFiles> certificate_files(const std::string& dir, kube::Clock& clock,
                                                          kube::CertificateObserver* observer) {
    return std::make_unique<kube::CertificateFiles>(clock, dir + "/tls.crt", dir + "/tls.key", read_file, observer);
}

WebhookCertificate::WebhookCertificate(const Options& options, kube::Clock& clock, kube::CertificateObserver* observer,
                                       std::unique_ptr<kube::WebhookAuthority> authority)
    : needs_ca_file_(options.verb == Verb::dev && !authority),
      ca_path_(options.webhook_cert_dir + "/ca.crt"),
      authority_(std::move(authority)) {
    if (!authority_) files_ = certificate_files(options.webhook_cert_dir, clock, observer);
    if (!options.webhook_client_ca_file.empty()) {
        client_ca_ = std::make_unique<kube::ClientCaFile>(clock, options.webhook_client_ca_file, read_file);
    }
}

asio::awaitable<Result<void>> WebhookCertificate::start(std::stop_token stop) {
    if (client_ca_) {
        if (auto loaded = client_ca_->load(); !loaded) co_return loaded;
    }
    if (authority_) {
        auto started = co_await authority_->start(stop);
        co_return started;
    }
    if (auto loaded = files_->load(); !loaded) co_return loaded;
    if (!needs_ca_file_) co_return Result<void>();
    auto ca = read_file(ca_path_);
    if (!ca) co_return std::unexpected(ca.error());
    ca_pem_ = std::move(*ca);
    co_return Result<void>();
}

asio::awaitable<void> WebhookCertificate::follow_files(std::stop_token stop) {
    kube::TaskGroup followers(co_await asio::this_coro::executor);
    if (files_) followers.spawn("webhook certificate files", files_->run(stop));
    if (client_ca_) followers.spawn("webhook client CA", client_ca_->run(stop));
    co_await followers.join();
}

std::shared_ptr<const kube::TlsServerContext> WebhookCertificate::context() {
    const std::string client_ca = client_ca_ ? client_ca_->pem() : std::string();
    if (context_ && context_pem_ == pem() && context_client_ca_ == client_ca) return context_;
    auto made = kube::make_tls_server_context(
        {.certificate_pem = pair().certificate_pem, .key_pem = pair().key_pem, .client_ca_pem = client_ca});
    context_pem_ = pem();
    context_client_ca_ = client_ca;
    if (made) {
        context_ = std::move(*made);
    } else {
        kube::log::error("webhooks", "the certificate cannot be served", {{"error", made.error().message}});
    }
    return context_;
}

}  // namespace endoscope::cmd
