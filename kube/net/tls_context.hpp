#pragma once

// Private to this folder: what OpenSSL must know before a handshake and can tell afterwards.

#include "kube/net/openssl.hpp"
#include "kube/net/tls.hpp"

namespace kube::openssl {

Result<ContextPtr> make_client_context(const TlsClientConfig& config);
Result<ContextPtr> make_server_context(const TlsServerConfig& config);

/// A connection of `context` that expects a certificate for `name`, a DNS name or an IP address.
Result<SslPtr> make_client_connection(SSL_CTX* context, const std::string& name);
Result<SslPtr> make_server_connection(SSL_CTX* context);

/// Why a handshake failed, when the cause is the peer's certificate; empty otherwise.
std::string verification_failure(const SSL* ssl);
std::optional<PeerCertificate> verified_peer(const SSL* ssl);
/// Keeps OpenSSL from marking the session as broken because no close_notify was exchanged.
void mark_shut_down(SSL* ssl);

}  // namespace kube::openssl
