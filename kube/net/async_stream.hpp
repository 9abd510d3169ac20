#pragma once

// Private to this folder (and to servers that tests make with Beast): a ByteStream as Asio and Beast want their
// streams.

#include "kube/net/byte_stream.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace kube {

/// Meets Beast's requirements of an AsyncStream. It owns nothing: the byte stream outlives it and what it started.
/// Asio's error codes cannot tell what went wrong as `Error` can, so that the first error is kept beside them.
class AsyncByteStream {
  public:
    using executor_type = boost::asio::any_io_executor;

    AsyncByteStream(executor_type executor, ByteStream& stream) : executor_(std::move(executor)), stream_(&stream) {}

    executor_type get_executor() const { return executor_; }
    const std::optional<Error>& failure() const { return failure_; }
    void close() noexcept { stream_->close(); }

    template <class MutableBuffers, class Token>
    auto async_read_some(const MutableBuffers& buffers, Token&& token) {
        std::span<char> space;
        for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers);
             ++it) {
            const boost::asio::mutable_buffer buffer(*it);
            if (space.empty()) space = {static_cast<char*>(buffer.data()), buffer.size()};
        }
        return start(std::forward<Token>(token), [this, space] { return read(space); });
    }

    /// Writes all of it at once: a header and a body that go out apart would wait for each other.
    template <class ConstBuffers, class Token>
    auto async_write_some(const ConstBuffers& buffers, Token&& token) {
        std::string bytes(boost::asio::buffer_size(buffers), '\0');
        boost::asio::buffer_copy(boost::asio::buffer(bytes), buffers);
        return start(std::forward<Token>(token), [this, bytes = std::move(bytes)] { return write(bytes); });
    }

  private:
    struct Transferred {
        boost::system::error_code code = boost::asio::error::fault;  ///< Stays where the coroutine throws.
        std::size_t count = 0;
    };

    template <class Token, class Operation>
    auto start(Token&& token, Operation operation) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, Operation begin) {
                boost::asio::co_spawn(
                    executor_, std::move(begin),
                    [handler = std::move(handler)](const std::exception_ptr&, Transferred done) mutable {
                        std::move(handler)(done.code, done.count);
                    });
            },
            token, std::move(operation));
    }

    boost::asio::awaitable<Transferred> read(std::span<char> space);
    boost::asio::awaitable<Transferred> write(std::string_view bytes);
    Transferred failed(Error error);

    executor_type executor_;
    ByteStream* stream_;
    std::optional<Error> failure_;
};

/// How Beast ends a WebSocket's stream: whoever owns the byte stream closes it.
inline void beast_close_socket(AsyncByteStream& stream) {
    stream.close();
}

template <class Handler>
void async_teardown(boost::beast::role_type, AsyncByteStream& stream, Handler&& handler) {
    boost::asio::post(stream.get_executor(), [handler = std::forward<Handler>(handler)]() mutable {
        std::move(handler)(boost::system::error_code());
    });
}

}  // namespace kube
