#include "kube/client/tls_source.hpp"

#include "kube/base/log.hpp"

#include <utility>

namespace kube {

namespace {

constexpr Duration kCaAge = std::chrono::minutes(5);
constexpr Duration kPairAge = std::chrono::seconds(10);

class RotatingTls final : public TlsClientSource {
  public:
    RotatingTls(Clock& clock, const Config& config, std::function<Result<std::string>(const std::string&)> read_file,
                std::shared_ptr<ExecCredentials> exec, ConnectionObserver* observer)
        : clock_(clock),
          ca_file_(config.ca_file),
          certificate_file_(config.certificate_file),
          key_file_(config.key_file),
          read_file_(std::move(read_file)),
          exec_(std::move(exec)),
          observer_(observer),
          current_(std::make_shared<const TlsClientConfig>(config.tls)),
          ca_checked_(clock.steady_now()),
          pair_checked_(ca_checked_) {}

    std::shared_ptr<const TlsClientConfig> current() override {
        const SteadyTime now = clock_.steady_now();
        if (!ca_file_.empty() && now - ca_checked_ >= kCaAge) {
            ca_checked_ = now;
            const auto [result, reason] = reload_ca();
            if (observer_ != nullptr) observer_->on_ca_reload(result, reason);
        }
        if (!certificate_file_.empty() && now - pair_checked_ >= kPairAge) {
            pair_checked_ = now;
            reload_pair();
        }
        if (exec_ && exec_->last() != answer_) {
            answer_ = exec_->last();
            use_pair(answer_->certificate_pem, answer_->key_pem);
        }
        return current_;
    }

  private:
    std::pair<const char*, const char*> reload_ca() {
        auto pem = read_file_(ca_file_);
        if (!pem) {
            log::error("client", "cannot read the CA file; keeping the last one", {{"error", pem.error().message}});
            return {"failure", "read_error"};
        }
        if (pem->empty()) {
            log::warn("client", "the CA file is empty; keeping the last one", {{"file", ca_file_}});
            return {"failure", "empty"};
        }
        if (*pem == current_->ca_pem) return {"success", "unchanged"};
        TlsClientConfig changed = *current_;
        changed.ca_pem = std::move(*pem);
        if (const auto usable = check_tls_client_config(changed); !usable) {
            log::error("client", "the CA file cannot be used; keeping the last one",
                       {{"file", ca_file_}, {"error", usable.error().message}});
            return {"failure", "ca_parse_error"};
        }
        log::info("client", "the CA file has changed", {{"file", ca_file_}});
        current_ = std::make_shared<const TlsClientConfig>(std::move(changed));
        return {"success", "updated"};
    }

    void reload_pair() {
        const auto certificate = read_file_(certificate_file_);
        const auto key = read_file_(key_file_);
        if (!certificate || !key) {
            complain(certificate ? key.error().message : certificate.error().message);
            return;
        }
        if (*certificate == current_->certificate_pem && *key == current_->key_pem) {
            complaint_.clear();
        } else if (use_pair(*certificate, *key)) {
            log::info("client", "the client certificate has changed", {{"file", certificate_file_}});
        }
    }

    bool use_pair(const std::string& certificate_pem, const std::string& key_pem) {
        if (certificate_pem == current_->certificate_pem && key_pem == current_->key_pem) return false;
        TlsClientConfig changed = *current_;
        changed.certificate_pem = certificate_pem;
        changed.key_pem = key_pem;
        if (const auto usable = check_tls_client_config(changed); !usable) {
            // Perhaps only one of the two files has been written yet.
            complain(usable.error().message);
            return false;
        }
        complaint_.clear();
        current_ = std::make_shared<const TlsClientConfig>(std::move(changed));
        return true;
    }

    /// Once, and not every ten seconds.
    void complain(const std::string& reason) {
        if (complaint_ == reason) return;
        complaint_ = reason;
        log::error("client", "cannot use the new client certificate; keeping the last one", {{"error", reason}});
    }

    Clock& clock_;
    std::string ca_file_;
    std::string certificate_file_;
    std::string key_file_;
    std::function<Result<std::string>(const std::string&)> read_file_;
    std::shared_ptr<ExecCredentials> exec_;
    ConnectionObserver* observer_;
    std::shared_ptr<const TlsClientConfig> current_;
    std::shared_ptr<const ExecCredential> answer_;  ///< The plugin's that `current_` was made of.
    SteadyTime ca_checked_;
    SteadyTime pair_checked_;
    std::string complaint_;
};

}  // namespace

std::shared_ptr<TlsClientSource> make_tls_source(Clock& clock, const Config& config,
                                                 std::function<Result<std::string>(const std::string&)> read_file,
                                                 std::shared_ptr<ExecCredentials> exec, ConnectionObserver* observer) {
    return std::make_shared<RotatingTls>(clock, config, std::move(read_file), std::move(exec), observer);
}

}  // namespace kube
