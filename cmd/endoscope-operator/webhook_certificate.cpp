#include "webhook_certificate.hpp"

#include <fstream>
#include <sstream>

namespace endoscope::cmd {
namespace asio = boost::asio;
using kube::Result;

namespace {

constexpr kube::Duration kDevCertificateLife = std::chrono::hours(24 * 30);

}  // namespace

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

Result<std::unique_ptr<WebhookCertificate>> WebhookCertificate::make(const Options& options, kube::Clock& clock,
                                                                     kube::CertificateObserver* observer) {
    auto made = std::make_unique<WebhookCertificate>();
    if (!options.webhook_cert_dir.empty()) {
        made->files_ = certificate_files(options.webhook_cert_dir, clock, observer);
        if (const auto loaded = made->files_->load(); !loaded) return std::unexpected(loaded.error());
        if (options.verb == Verb::dev) {
            auto ca = read_file(options.webhook_cert_dir + "/ca.crt");
            if (!ca) return std::unexpected(ca.error());
            made->ca_pem_ = std::move(*ca);
        }
        return made;
    }
    const auto ca = kube::make_certificate_authority("endoscope-dev", clock.now(), kDevCertificateLife);
    if (!ca) return std::unexpected(ca.error());
    kube::LeafOptions leaf;
    leaf.common_name = "endoscope-webhook";
    leaf.dns_names = {"localhost"};
    leaf.ip_addresses = {"127.0.0.1"};
    const auto pair = kube::issue_certificate(*ca, leaf, clock.now(), kDevCertificateLife);
    if (!pair) return std::unexpected(pair.error());
    auto context = kube::make_tls_server_context(
        {.certificate_pem = pair->certificate_pem, .key_pem = pair->key_pem, .client_ca_pem = {}});
    if (!context) return std::unexpected(context.error());
    made->context_ = std::move(*context);
    made->pem_ = pair->certificate_pem;
    made->ca_pem_ = ca->certificate_pem;
    return made;
}

asio::awaitable<void> WebhookCertificate::run(std::stop_token stop) {
    if (files_) co_await files_->run(stop);
}

}  // namespace endoscope::cmd
