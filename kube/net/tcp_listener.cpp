#include "kube/net/streams.hpp"
#include "kube/net/tls.hpp"
#include "kube/net/tls_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace kube {
namespace asio = boost::asio;
using asio::ip::tcp;

class TlsServerContext {
  public:
    explicit TlsServerContext(openssl::ContextPtr context) : context_(std::move(context)) {}
    SSL_CTX* get() const { return context_.get(); }

  private:
    openssl::ContextPtr context_;
};

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

class TcpListener final : public Listener {
  public:
    TcpListener(tcp::acceptor acceptor, Clock& clock, TlsContextSource tls)
        : acceptor_(std::move(acceptor)),
          port_(acceptor_.local_endpoint().port()),
          clock_(clock),
          tls_(std::move(tls)) {}

    asio::awaitable<Result<std::unique_ptr<ByteStream>>> accept() override {
        for (;;) {
            if (closed_) co_return fail(ErrorKind::cancelled, "accept: closed");
            tcp::socket socket(acceptor_.get_executor());
            tcp::endpoint from;
            const auto [code] = co_await acceptor_.async_accept(socket, from, kTuple);
            if (closed_) co_return fail(ErrorKind::cancelled, "accept: closed");
            if (code == asio::error::connection_aborted) continue;
            if (code) co_return fail(ErrorKind::transport, "accept: " + describe(code));
            set_socket_options(socket);
            std::string peer = host_and_port(from.address().to_string(), from.port());
            if (!tls_) co_return make_tcp_stream(std::move(socket), std::move(peer));
            const auto context = tls_();
            if (!context) continue;  // no certificate yet, and plain text is no substitute
            auto ssl = openssl::make_server_connection(context->get());
            if (!ssl) co_return std::unexpected(std::move(ssl.error()));
            co_return std::unique_ptr<ByteStream>(make_tls_stream(std::move(socket), std::move(*ssl), std::move(peer)));
        }
    }

    asio::awaitable<Result<void>> handshake(ByteStream& stream) override {
        auto* const tls = dynamic_cast<TlsByteStream*>(&stream);
        if (tls == nullptr) co_return Result<void>();
        auto done = co_await tls->handshake(clock_, {});
        co_return done;
    }

    unsigned short port() const override { return port_; }
    void close() noexcept override {
        closed_ = true;
        boost::system::error_code ignored;
        acceptor_.close(ignored);
    }

  private:
    tcp::acceptor acceptor_;
    unsigned short port_;
    Clock& clock_;
    TlsContextSource tls_;
    bool closed_ = false;
};

boost::system::error_code listen_on(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, bool dual_stack) {
    boost::system::error_code code;
    acceptor.open(endpoint.protocol(), code);
    if (!code) acceptor.set_option(tcp::acceptor::reuse_address(true), code);
    if (!code && dual_stack) acceptor.set_option(asio::ip::v6_only(false), code);
    if (!code) acceptor.bind(endpoint, code);
    if (!code) acceptor.listen(asio::socket_base::max_listen_connections, code);
    return code;
}

}  // namespace

Result<std::shared_ptr<const TlsServerContext>> make_tls_server_context(const TlsServerConfig& config) {
    auto context = openssl::make_server_context(config);
    if (!context) return std::unexpected(std::move(context.error()));
    return std::make_shared<const TlsServerContext>(std::move(*context));
}

Result<std::unique_ptr<Listener>> make_tcp_listener(asio::any_io_executor executor, Clock& clock,
                                                    const std::string& address, unsigned short port,
                                                    TlsContextSource tls) {
    tcp::acceptor acceptor(executor);
    boost::system::error_code code;
    if (address.empty()) {
        // Every address of both families, or of IPv4 alone where the kernel has no IPv6.
        code = listen_on(acceptor, tcp::endpoint(asio::ip::address_v6::any(), port), true);
        if (code && code != asio::error::address_in_use) {
            acceptor = tcp::acceptor(executor);
            code = listen_on(acceptor, tcp::endpoint(asio::ip::address_v4::any(), port), false);
        }
    } else {
        const auto parsed = asio::ip::make_address(address == "localhost" ? "127.0.0.1" : address, code);
        if (code) return fail(ErrorKind::config, "listen " + address + ": not an IP address");
        code = listen_on(acceptor, tcp::endpoint(parsed, port), false);
    }
    if (code) return fail(ErrorKind::config, "listen " + host_and_port(address, port) + ": " + describe(code));
    return std::make_unique<TcpListener>(std::move(acceptor), clock, std::move(tls));
}

}  // namespace kube
