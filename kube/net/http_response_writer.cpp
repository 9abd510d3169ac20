#include "kube/net/http_response_writer.hpp"

#include "kube/net/http_wire.hpp"

#include <charconv>

namespace kube {
namespace asio = boost::asio;

namespace {

bool is_ours(std::string_view name) {
    return wire::equals_ignoring_case(name, "Content-Length") ||
           wire::equals_ignoring_case(name, "Transfer-Encoding") || wire::equals_ignoring_case(name, "Connection");
}

}  // namespace

ResponseWriter::ResponseWriter(Clock& clock, ByteStream& stream, Request request, Duration write_timeout,
                               std::function<void()> on_streaming, std::function<bool()> closing)
    : clock_(clock),
      stream_(stream),
      request_(request),
      write_timeout_(write_timeout),
      on_streaming_(std::move(on_streaming)),
      closing_(std::move(closing)),
      keep_alive_(request.keep_alive) {}

Result<std::string> ResponseWriter::head(int status, const HttpHeaders& headers) {
    if (state_ != State::fresh) return fail(ErrorKind::transport, "the response was begun already");
    if (status < 200 || status > 999) return fail(ErrorKind::bad_request, "not a final HTTP status");
    has_body_ = status != 204 && status != 304;
    if (closing_() || wire::lists_token(headers.get("Connection"), "close")) keep_alive_ = false;
    std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
    out.append(wire::reason_phrase(status)).append("\r\n");
    for (const auto& [name, value] : headers.fields()) {
        if (!wire::is_token(name) || !wire::is_clean(value)) {
            return fail(ErrorKind::bad_request, "a response header holds a character that is not allowed there");
        }
        if (!is_ours(name)) wire::append_header(out, name, value);
    }
    if (headers.get("Date").empty()) wire::append_header(out, "Date", wire::http_date(clock_.now()));
    return out;
}

asio::awaitable<Result<void>> ResponseWriter::send(std::string bytes, State next) {
    // A peer that stops reading must not hold the connection for ever.
    const auto deadline = clock_.call_after(write_timeout_, [this] { stream_.close(); });
    auto written = co_await stream_.write(bytes);
    if (state_ != State::broken) state_ = written ? next : State::broken;
    co_return written;
}

asio::awaitable<Result<void>> ResponseWriter::respond(HttpResponse response) {
    auto bytes = head(response.status, response.headers);
    if (!bytes) co_return std::unexpected(std::move(bytes.error()));
    if (has_body_) wire::append_header(*bytes, "Content-Length", std::to_string(response.body.size()));
    if (!keep_alive_) {
        wire::append_header(*bytes, "Connection", "close");
    } else if (!request_.http_11) {
        wire::append_header(*bytes, "Connection", "keep-alive");
    }
    bytes->append("\r\n");
    if (has_body_ && !request_.head) bytes->append(response.body);
    auto sent = co_await send(std::move(*bytes), State::finished);
    co_return sent;
}

asio::awaitable<Result<void>> ResponseWriter::begin(int status, HttpHeaders headers) {
    auto bytes = head(status, headers);
    if (!bytes) co_return std::unexpected(std::move(bytes.error()));
    chunked_ = has_body_ && request_.http_11;
    if (chunked_) wire::append_header(*bytes, "Transfer-Encoding", "chunked");
    if (has_body_ && !request_.http_11 && !request_.head)
        keep_alive_ = false;  // only the end of the stream ends the body
    if (!keep_alive_) wire::append_header(*bytes, "Connection", "close");
    bytes->append("\r\n");
    auto sent = co_await send(std::move(*bytes), State::streaming);
    if (sent) on_streaming_();
    co_return sent;
}

asio::awaitable<Result<void>> ResponseWriter::write(std::string_view chunk) {
    if (state_ != State::streaming) co_return fail(ErrorKind::transport, "no response is being streamed");
    // An empty chunk would end the body.
    if (chunk.empty() || request_.head || !has_body_) co_return Result<void>();
    std::string bytes;
    bytes.reserve(chunk.size() + 20);
    if (chunked_) {
        char size[17];
        const auto end = std::to_chars(size, size + sizeof size, chunk.size(), 16).ptr;
        bytes.append(size, end).append("\r\n").append(chunk).append("\r\n");
    } else {
        bytes.append(chunk);
    }
    auto sent = co_await send(std::move(bytes), State::streaming);
    co_return sent;
}

asio::awaitable<Result<void>> ResponseWriter::finish() {
    if (state_ != State::streaming) co_return Result<void>();
    if (!chunked_ || request_.head) {
        state_ = State::finished;
        co_return Result<void>();
    }
    auto sent = co_await send("0\r\n\r\n", State::finished);
    co_return sent;
}

void ResponseWriter::abort() noexcept {
    state_ = State::broken;
    stream_.close();
}

}  // namespace kube
