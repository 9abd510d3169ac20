#include "tests/conformance/hook_server.hpp"

#include "kube/base/json.hpp"
#include "tests/conformance/script.hpp"

#include <boost/asio/co_spawn.hpp>

#include <stdexcept>

namespace endoscope::conformance {
namespace asio = boost::asio;

namespace {

constexpr kube::Duration kCertificateLife = std::chrono::hours(24);
constexpr kube::Duration kDrain = std::chrono::milliseconds(50);

template <class T>
T must(kube::Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return *std::move(result);
}

}  // namespace

HookServer::HookServer(asio::io_context& io, kube::Clock& clock) : io_(io), clock_(clock) {
    ca_ = must(kube::make_certificate_authority("conformance-webhooks", clock_.now(), kCertificateLife));
    kube::LeafOptions leaf;
    leaf.common_name = "localhost";
    leaf.ip_addresses = {"127.0.0.1"};
    const auto pair = must(kube::issue_certificate(ca_, leaf, clock_.now(), kCertificateLife));
    kube::TlsServerConfig tls;
    tls.certificate_pem = pair.certificate_pem;
    tls.key_pem = pair.key_pem;
    tls_ = must(kube::make_tls_server_context(tls));
    auto listener = must(kube::make_tcp_listener(io_.get_executor(), clock_, "127.0.0.1", 0, [this] { return tls_; }));
    http_ = std::make_unique<kube::HttpServer>(
        io_.get_executor(), clock_, std::move(listener),
        [this](const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
            return review(exchange, writer);
        });
    asio::co_spawn(io_, http_->run(stop_.get_token(), kDrain), [this](const std::exception_ptr&) { running_ = false; });
}

HookServer::~HookServer() {
    stop_.request_stop();
    io_.restart();
    while (running_) io_.run_one();
}

std::string HookServer::url() const {
    return "https://127.0.0.1:" + std::to_string(http_->port());
}

asio::awaitable<void> HookServer::review(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
    const kube::HttpRequest& request = exchange.request;
    const auto body = kube::parse_json(request.body);
    const json variables = {{"uid", body ? kube::string_at(*body, {"request", "uid"}) : ""}};
    received_.push_back({.target = request.target, .headers = request.headers, .body = body ? *body : json()});
    const std::string path = request.target.substr(0, request.target.find('?'));
    const json rule = answers_.value(path, json{{"status", 404}, {"raw", "no such hook"}});
    if (rule.contains("after")) {
        co_await kube::sleep_for(clock_, std::chrono::milliseconds(rule["after"].get<int>()), exchange.stop);
    }
    kube::HttpResponse response;
    response.status = rule.value("status", 200);
    response.headers.set("Content-Type", rule.value("type", "application/json"));
    response.body = rule.contains("raw") ? rule["raw"].get<std::string>()
                                         : expand(rule.value("body", json::object()), variables).dump();
    (void)co_await writer.respond(std::move(response));
}

}  // namespace endoscope::conformance
