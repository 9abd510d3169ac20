#include "kube/net/websocket.hpp"

#include "kube/net/async_stream.hpp"
#include "kube/net/http_wire.hpp"
#include "kube/net/streams.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <array>
#include <utility>

namespace kube {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

namespace {

constexpr std::size_t kPiece = 16 * 1024;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

HttpResponse to_response(const websocket::response_type& message) {
    HttpResponse response;
    response.status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
        response.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    response.body = message.body();
    return response;
}

}  // namespace

struct WebSocketClient::Impl {
    Impl(const asio::any_io_executor& executor, std::unique_ptr<ByteStream> stream)
        : bytes(std::move(stream)), socket(executor, *bytes) {
        socket.read_message_max(0);  // a message is never held as a whole
    }

    Error explain(const std::string& doing, const boost::system::error_code& code) {
        if (const auto& failure = socket.next_layer().failure()) return *failure;
        if (code == asio::error::eof || code == beast::http::error::end_of_stream ||
            code == beast::http::error::partial_message) {
            return fail(ErrorKind::transport, "connection closed " + doing).error();
        }
        return fail(ErrorKind::malformed, doing + ": " + describe(code)).error();
    }

    std::unique_ptr<ByteStream> bytes;
    websocket::stream<AsyncByteStream, false> socket;  ///< Without compression.
    std::array<char, kPiece> buffer{};
    bool begins = true;  ///< The next piece begins a message.
};

WebSocketClient::WebSocketClient(asio::any_io_executor executor, std::unique_ptr<ByteStream> stream)
    : impl_(std::make_unique<Impl>(executor, std::move(stream))) {}
WebSocketClient::~WebSocketClient() {
    abort();
}

asio::awaitable<Result<HttpResponse>> WebSocketClient::open(HttpRequest request, std::string host) {
    Impl& self = *impl_;
    if (auto sendable = wire::check(request); !sendable) co_return std::unexpected(std::move(sendable.error()));
    self.socket.set_option(websocket::stream_base::decorator([&request](websocket::request_type& message) {
        for (const auto& [name, value] : request.headers.fields()) message.insert(name, value);
    }));
    websocket::response_type answer;
    const auto [code] = co_await self.socket.async_handshake(answer, host, request.target, kTuple);
    if (code && code != websocket::error::upgrade_declined) {
        co_return std::unexpected(self.explain("inside the answer to the upgrade", code));
    }
    co_return to_response(answer);
}

asio::awaitable<Result<std::optional<WebSocketPiece>>> WebSocketClient::read() {
    Impl& self = *impl_;
    const auto [code, count] = co_await self.socket.async_read_some(asio::buffer(self.buffer), kTuple);
    if (code == websocket::error::closed) co_return std::optional<WebSocketPiece>();
    if (code) co_return std::unexpected(self.explain("inside the WebSocket", code));
    WebSocketPiece piece;
    piece.bytes = {self.buffer.data(), count};
    piece.begins = std::exchange(self.begins, self.socket.is_message_done());
    piece.ends = self.begins;
    piece.binary = self.socket.got_binary();
    co_return piece;
}

asio::awaitable<void> WebSocketClient::close() {
    // How it ends changes nothing for somebody who has all that he came for.
    if (impl_->socket.is_open()) co_await impl_->socket.async_close(websocket::close_code::normal, kTuple);
}

void WebSocketClient::abort() noexcept {
    impl_->bytes->close();
}

}  // namespace kube
