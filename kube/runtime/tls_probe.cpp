#include "kube/runtime/tls_probe.hpp"

#include "kube/net/certificates.hpp"
#include "kube/net/tls.hpp"

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kInterval = std::chrono::seconds(10);
constexpr Duration kRetryInterval = std::chrono::seconds(1);

}  // namespace

TlsProbe::TlsProbe(asio::any_io_executor executor, Clock& clock, std::string host, unsigned short port,
                   std::function<std::string()> certificate_pem)
    : executor_(std::move(executor)),
      clock_(clock),
      host_(std::move(host)),
      port_(port),
      certificate_pem_(std::move(certificate_pem)) {}

asio::awaitable<void> TlsProbe::probe(std::stop_token stop) {
    // The certificate itself is the only anchor, so that no other one of the same issuer passes. Its name is not what
    // matters here: the API server checks it against the name that it calls.
    const std::string chain = certificate_pem_();
    TlsClientConfig trust;
    trust.ca_pem = first_certificate(chain);
    trust.server_name = first_name(chain);
    const auto transport = make_tcp_transport(executor_, clock_, host_, port_, std::move(trust));
    if (!transport) {
        problem_ = transport.error().message;
        co_return;
    }
    const auto stream = co_await (*transport)->connect(stop);
    if (stop.stop_requested()) co_return;
    problem_ = stream ? std::string() : stream.error().message;
    if (stream) (*stream)->close();
}

asio::awaitable<void> TlsProbe::run(std::stop_token stop) {
    while (!stop.stop_requested()) {
        co_await probe(stop);
        co_await sleep_for(clock_, problem_.empty() ? kInterval : kRetryInterval, stop);
    }
}

}  // namespace kube
