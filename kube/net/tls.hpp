#pragma once

#include "kube/base/clock.hpp"
#include "kube/net/byte_stream.hpp"
#include "kube/net/proxy.hpp"

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

/// Where a transport takes its TLS configuration from when that can change while it runs.
class TlsClientSource {
  public:
    virtual ~TlsClientSource() = default;
    /// What the next connection is made with: never null, and the same object while nothing has changed. Asked before
    /// every request, so it must be cheap.
    virtual std::shared_ptr<const TlsClientConfig> current() = 0;
};

/// Whether a connection can be made with `config` at all: certificates and keys that can be read and that belong
/// together. The error is the one that connecting would give.
Result<void> check_tls_client_config(const TlsClientConfig& config);

struct TlsServerConfig {
    std::string certificate_pem;
    std::string key_pem;
    std::string client_ca_pem;  ///< Optional: ask for a client certificate and verify it when one is presented.
};

/// Plain TCP or TLS (when `tls` is set) to host:port. TLS 1.2 or newer, ALPN http/1.1, TCP_NODELAY, keepalive 30 s,
/// TCP_USER_TIMEOUT 45 s; connect bounded by 30 s and handshake by 10 s. Errors say what failed ("connection refused",
/// "certificate verify failed: self-signed certificate"). IPv6 literals without brackets; no SNI for IP addresses.
/// Closing such a stream, or ending the process, resets the connection: what the server has not received yet it never
/// will, so that a write that was given up cannot take effect later. (What has arrived there still may.)
Result<std::shared_ptr<Transport>> make_tcp_transport(boost::asio::any_io_executor executor, Clock& clock,
                                                      std::string host, unsigned short port,
                                                      std::optional<TlsClientConfig> tls);

struct TcpTransportOptions {
    std::string host;  ///< Name or address, without brackets.
    unsigned short port = 0;
    std::shared_ptr<TlsClientSource> tls;  ///< Null = plain TCP.
    std::optional<Proxy> proxy;
};

/// The same with TLS that rotates and a proxy. When the configuration changes, a new epoch begins (see `Transport`) and
/// open connections live on, except after a change of the client certificate: those are closed, because the server
/// knows them as who we were (client-go transport/cert_rotation.go). Their errors are `ErrorKind::transport`. The first
/// configuration must be usable; one later that is not is logged and ignored.
Result<std::shared_ptr<Transport>> make_tcp_transport(boost::asio::any_io_executor executor, Clock& clock,
                                                      TcpTransportOptions options);

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
