#include "kube/net/http.hpp"
#include "kube/net/http_wire.hpp"

#include <optional>
#include <utility>

namespace kube {
namespace asio = boost::asio;

namespace {

/// A TLS record holds no more (RFC 8446, 5.1), and one read gives one record. Every open watch has a buffer of this.
constexpr std::size_t kReadSize = 16 * 1024;
constexpr std::size_t kMaxHead = 256 * 1024;
constexpr int kMaxInterimResponses = 16;

/// The request's bytes, or what makes it unsendable.
Result<std::string> serialize(const HttpRequest& request, std::string_view host) {
    if (auto sendable = wire::check(request); !sendable) return std::unexpected(std::move(sendable.error()));
    std::string out;
    out.reserve(512 + request.body.size());
    out.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    if (request.headers.get("Host").empty()) wire::append_header(out, "Host", host);
    for (const auto& [name, value] : request.headers.fields()) {
        if (wire::equals_ignoring_case(name, "Content-Length")) continue;
        wire::append_header(out, name, value);
    }
    const bool has_body =
        !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (has_body) wire::append_header(out, "Content-Length", std::to_string(request.body.size()));
    out.append("\r\n").append(request.body);
    return out;
}

Error malformed(const std::string& detail) {
    return fail(ErrorKind::malformed, "HTTP response cannot be parsed: " + detail).error();
}

}  // namespace

struct HttpClientConnection::Impl {
    explicit Impl(std::unique_ptr<ByteStream> bytes)
        : stream(std::move(bytes)), input(kReadSize, kMaxHead + kReadSize) {}

    /// Reads more input; false at the end of the stream.
    asio::awaitable<Result<bool>> fill() {
        const auto space = input.prepare();
        if (space.empty()) co_return std::unexpected(malformed("a line is too long"));
        const auto count = co_await stream->read_some(space);
        if (!count) co_return std::unexpected(count.error());
        input.commit(*count);
        if (*count > 0) reached_peer = true;
        co_return *count > 0;
    }

    /// Reads the head of one response, interim or final.
    asio::awaitable<Result<void>> read_head(bool is_head_request) {
        parser.emplace(kMaxHead, std::nullopt);
        if (is_head_request) parser->beast().skip(true);
        for (;;) {
            const auto progress = parser->parse_head(input);
            if (progress == wire::Progress::complete) co_return Result<void>();
            if (progress == wire::Progress::head_too_large) co_return std::unexpected(malformed("head is too large"));
            if (progress != wire::Progress::need_input) co_return std::unexpected(malformed(parser->error()));
            const auto more = co_await fill();
            if (!more) co_return std::unexpected(more.error());
            if (!*more) {
                co_return fail(ErrorKind::transport, reached_peer ? "connection closed inside the response head"
                                                                  : "connection closed before the response");
            }
        }
    }

    bool complete() const { return parser && parser->beast().is_header_done() && parser->beast().is_done(); }

    std::unique_ptr<ByteStream> stream;
    wire::InputBuffer input;
    std::optional<wire::MessageParser<false>> parser;
    bool reached_peer = false;
    bool broken = false;  ///< An error happened: the position in the byte stream is unknown.
    bool busy = false;    ///< A response is being read.
};

HttpClientConnection::HttpClientConnection(std::unique_ptr<ByteStream> stream)
    : impl_(std::make_unique<Impl>(std::move(stream))) {}
HttpClientConnection::~HttpClientConnection() {
    close();
}
HttpClientConnection::HttpClientConnection(HttpClientConnection&&) noexcept = default;
HttpClientConnection& HttpClientConnection::operator=(HttpClientConnection&&) noexcept = default;

asio::awaitable<Result<HttpResponse>> HttpClientConnection::send(const HttpRequest& request, std::string_view host) {
    Impl& self = *impl_;
    self.reached_peer = false;
    if (self.broken || self.busy) co_return fail(ErrorKind::transport, "connection is not ready for another request");
    const auto bytes = serialize(request, host);
    if (!bytes) co_return std::unexpected(bytes.error());
    self.busy = true;
    self.parser.reset();
    const auto written = co_await self.stream->write(*bytes);
    if (!written) self.broken = true;
    // A server that refuses the request may answer and close before it has read everything, so the answer is worth
    // looking for even then.
    if (!written && written.error().kind == ErrorKind::cancelled) co_return std::unexpected(written.error());
    for (int number = 0;; ++number) {
        const auto head = co_await self.read_head(request.method == "HEAD");
        if (!head) {
            self.broken = true;
            co_return std::unexpected(written || head.error().kind == ErrorKind::cancelled ? head.error()
                                                                                           : written.error());
        }
        const int status = static_cast<int>(self.parser->beast().get().result_int());
        if (status >= 200) {
            HttpResponse response;
            response.status = status;
            response.headers = self.parser->headers();
            if (self.complete()) self.busy = false;
            co_return response;
        }
        // 1xx announce the real response, except 101, which we never ask for.
        if (status < 100 || status == 101 || number >= kMaxInterimResponses) {
            self.broken = true;
            co_return std::unexpected(malformed("unexpected status " + std::to_string(status)));
        }
    }
}

asio::awaitable<Result<bool>> HttpClientConnection::read_body(std::string& out) {
    Impl& self = *impl_;
    if (self.complete()) co_return false;
    if (self.broken && !self.busy) co_return fail(ErrorKind::transport, "connection is broken");
    if (!self.parser || !self.parser->beast().is_header_done()) {
        co_return fail(ErrorKind::transport, "no response to read a body from");
    }
    const std::size_t old_size = out.size();
    for (;;) {
        const auto progress = self.parser->parse_body(self.input, out);
        if (progress == wire::Progress::complete) self.busy = false;
        if (out.size() > old_size) co_return true;
        if (progress == wire::Progress::complete) co_return false;
        if (progress != wire::Progress::need_input) {
            self.broken = true;
            co_return std::unexpected(malformed(self.parser->error()));
        }
        const auto more = co_await self.fill();
        if (!more) {
            self.broken = true;
            co_return std::unexpected(more.error());
        }
        if (*more) continue;
        self.broken = true;
        if (self.parser->finish() != wire::Progress::complete) {
            co_return fail(ErrorKind::transport, "connection closed inside the response body");
        }
        self.busy = false;
        co_return false;
    }
}

asio::awaitable<Result<std::string>> HttpClientConnection::read_whole_body(std::size_t limit) {
    std::string body;
    for (;;) {
        const auto more = co_await read_body(body);
        if (!more) co_return std::unexpected(more.error());
        if (body.size() > limit) {
            impl_->broken = true;
            co_return fail(ErrorKind::malformed,
                           "HTTP response body is larger than " + std::to_string(limit) + " bytes");
        }
        if (!*more) co_return body;
    }
}

bool HttpClientConnection::reached_peer() const {
    return impl_->reached_peer;
}

bool HttpClientConnection::reusable() const {
    // Bytes behind the response cannot belong to anything we asked for.
    return impl_ && !impl_->broken && !impl_->busy && impl_->complete() && impl_->parser->beast().keep_alive() &&
           impl_->input.empty();
}

void HttpClientConnection::close() noexcept {
    if (!impl_) return;
    impl_->broken = true;
    impl_->stream->close();
}

}  // namespace kube
