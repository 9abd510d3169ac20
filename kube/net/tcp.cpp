#include "kube/net/dial.hpp"
#include "kube/net/streams.hpp"
#include "kube/net/tls.hpp"
#include "kube/net/tls_context.hpp"

namespace kube {
namespace asio = boost::asio;

namespace {

class TcpTransport final : public Transport {
  public:
    TcpTransport(asio::any_io_executor executor, Clock& clock, std::string host, unsigned short port,
                 std::string server_name, openssl::ContextPtr context)
        : executor_(std::move(executor)),
          clock_(clock),
          host_(std::move(host)),
          port_(port),
          authority_(host_and_port(host_, port)),
          server_name_(std::move(server_name)),
          context_(std::move(context)) {}

    std::string_view host() const override { return authority_; }

    asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect(std::stop_token stop) override {
        auto socket = co_await dial(executor_, clock_, host_, port_, stop);
        if (!socket) co_return std::unexpected(std::move(socket.error()));
        if (!context_) co_return make_tcp_stream(std::move(*socket), authority_);
        auto ssl = openssl::make_client_connection(context_.get(), server_name_);
        if (!ssl) co_return std::unexpected(std::move(ssl.error()));
        auto stream = make_tls_stream(std::move(*socket), std::move(*ssl), authority_);
        auto done = co_await stream->handshake(clock_, std::move(stop));
        if (!done) co_return std::unexpected(std::move(done.error()));
        co_return std::unique_ptr<ByteStream>(std::move(stream));
    }

  private:
    asio::any_io_executor executor_;
    Clock& clock_;
    std::string host_;
    unsigned short port_;
    std::string authority_;
    std::string server_name_;
    openssl::ContextPtr context_;
};

}  // namespace

Result<std::shared_ptr<Transport>> make_tcp_transport(asio::any_io_executor executor, Clock& clock, std::string host,
                                                      unsigned short port, std::optional<TlsClientConfig> tls) {
    openssl::ContextPtr context;
    std::string server_name = host;
    if (tls) {
        auto made = openssl::make_client_context(*tls);
        if (!made) return std::unexpected(std::move(made.error()));
        context = std::move(*made);
        if (!tls->server_name.empty()) server_name = tls->server_name;
    }
    return std::make_shared<TcpTransport>(std::move(executor), clock, std::move(host), port, std::move(server_name),
                                          std::move(context));
}

}  // namespace kube
