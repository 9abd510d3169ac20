#include "kube/runtime/certificate_files.hpp"

#include "kube/base/log.hpp"

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kPollInterval = std::chrono::seconds(10);
constexpr Duration kSelfSignedLife = std::chrono::hours(24 * 365);

}  // namespace

CertificateFiles::CertificateFiles(Clock& clock, std::string certificate_path, std::string key_path, ReadFile read_file,
                                   CertificateObserver* observer)
    : clock_(clock),
      certificate_path_(std::move(certificate_path)),
      key_path_(std::move(key_path)),
      read_file_(std::move(read_file)),
      observer_(observer) {}

Result<void> CertificateFiles::take_files() {
    auto certificate = read_file_(certificate_path_);
    if (!certificate) return std::unexpected(std::move(certificate.error()));
    auto key = read_file_(key_path_);
    if (!key) return std::unexpected(std::move(key.error()));
    if (*certificate == pair_.certificate_pem && *key == pair_.key_pem) return {};
    auto context = make_tls_server_context({.certificate_pem = *certificate, .key_pem = *key, .client_ca_pem = {}});
    if (!context) {
        context.error().message = certificate_path_ + ", " + key_path_ + ": " + context.error().message;
        return std::unexpected(std::move(context.error()));
    }
    const bool is_first = context_ == nullptr;
    context_ = std::move(*context);
    pair_ = {.certificate_pem = std::move(*certificate), .key_pem = std::move(*key)};
    const auto expiry = certificate_expiry(pair_.certificate_pem);
    log::info("certificates", is_first ? "certificate loaded" : "certificate reloaded",
              {{"file", certificate_path_}, {"expires", expiry ? format_micro_time(*expiry) : ""}});
    return {};
}

Result<void> CertificateFiles::load() {
    auto taken = take_files();
    if (observer_ != nullptr) observer_->on_read(taken.has_value());
    return taken;
}

asio::awaitable<void> CertificateFiles::run(std::stop_token stop) {
    for (;;) {
        const bool waited = co_await sleep_for(clock_, kPollInterval, stop);
        if (!waited) co_return;
        const auto loaded = load();
        const std::string problem = loaded ? std::string() : loaded.error().message;
        if (!problem.empty() && problem != last_error_) {
            log::warn("certificates", "the certificate cannot be read again; the old one serves on",
                      {{"error", problem}});
        }
        last_error_ = problem;
    }
}

std::shared_ptr<const TlsServerContext> SelfSignedCertificate::context() {
    const WallTime now = clock_.now();
    if (context_ && now - made_at_ < kSelfSignedLife * 2 / 3) return context_;
    const auto ca = make_certificate_authority(names_.common_name + "-ca", now, kSelfSignedLife);
    const auto pair = ca ? issue_certificate(*ca, names_, now, kSelfSignedLife) : ca;
    auto made = pair ? make_tls_server_context({.certificate_pem = pair->certificate_pem + ca->certificate_pem,
                                                .key_pem = pair->key_pem,
                                                .client_ca_pem = {}})
                     : Result<std::shared_ptr<const TlsServerContext>>(std::unexpected(pair.error()));
    if (!made) {
        log::error("certificates", "cannot make a certificate", {{"error", made.error().message}});
        return context_;
    }
    made_at_ = now;
    context_ = std::move(*made);
    return context_;
}

}  // namespace kube
