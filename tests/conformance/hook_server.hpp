#pragma once

#include "kube/net/certificates.hpp"
#include "kube/net/http.hpp"
#include "kube/net/tls.hpp"

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace endoscope::conformance {

using nlohmann::json;

/// What a webhook was sent.
struct ReceivedReview {
    std::string target;
    kube::HttpHeaders headers;
    json body;
};

/// A webhook server with TLS on loopback that answers as a script says, by path: `status`, `type`, `after` (ms), and
/// either `raw` (text) or `body`, in which `$uid` is the request's.
class HookServer {
  public:
    HookServer(boost::asio::io_context& io, kube::Clock& clock);
    ~HookServer();
    HookServer(const HookServer&) = delete;
    HookServer& operator=(const HookServer&) = delete;

    std::string url() const;
    std::string ca_pem() const { return ca_.certificate_pem; }
    void answer_as(json answers) { answers_ = std::move(answers); }
    /// What came since the last call.
    std::vector<ReceivedReview> take() { return std::exchange(received_, {}); }

  private:
    boost::asio::awaitable<void> review(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer);

    boost::asio::io_context& io_;
    kube::Clock& clock_;
    kube::KeyPair ca_;
    std::shared_ptr<const kube::TlsServerContext> tls_;
    std::unique_ptr<kube::HttpServer> http_;
    std::stop_source stop_;
    bool running_ = true;
    json answers_ = json::object();
    std::vector<ReceivedReview> received_;
};

}  // namespace endoscope::conformance
