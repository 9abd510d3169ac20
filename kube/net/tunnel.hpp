#pragma once

#include "kube/net/byte_stream.hpp"
#include "kube/net/proxy.hpp"

#include <string>

namespace kube {

/// Asks `proxy` at the other end of `stream` to connect to host:port; afterwards the stream carries bytes of that
/// server. HTTP CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, RFC 1929), the name looked up by the proxy.
/// Errors are `transport`, `malformed`, or `config` where the proxy refuses our credentials; they name the proxy.
/// Without a time-out: the caller closes the stream.
boost::asio::awaitable<Result<void>> open_tunnel(ByteStream& stream, Proxy proxy, std::string host,
                                                 unsigned short port);

}  // namespace kube
