#pragma once

#include "kube/base/clock.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <stop_token>
#include <string>

namespace kube {

/// Dials a TLS server of this very process and verifies that it presents the certificate that it should: what a
/// readiness check wants to know about a webhook server. Source: controller-runtime pkg/webhook StartedChecker, which
/// verifies nothing.
class TlsProbe {
  public:
    /// `certificate_pem` gives the chain that is expected at the moment.
    TlsProbe(boost::asio::any_io_executor executor, Clock& clock, std::string host, unsigned short port,
             std::function<std::string()> certificate_pem);

    /// Dials every ten seconds, and every second while it fails.
    boost::asio::awaitable<void> run(std::stop_token stop);
    /// Dials once.
    boost::asio::awaitable<void> probe(std::stop_token stop = {});

    /// Empty, or why the server cannot be relied upon.
    const std::string& problem() const { return problem_; }

  private:
    boost::asio::any_io_executor executor_;
    Clock& clock_;
    std::string host_;
    unsigned short port_;
    std::function<std::string()> certificate_pem_;
    std::string problem_ = "not dialled yet";
};

}  // namespace kube
