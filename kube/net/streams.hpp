#pragma once

// Private to this folder: byte streams over TCP sockets.

#include "kube/base/clock.hpp"
#include "kube/net/byte_stream.hpp"
#include "kube/net/openssl.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <stop_token>

namespace kube {

/// A stream whose socket can be taken over by another layer.
class TcpByteStream : public ByteStream {
  public:
    /// Leaves the stream closed. Nothing may be pending.
    virtual boost::asio::ip::tcp::socket release() = 0;
};

/// A stream whose TLS handshake is still to be done.
class TlsByteStream : public ByteStream {
  public:
    /// Bounded by ten seconds and ended by `stop`; the stream is closed when it fails.
    virtual boost::asio::awaitable<Result<void>> handshake(Clock& clock, std::stop_token stop) = 0;
};

/// `peer` names the other side in errors, e.g. "127.0.0.1:6443".
std::unique_ptr<TcpByteStream> make_tcp_stream(boost::asio::ip::tcp::socket socket, std::string peer);
/// `ssl` knows already which side it is (connect or accept state).
std::unique_ptr<TlsByteStream> make_tls_stream(boost::asio::ip::tcp::socket socket, openssl::SslPtr ssl,
                                               std::string peer);
/// TLS inside the TLS of `outer`, which must come from `make_tls_stream` over a socket.
std::unique_ptr<TlsByteStream> make_tls_stream(std::unique_ptr<TlsByteStream> outer, openssl::SslPtr ssl,
                                               std::string peer);

/// Asio's text without its capital letter, to stand inside a sentence: "connection refused".
std::string describe(const boost::system::error_code& code);
/// TCP_NODELAY, keepalive and TCP_USER_TIMEOUT: HTTP/1.1 has no ping of its own to notice a dead peer.
void set_socket_options(boost::asio::ip::tcp::socket& socket);
/// "127.0.0.1:80", "[::1]:80".
std::string host_and_port(const std::string& host, unsigned short port);

}  // namespace kube
