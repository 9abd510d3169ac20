#include "kube/base/log.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/dial.hpp"
#include "kube/net/streams.hpp"
#include "kube/net/tls.hpp"
#include "kube/net/tls_context.hpp"
#include "kube/net/tracked_stream.hpp"
#include "kube/net/tunnel.hpp"

#include <utility>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr Duration kTunnelTimeout = std::chrono::seconds(30);

using StreamResult = Result<std::unique_ptr<ByteStream>>;

bool same_identity(const TlsClientConfig& a, const TlsClientConfig& b) {
    return a.certificate_pem == b.certificate_pem && a.key_pem == b.key_pem;
}

std::optional<WallTime> expiry_of(const TlsClientConfig& config) {
    const auto expiry = certificate_expiry(config.certificate_pem);
    if (!expiry) return std::nullopt;
    return *expiry;
}

/// A source that never changes.
class FixedTls final : public TlsClientSource {
  public:
    explicit FixedTls(TlsClientConfig config) : config_(std::make_shared<const TlsClientConfig>(std::move(config))) {}
    std::shared_ptr<const TlsClientConfig> current() override { return config_; }

  private:
    std::shared_ptr<const TlsClientConfig> config_;
};

class TcpTransport final : public Transport {
  public:
    TcpTransport(asio::any_io_executor executor, Clock& clock, TcpTransportOptions options)
        : executor_(std::move(executor)),
          clock_(clock),
          host_(std::move(options.host)),
          port_(options.port),
          authority_(host_and_port(host_, port_)),
          tls_(std::move(options.tls)),
          proxy_(std::move(options.proxy)),
          streams_(std::make_shared<OpenStreams>()) {}

    /// Makes what needs no connection, so that a configuration that cannot work is told at once.
    Result<void> prepare() {
        if (tls_) {
            config_ = tls_->current();
            auto context = openssl::make_client_context(*config_);
            if (!context) return std::unexpected(std::move(context.error()));
            context_ = std::move(*context);
            expiry_ = expiry_of(*config_);
        }
        if (proxy_ && proxy_->kind == Proxy::Kind::https) {
            auto context = openssl::make_client_context(TlsClientConfig());
            if (!context) return std::unexpected(std::move(context.error()));
            proxy_context_ = std::move(*context);
        }
        return {};
    }

    std::string_view host() const override { return authority_; }

    std::uint64_t epoch() override {
        if (!tls_) return 0;
        auto config = tls_->current();
        if (config == config_) return epoch_;
        auto context = openssl::make_client_context(*config);
        if (!context) {
            log::error("client", "the new TLS configuration cannot be used; keeping the last one",
                       {{"error", context.error().message}});
        } else {
            ++epoch_;
            context_ = std::move(*context);
            expiry_ = expiry_of(*config);
            const bool was_somebody = !config_->certificate_pem.empty();
            if (was_somebody && !same_identity(*config, *config_)) streams_->close_all();
        }
        config_ = std::move(config);
        return epoch_;
    }

    asio::awaitable<StreamResult> connect(std::stop_token stop) override {
        epoch();
        if (!proxy_) {
            auto socket = co_await dial(executor_, clock_, host_, port_, stop);
            if (!socket) co_return std::unexpected(std::move(socket.error()));
            if (!context_) co_return make_tcp_stream(std::move(*socket), authority_);
            auto ssl = openssl::make_client_connection(context_.get(), server_name());
            if (!ssl) co_return std::unexpected(std::move(ssl.error()));
            auto stream = co_await secure(make_tls_stream(std::move(*socket), std::move(*ssl), authority_), stop);
            co_return stream;
        }
        auto socket = co_await dial(executor_, clock_, proxy_->host, proxy_->port, stop);
        if (!socket) co_return std::unexpected(of_proxy(std::move(socket.error())));
        auto stream = proxy_context_ ? co_await through_tls(std::move(*socket), std::move(stop))
                                     : co_await through_tcp(std::move(*socket), std::move(stop));
        co_return stream;
    }

  private:
    std::string server_name() const { return config_->server_name.empty() ? host_ : config_->server_name; }

    Error of_proxy(Error error) const {
        error.message = "proxy " + proxy_->describe() + ": " + error.message;
        return error;
    }

    asio::awaitable<StreamResult> secure(std::unique_ptr<TlsByteStream> stream, std::stop_token stop) {
        const auto config = config_;
        const bool expired = expiry_ && *expiry_ < clock_.now();
        const std::string hint =
            expired ? "the client certificate was valid until " + format_time(*expiry_) : std::string();
        // Not refused here: our own clock may be the wrong one. The server answers 401, or ends the handshake.
        if (expired) log::warn("client", "connecting with an expired client certificate", {{"hint", hint}});
        auto done = co_await stream->handshake(clock_, std::move(stop));
        if (!done) {
            if (expired) done.error().message += "; " + hint;
            co_return std::unexpected(std::move(done.error()));
        }
        // Whoever the server knows this connection as, we may be somebody else by now.
        if (!same_identity(*config, *config_)) {
            co_return fail(ErrorKind::transport, "connect " + authority_ + ": the client certificate has changed");
        }
        co_return streams_->track(std::move(stream));
    }

    asio::awaitable<StreamResult> through_tcp(asio::ip::tcp::socket socket, std::stop_token stop) {
        auto stream = make_tcp_stream(std::move(socket), proxy_->describe());
        auto opened = co_await tunnel(*stream, stop);
        if (!opened) co_return std::unexpected(std::move(opened.error()));
        if (!context_) co_return stream;
        auto ssl = openssl::make_client_connection(context_.get(), server_name());
        if (!ssl) co_return std::unexpected(std::move(ssl.error()));
        auto secured =
            co_await secure(make_tls_stream(stream->release(), std::move(*ssl), authority_), std::move(stop));
        co_return secured;
    }

    asio::awaitable<StreamResult> through_tls(asio::ip::tcp::socket socket, std::stop_token stop) {
        auto outer = openssl::make_client_connection(proxy_context_.get(), proxy_->host);
        if (!outer) co_return std::unexpected(of_proxy(std::move(outer.error())));
        auto stream = make_tls_stream(std::move(socket), std::move(*outer), proxy_->describe());
        auto done = co_await stream->handshake(clock_, stop);
        if (!done) co_return std::unexpected(of_proxy(std::move(done.error())));
        auto opened = co_await tunnel(*stream, stop);
        if (!opened) co_return std::unexpected(std::move(opened.error()));
        if (!context_) co_return std::unique_ptr<ByteStream>(std::move(stream));
        auto ssl = openssl::make_client_connection(context_.get(), server_name());
        if (!ssl) co_return std::unexpected(std::move(ssl.error()));
        auto secured =
            co_await secure(make_tls_stream(std::move(stream), std::move(*ssl), authority_), std::move(stop));
        co_return secured;
    }

    asio::awaitable<Result<void>> tunnel(ByteStream& stream, std::stop_token stop) {
        bool late = false;
        const auto deadline = clock_.call_after(kTunnelTimeout, [&stream, &late] {
            late = true;
            stream.close();
        });
        const std::stop_callback on_stop(stop, [&stream] { stream.close(); });
        auto opened = co_await open_tunnel(stream, *proxy_, host_, port_);
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "connect " + authority_ + ": stopped");
        if (late) {
            co_return fail(ErrorKind::timeout,
                           "proxy " + proxy_->describe() + " did not connect to " + authority_ + " within 30 s");
        }
        co_return opened;
    }

    asio::any_io_executor executor_;
    Clock& clock_;
    std::string host_;
    unsigned short port_;
    std::string authority_;
    std::shared_ptr<TlsClientSource> tls_;
    std::optional<Proxy> proxy_;
    std::shared_ptr<OpenStreams> streams_;
    std::shared_ptr<const TlsClientConfig> config_;  ///< The one looked at last.
    openssl::ContextPtr context_;                    ///< Null = plain TCP.
    openssl::ContextPtr proxy_context_;
    std::optional<WallTime> expiry_;  ///< Of the client certificate.
    std::uint64_t epoch_ = 0;
};

}  // namespace

Result<void> check_tls_client_config(const TlsClientConfig& config) {
    auto context = openssl::make_client_context(config);
    if (!context) return std::unexpected(std::move(context.error()));
    return {};
}

Result<std::shared_ptr<Transport>> make_tcp_transport(asio::any_io_executor executor, Clock& clock,
                                                      TcpTransportOptions options) {
    auto transport = std::make_shared<TcpTransport>(std::move(executor), clock, std::move(options));
    auto prepared = transport->prepare();
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    return transport;
}

Result<std::shared_ptr<Transport>> make_tcp_transport(asio::any_io_executor executor, Clock& clock, std::string host,
                                                      unsigned short port, std::optional<TlsClientConfig> tls) {
    TcpTransportOptions options;
    options.host = std::move(host);
    options.port = port;
    if (tls) options.tls = std::make_shared<FixedTls>(std::move(*tls));
    return make_tcp_transport(std::move(executor), clock, std::move(options));
}

}  // namespace kube
