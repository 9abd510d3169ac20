#pragma once

#include "kube/net/byte_stream.hpp"
#include "kube/net/http.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kube {

/// Some bytes of a WebSocket message, which may come in any number of pieces.
struct WebSocketPiece {
    std::string_view bytes;
    bool begins = true;  ///< The message begins with it.
    bool ends = true;    ///< The message ends with it.
    bool binary = true;  ///< Else text.
};

/// The client's side of one WebSocket (RFC 6455) without extensions. One coroutine at a time; no time-outs of its own:
/// `abort` it. The framing is Beast's, fed with bytes, so it needs no socket. Memory is bounded whatever the peer
/// sends: messages are handed over in pieces of at most 16 KiB, pings are answered, the answer to the upgrade is at
/// most 8 MiB.
class WebSocketClient {
  public:
    WebSocketClient(boost::asio::any_io_executor executor, std::unique_ptr<ByteStream> stream);
    ~WebSocketClient();
    WebSocketClient(const WebSocketClient&) = delete;
    WebSocketClient& operator=(const WebSocketClient&) = delete;

    /// Asks for the upgrade with `request`, a GET whose headers are sent beside those of the protocol. The socket is
    /// open when the answer's status is 101, which has been checked then; any other answer is returned as it came.
    boost::asio::awaitable<Result<HttpResponse>> open(HttpRequest request, std::string host);
    /// The next piece, valid until the next call; nothing when the peer has closed the socket by the protocol (which is
    /// answered). A stream that just ends is `ErrorKind::transport`.
    boost::asio::awaitable<Result<std::optional<WebSocketPiece>>> read();
    /// Says good-bye, drops what still comes and waits for the peer's good-bye or the end of the stream.
    boost::asio::awaitable<void> close();
    /// Ends the stream at once; what is pending fails with `ErrorKind::cancelled`.
    void abort() noexcept;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace kube
