#pragma once

#include "kube/base/clock.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/tls.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace kube {

/// Told about every look at the files.
class CertificateObserver {
  public:
    virtual ~CertificateObserver() = default;
    virtual void on_read(bool succeeded) = 0;
};

/// A server certificate and its key in two files that others replace while we run: a mounted Secret, cert-manager. They
/// are read every ten seconds by name, so that a swapped symlink, a new file or one that was away for a while are all
/// the same. A pair is taken when both parse and belong together; until then the last good one serves. Connections that
/// exist live on. Source: controller-runtime pkg/certwatcher.
class CertificateFiles {
  public:
    using ReadFile = std::function<Result<std::string>(const std::string& path)>;

    CertificateFiles(Clock& clock, std::string certificate_path, std::string key_path, ReadFile read_file,
                     CertificateObserver* observer = nullptr);
    CertificateFiles(const CertificateFiles&) = delete;
    CertificateFiles& operator=(const CertificateFiles&) = delete;

    /// Looks at the files now. An error leaves what was there before; it names the file.
    Result<void> load();
    /// Looks again every ten seconds. An error is logged when it is a new one.
    boost::asio::awaitable<void> run(std::stop_token stop);

    /// What serves now; nullptr before the first good pair.
    std::shared_ptr<const TlsServerContext> context() const { return context_; }
    const std::string& certificate_pem() const { return pair_.certificate_pem; }
    const KeyPair& pair() const { return pair_; }

  private:
    Result<void> take_files();

    Clock& clock_;
    std::string certificate_path_;
    std::string key_path_;
    ReadFile read_file_;
    CertificateObserver* observer_;
    KeyPair pair_;
    std::shared_ptr<const TlsServerContext> context_;
    std::string last_error_;
};

/// A certificate that nobody has to trust, for an endpoint that is encrypted but not authenticated. It is made when it
/// is first asked for and again when two thirds of its year are over.
class SelfSignedCertificate {
  public:
    SelfSignedCertificate(Clock& clock, LeafOptions names) : clock_(clock), names_(std::move(names)) {}

    /// nullptr when OpenSSL fails, which is logged.
    std::shared_ptr<const TlsServerContext> context();

  private:
    Clock& clock_;
    LeafOptions names_;
    WallTime made_at_{};
    std::shared_ptr<const TlsServerContext> context_;
};

}  // namespace kube
