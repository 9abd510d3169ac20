#include "kube/base/signal.hpp"
#include "kube/net/streams.hpp"
#include "kube/net/tls_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cctype>
#include <netinet/tcp.h>

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

constexpr Duration kConnectTimeout = std::chrono::seconds(30);
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

void set_tcp_option(tcp::socket& socket, int name, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
}

/// A name look-up that can be given up: Asio runs getaddrinfo on a thread and cannot interrupt it.
struct LookUp {
    explicit LookUp(const asio::any_io_executor& executor) : resolver(executor), changed(executor) {}
    tcp::resolver resolver;
    Signal changed;
    bool finished = false;
    bool late = false;
    boost::system::error_code code;
    std::vector<tcp::endpoint> endpoints;
};

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

    asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect() override {
        const auto endpoints = co_await resolve();
        if (!endpoints) co_return std::unexpected(endpoints.error());
        auto socket = co_await connect_any(*endpoints);
        if (!socket) co_return std::unexpected(std::move(socket.error()));
        set_socket_options(*socket);
        if (!context_) co_return make_tcp_stream(std::move(*socket), authority_);
        auto ssl = openssl::make_client_connection(context_.get(), server_name_);
        if (!ssl) co_return std::unexpected(std::move(ssl.error()));
        auto stream = make_tls_stream(std::move(*socket), std::move(*ssl), authority_);
        auto done = co_await stream->handshake(clock_);
        if (!done) co_return std::unexpected(std::move(done.error()));
        co_return std::unique_ptr<ByteStream>(std::move(stream));
    }

  private:
    asio::awaitable<Result<std::vector<tcp::endpoint>>> resolve() {
        boost::system::error_code not_an_address;
        const auto address = asio::ip::make_address(host_, not_an_address);
        if (!not_an_address) co_return std::vector<tcp::endpoint>(1, tcp::endpoint(address, port_));
        const auto look_up = std::make_shared<LookUp>(executor_);
        const auto deadline = clock_.call_after(kConnectTimeout, [look_up] {
            look_up->late = true;
            look_up->changed.notify_all();
        });
        look_up->resolver.async_resolve(
            host_, std::to_string(port_), tcp::resolver::numeric_service,
            [look_up](const boost::system::error_code& code, const tcp::resolver::results_type& results) {
                look_up->finished = true;
                look_up->code = code;
                for (const auto& entry : results) look_up->endpoints.push_back(entry.endpoint());
                look_up->changed.notify_all();
            });
        while (!look_up->finished && !look_up->late) co_await look_up->changed.wait();
        if (!look_up->finished) co_return fail(ErrorKind::timeout, "look up " + host_ + ": timed out");
        if (look_up->code) {
            co_return fail(ErrorKind::transport, "look up " + host_ + ": " + describe(look_up->code));
        }
        co_return std::move(look_up->endpoints);
    }

    asio::awaitable<Result<tcp::socket>> connect_any(const std::vector<tcp::endpoint>& endpoints) {
        Error failure = fail(ErrorKind::transport, "connect " + authority_ + ": no address").error();
        // One dead address of several must not use up the time of the others.
        const Duration share = kConnectTimeout / static_cast<int>(std::max<std::size_t>(endpoints.size(), 1));
        for (const tcp::endpoint& endpoint : endpoints) {
            tcp::socket socket(executor_);
            bool late = false;
            const auto deadline = clock_.call_after(share, [&socket, &late] {
                late = true;
                boost::system::error_code ignored;
                socket.close(ignored);
            });
            const auto [code] = co_await socket.async_connect(endpoint, kTuple);
            if (!code && !late) co_return socket;
            const std::string text = "connect " + authority_ + ": " + (late ? "timed out" : describe(code));
            failure = fail(late ? ErrorKind::timeout : ErrorKind::transport, text).error();
        }
        co_return std::unexpected(std::move(failure));
    }

    asio::any_io_executor executor_;
    Clock& clock_;
    std::string host_;
    unsigned short port_;
    std::string authority_;
    std::string server_name_;
    openssl::ContextPtr context_;
};

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
        auto done = co_await tls->handshake(clock_);
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

std::string describe(const boost::system::error_code& code) {
    std::string text = code.message();
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

std::string host_and_port(const std::string& host, unsigned short port) {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

void set_socket_options(tcp::socket& socket) {
    // None of them is worth failing a connection for.
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    set_tcp_option(socket, TCP_KEEPIDLE, 30);
    set_tcp_option(socket, TCP_KEEPINTVL, 15);
    set_tcp_option(socket, TCP_USER_TIMEOUT, 45'000);  // milliseconds
}

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
