#pragma once

#include "kube/base/error.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace kube {

/// The subject of a verified peer certificate, as Kubernetes reads it: CN is the user, O the groups.
struct PeerCertificate {
    std::string common_name;
    std::vector<std::string> organizations;
    std::vector<std::string> dns_names = {};  ///< Subject alternative names.
};

/// A connected, ordered byte pipe: TLS over TCP in production, memory in tests. It keeps Beast's and OpenSSL's
/// templates out of everything above it. One reader and one writer at a time; all on the I/O thread.
/// The stream must outlive its pending operations: `close()`, await them, then destroy.
class ByteStream {
  public:
    virtual ~ByteStream() = default;
    /// Reads at least one byte into `buffer`. 0 means a clean end of stream.
    virtual boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) = 0;
    /// Writes all of `bytes`.
    virtual boost::asio::awaitable<Result<void>> write(std::string_view bytes) = 0;
    /// Ends the stream at once; pending operations fail with `ErrorKind::cancelled`. Idempotent, never blocks.
    virtual void close() noexcept = 0;
    /// The peer's certificate when it presented one that was verified.
    virtual std::optional<PeerCertificate> peer_certificate() const { return std::nullopt; }
};

/// Opens byte streams to one server. The seam at which tests and the simulation put their own network.
class Transport {
  public:
    virtual ~Transport() = default;
    /// A new connection, handshake included. Bounded by time-outs of its own. A stop ends it in the same turn of the
    /// I/O thread with `ErrorKind::cancelled`, whatever it waits for: name look-up, TCP, proxy or TLS.
    virtual boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect(std::stop_token stop) = 0;
    /// Counts the changes of what connections are made with (certificates that rotate). One that was opened in another
    /// epoch carries no further request. Asked before every request, it looks for changes itself.
    virtual std::uint64_t epoch() { return 0; }
    /// Value of the Host header and of metric labels, e.g. "127.0.0.1:6443".
    virtual std::string_view host() const = 0;
};

/// Accepts byte streams.
class Listener {
  public:
    virtual ~Listener() = default;
    /// The next connection, TLS handshake NOT yet done (see `handshake`), so that a slow client blocks nobody.
    virtual boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> accept() = 0;
    /// Finishes what the connection still needs (the TLS handshake); call it from the connection's own coroutine.
    virtual boost::asio::awaitable<Result<void>> handshake(ByteStream& stream) = 0;
    virtual unsigned short port() const = 0;
    virtual void close() noexcept = 0;
};

}  // namespace kube
