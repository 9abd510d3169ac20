#pragma once

#include "kube/runtime/certificate_files.hpp"

namespace kube {

/// A file of CA certificates that clients must be able to show a certificate of; re-read like `CertificateFiles`, so
/// that a CA can be replaced without a restart. What cannot be read leaves the last good certificates in force.
class ClientCaFile {
  public:
    ClientCaFile(Clock& clock, std::string path, CertificateFiles::ReadFile read_file)
        : clock_(clock), path_(std::move(path)), read_file_(std::move(read_file)) {}

    /// Reads it now; the error names the file.
    Result<void> load();
    /// Reads it again every ten seconds. An error is logged when it is a new one.
    boost::asio::awaitable<void> run(std::stop_token stop);
    const std::string& pem() const { return pem_; }

  private:
    Clock& clock_;
    std::string path_;
    CertificateFiles::ReadFile read_file_;
    std::string pem_;
    std::string last_error_;
};

}  // namespace kube
