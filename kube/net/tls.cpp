// The one translation unit of ours that includes Asio's TLS templates.
#include "kube/net/streams.hpp"
#include "kube/net/tls_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <openssl/err.h>

namespace kube {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr Duration kHandshakeTimeout = std::chrono::seconds(10);
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

bool is_end_of_stream(const boost::system::error_code& code) {
    // Truncation is left to the HTTP parser: it knows whether the message was complete.
    return code == asio::error::eof || code == asio::ssl::error::stream_truncated;
}

Error translate(const boost::system::error_code& code, bool closed, const std::string& what) {
    if (closed || code == asio::error::operation_aborted) return fail(ErrorKind::cancelled, what + ": closed").error();
    if (code.category() != asio::error::get_ssl_category()) {
        return fail(ErrorKind::transport, what + ": " + describe(code)).error();
    }
    const char* const reason = ERR_reason_error_string(static_cast<unsigned long>(code.value()));
    return fail(ErrorKind::tls, what + ": " + (reason != nullptr ? reason : code.message())).error();
}

template <class Socket>
asio::awaitable<Result<std::size_t>> read_from(Socket& socket, std::span<char> buffer, const bool& closed,
                                               const std::string& peer) {
    if (closed) co_return fail(ErrorKind::cancelled, "read " + peer + ": closed");
    const auto [code, count] = co_await socket.async_read_some(asio::buffer(buffer.data(), buffer.size()), kTuple);
    if (!code) co_return count;
    if (!closed && is_end_of_stream(code)) co_return std::size_t{0};
    co_return std::unexpected(translate(code, closed, "read " + peer));
}

template <class Socket>
asio::awaitable<Result<void>> write_to(Socket& socket, std::string_view bytes, const bool& closed,
                                       const std::string& peer) {
    if (closed) co_return fail(ErrorKind::cancelled, "write " + peer + ": closed");
    const auto [code, count] = co_await asio::async_write(socket, asio::buffer(bytes.data(), bytes.size()), kTuple);
    if (!code) co_return Result<void>();
    co_return std::unexpected(translate(code, closed, "write " + peer));
}

class PlainStream final : public TcpByteStream {
  public:
    PlainStream(tcp::socket socket, std::string peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}
    asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override {
        return read_from(socket_, buffer, closed_, peer_);
    }
    asio::awaitable<Result<void>> write(std::string_view bytes) override {
        return write_to(socket_, bytes, closed_, peer_);
    }
    void close() noexcept override {
        closed_ = true;
        boost::system::error_code ignored;
        socket_.close(ignored);
    }
    tcp::socket release() override {
        closed_ = true;
        return std::move(socket_);
    }

  private:
    tcp::socket socket_;
    std::string peer_;
    bool closed_ = false;
};

/// TLS over `Layer`: a socket, or another such stream (a proxy that is itself reached by TLS).
template <class Layer>
class TlsStream final : public TlsByteStream {
  public:
    using Stream = asio::ssl::stream<Layer>;

    TlsStream(Layer layer, openssl::SslPtr ssl, std::string peer)
        : peer_(std::move(peer)),
          is_server_(SSL_is_server(ssl.get()) == 1),
          stream_(std::forward<Layer>(layer), ssl.release()) {}
    ~TlsStream() override { openssl::mark_shut_down(stream_.native_handle()); }
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override {
        return read_from(stream_, buffer, closed_, peer_);
    }
    asio::awaitable<Result<void>> write(std::string_view bytes) override {
        return write_to(stream_, bytes, closed_, peer_);
    }
    /// No TLS shutdown: it may wait for ever for the peer's answer, and HTTP frames its messages itself.
    void close() noexcept override {
        closed_ = true;
        boost::system::error_code ignored;
        stream_.lowest_layer().close(ignored);
    }
    std::optional<PeerCertificate> peer_certificate() const override {
        return openssl::verified_peer(const_cast<Stream&>(stream_).native_handle());
    }

    Stream& asio_stream() { return stream_; }

    asio::awaitable<Result<void>> handshake(Clock& clock, std::stop_token stop) override {
        const std::string what = "TLS handshake with " + peer_;
        if (closed_) co_return fail(ErrorKind::cancelled, what + ": closed");
        bool late = false;
        const auto deadline = clock.call_after(kHandshakeTimeout, [this, &late] {
            late = true;
            close();
        });
        const std::stop_callback on_stop(stop, [this] { close(); });
        const auto role = is_server_ ? asio::ssl::stream_base::server : asio::ssl::stream_base::client;
        const auto [code] = co_await stream_.async_handshake(role, kTuple);
        if (!code && !closed_) co_return Result<void>();
        const bool closed_by_us = closed_;
        close();
        if (late) co_return fail(ErrorKind::timeout, what + ": timed out");
        if (!closed_by_us && is_end_of_stream(code)) {
            co_return fail(ErrorKind::transport, what + ": the peer closed the connection");
        }
        Error error = translate(code, closed_by_us, what);
        const std::string cause = openssl::verification_failure(stream_.native_handle());
        if (error.kind == ErrorKind::tls && !cause.empty()) error.message += ": " + cause;
        co_return std::unexpected(std::move(error));
    }

  private:
    std::string peer_;
    bool is_server_;
    bool closed_ = false;
    Stream stream_;
};

/// Owns both layers, the outer one longer.
class NestedTlsStream final : public TlsByteStream {
  public:
    using Outer = TlsStream<tcp::socket>;

    NestedTlsStream(std::unique_ptr<Outer> outer, openssl::SslPtr ssl, std::string peer)
        : outer_(std::move(outer)), inner_(outer_->asio_stream(), std::move(ssl), std::move(peer)) {}
    asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override { return inner_.read_some(buffer); }
    asio::awaitable<Result<void>> write(std::string_view bytes) override { return inner_.write(bytes); }
    void close() noexcept override { inner_.close(); }
    std::optional<PeerCertificate> peer_certificate() const override { return inner_.peer_certificate(); }
    asio::awaitable<Result<void>> handshake(Clock& clock, std::stop_token stop) override {
        return inner_.handshake(clock, std::move(stop));
    }

  private:
    std::unique_ptr<Outer> outer_;
    TlsStream<Outer::Stream&> inner_;
};

}  // namespace

std::unique_ptr<TcpByteStream> make_tcp_stream(tcp::socket socket, std::string peer) {
    return std::make_unique<PlainStream>(std::move(socket), std::move(peer));
}

std::unique_ptr<TlsByteStream> make_tls_stream(tcp::socket socket, openssl::SslPtr ssl, std::string peer) {
    return std::make_unique<TlsStream<tcp::socket>>(std::move(socket), std::move(ssl), std::move(peer));
}

std::unique_ptr<TlsByteStream> make_tls_stream(std::unique_ptr<TlsByteStream> outer, openssl::SslPtr ssl,
                                               std::string peer) {
    std::unique_ptr<NestedTlsStream::Outer> typed(dynamic_cast<NestedTlsStream::Outer*>(outer.release()));
    return std::make_unique<NestedTlsStream>(std::move(typed), std::move(ssl), std::move(peer));
}

}  // namespace kube
