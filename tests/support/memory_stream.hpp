#pragma once

#include "kube/base/signal.hpp"
#include "kube/net/byte_stream.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kube::test {

struct MemoryStreamOptions {
    /// A read returns at most this many bytes; 1 shows every place where a message can be split.
    std::size_t read_limit = std::numeric_limits<std::size_t>::max();
    /// A write waits while so many bytes wait to be read: a peer that does not read.
    std::size_t capacity = std::numeric_limits<std::size_t>::max();
};

/// One end of a pipe in memory.
class MemoryStream final : public ByteStream {
  public:
    struct Pipe;
    MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, MemoryStreamOptions options);
    ~MemoryStream() override;
    MemoryStream(const MemoryStream&) = delete;
    MemoryStream& operator=(const MemoryStream&) = delete;

    boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override;
    boost::asio::awaitable<Result<void>> write(std::string_view bytes) override;
    void close() noexcept override;
    std::optional<PeerCertificate> peer_certificate() const override { return peer; }

    /// Everything up to the end of the stream.
    boost::asio::awaitable<std::string> read_to_end();
    /// Exactly `count` bytes, fewer when the stream ends before.
    boost::asio::awaitable<std::string> read_exactly(std::size_t count);
    /// Up to and including `end`, or to the end of the stream.
    boost::asio::awaitable<std::string> read_until(std::string_view end);
    /// Ends the direction to the peer only, as a half-closed TCP connection.
    void shut_down_write();
    /// The peer's reads fail with a connection reset.
    void reset();

    std::optional<PeerCertificate> peer;   ///< What `peer_certificate` says.
    std::vector<std::size_t> write_sizes;  ///< One entry for each call of `write`.
    bool closed() const;

  private:
    std::shared_ptr<Pipe> in_;
    std::shared_ptr<Pipe> out_;
    MemoryStreamOptions options_;
    bool closed_ = false;
};

using MemoryStreamPair = std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>>;
/// Two connected ends with the same options.
MemoryStreamPair make_memory_stream_pair(boost::asio::any_io_executor executor, MemoryStreamOptions options = {});

/// A listener without a network: `connect` makes a connection that `accept` hands out.
class MemoryListener final : public Listener {
  public:
    explicit MemoryListener(boost::asio::any_io_executor executor);
    std::unique_ptr<MemoryStream> connect(MemoryStreamOptions options = {});
    /// The next `accept` fails with `error`.
    void fail_next(Error error);

    boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> accept() override;
    boost::asio::awaitable<Result<void>> handshake(ByteStream& stream) override;
    unsigned short port() const override { return 1; }
    void close() noexcept override;

  private:
    boost::asio::any_io_executor executor_;
    std::deque<Result<std::unique_ptr<ByteStream>>> waiting_;
    Signal changed_;
    bool closed_ = false;
};

/// A transport that calls a function for every connection.
class MemoryTransport final : public Transport {
  public:
    using Connect = std::function<Result<std::unique_ptr<ByteStream>>()>;
    explicit MemoryTransport(Connect connect) : connect_(std::move(connect)) {}
    boost::asio::awaitable<Result<std::unique_ptr<ByteStream>>> connect(std::stop_token stop) override;
    std::string_view host() const override { return "memory.test"; }

  private:
    Connect connect_;
};

}  // namespace kube::test
