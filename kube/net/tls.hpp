#pragma once

#include "kube/base/clock.hpp"
#include "kube/net/byte_stream.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace kube {

/// How to reach and trust a server. PEM texts, not file names.
struct TlsClientConfig {
    std::string ca_pem;           ///< Trust anchors. Empty = the system's roots. Set but without certificates = error.
    bool insecure = false;        ///< Skip verification. Refused together with `ca_pem`.
    std::string certificate_pem;  ///< Client certificate chain, optional.
    std::string key_pem;          ///< Its private key.
    std::string server_name;      ///< Overrides both SNI and the verified name (`tls-server-name`).
};

struct TlsServerConfig {
    std::string certificate_pem;
    std::string key_pem;
    std::string client_ca_pem;  ///< Optional: ask for a client certificate and verify it when one is presented.
};

/// Plain TCP or TLS (when `tls` is set) to host:port. TLS 1.2 or newer, ALPN http/1.1, TCP_NODELAY, keepalive 30 s,
/// TCP_USER_TIMEOUT 45 s; connect bounded by 30 s and handshake by 10 s. Errors say what failed ("connection refused",
/// "certificate verify failed: self-signed certificate"). IPv6 literals without brackets; no SNI for IP addresses.
Result<std::shared_ptr<Transport>> make_tcp_transport(boost::asio::any_io_executor executor, Clock& clock,
                                                      std::string host, unsigned short port,
                                                      std::optional<TlsClientConfig> tls);

/// A source of the server's current certificate; called for every accepted connection, so a swap takes effect at the
/// next handshake while running connections live on.
class TlsServerContext;
Result<std::shared_ptr<const TlsServerContext>> make_tls_server_context(const TlsServerConfig& config);

/// Listens on address:port (port 0 = any). `tls` empty function = plain TCP. "address already in use" and the like come
/// back as `ErrorKind::config` with the address in the message. Handshakes are bounded by 10 s.
using TlsContextSource = std::function<std::shared_ptr<const TlsServerContext>()>;
Result<std::unique_ptr<Listener>> make_tcp_listener(boost::asio::any_io_executor executor, Clock& clock,
                                                    const std::string& address, unsigned short port,
                                                    TlsContextSource tls);

}  // namespace kube
