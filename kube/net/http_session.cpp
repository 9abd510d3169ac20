#include "kube/base/log.hpp"
#include "kube/base/task_group.hpp"
#include "kube/net/http.hpp"
#include "kube/net/http_connections.hpp"
#include "kube/net/http_response_writer.hpp"
#include "kube/net/http_wire.hpp"

#include <utility>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadSize = 16 * 1024;
constexpr std::size_t kMaxLingerBytes = 16 * 1024 * 1024;
constexpr Duration kLingerTime = std::chrono::seconds(1);

/// One server connection: requests one after the other until somebody closes.
class Session {
  public:
    Session(asio::any_io_executor executor, Clock& clock, ByteStream& stream, const HttpHandler& handler,
            const HttpServerOptions& options, std::stop_token stop, ConnectionTable::Slot* slot)
        : clock_(clock),
          stream_(stream),
          handler_(handler),
          options_(options),
          stop_(std::move(stop)),
          slot_(slot),
          input_(kReadSize, options.max_header_bytes + kReadSize),
          tasks_(executor),
          filled_(executor) {}

    asio::awaitable<void> run() {
        for (bool more = true; more;) more = co_await serve_one();
        stream_.close();
        // Coroutines of ours may still refer to the stream and to this object.
        co_await tasks_.join();
    }

  private:
    /// Why the request could not be read, as an answer; status 0 = there is nobody to answer.
    struct Refusal {
        explicit Refusal(int code = 0, std::string text = {}) : status(code), message(std::move(text)) {}
        int status;
        std::string message;
    };
    using Parser = wire::MessageParser<true>;

    asio::awaitable<bool> serve_one() {
        const bool awake = co_await wait_for_request();
        if (!awake) co_return false;
        Parser parser(options_.max_header_bytes, options_.max_body_bytes);
        HttpExchange exchange;
        const auto refusal = co_await read_request(parser, exchange.request);
        ResponseWriter::Request facts;
        if (parser.beast().is_header_done()) {
            facts.head = exchange.request.method == "HEAD";
            facts.http_11 = parser.beast().get().version() >= 11;
            const bool last = ++requests_ == options_.max_requests;
            facts.keep_alive = !refusal && !last && parser.beast().keep_alive();
        }
        std::stop_source exchange_stop;
        const std::stop_callback on_server_stop(stop_, [&] { exchange_stop.request_stop(); });
        ResponseWriter writer(
            clock_, stream_, facts, options_.body_timeout, [&] { watch_for_hang_up(exchange_stop); },
            [this] { return stop_.stop_requested(); });
        if (refusal) {
            if (refusal->status != 0) co_await refuse(writer, *refusal);
            co_return false;
        }
        exchange.peer = stream_.peer_certificate();
        exchange.stop = exchange_stop.get_token();
        if (slot_ != nullptr) slot_->begin_exchange();
        co_await handle(exchange, writer);
        if (slot_ != nullptr) slot_->end_exchange();
        hang_up_.reset();
        co_return writer.keeps_connection();
    }

    /// Suspends until a byte of the next request is here.
    asio::awaitable<bool> wait_for_request() {
        for (;;) {
            // RFC 9112 2.2: empty lines before a request are ignored.
            while (!input_.empty() && (input_.data().front() == '\r' || input_.data().front() == '\n'))
                input_.consume(1);
            if (!input_.empty()) co_return true;
            if (stop_.stop_requested()) co_return false;
            const std::stop_callback on_stop(stop_, [this] { stream_.close(); });
            const auto deadline = clock_.call_after(options_.idle_timeout, [this] { stream_.close(); });
            const bool more = co_await fill();
            if (!more) co_return false;
        }
    }

    asio::awaitable<std::optional<Refusal>> read_request(Parser& parser, HttpRequest& request) {
        {
            bool late = false;
            const auto deadline = expire_after(options_.header_timeout, late);
            for (;;) {
                const auto progress = parser.parse_head(input_);
                if (progress == wire::Progress::complete) break;
                if (progress != wire::Progress::need_input) co_return refusal_of(progress, parser.error());
                const bool more = co_await fill();
                if (!more || late) co_return Refusal();
            }
        }
        const auto& message = parser.beast().get();
        request.method = std::string(message.method_string());
        request.target = std::string(message.target());
        request.headers = parser.headers();
        const bool http_11 = message.version() >= 11;
        if (http_11 && request.headers.get_all("Host").size() != 1) co_return Refusal(400, "one Host header is needed");
        // Any other coding would leave us guessing where the body ends.
        if (!request.headers.get("Transfer-Encoding").empty() && !parser.beast().chunked()) {
            co_return Refusal(501, "transfer coding is not supported");
        }
        if (options_.check_peer) {
            const std::string refused = options_.check_peer(stream_.peer_certificate());
            if (!refused.empty()) co_return refuse_peer(refused);
        }
        if (parser.beast().is_done()) co_return std::nullopt;
        const auto expectation = request.headers.get("Expect");
        if (!expectation.empty() && http_11) {
            if (!wire::equals_ignoring_case(expectation, "100-continue")) co_return Refusal(417, "unknown expectation");
            if (input_.empty()) {
                const auto guard = clock_.call_after(options_.body_timeout, [this] { stream_.close(); });
                const auto sent = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
                if (!sent) co_return Refusal();
            }
        }
        bool late = false;
        const auto deadline = expire_after(options_.body_timeout, late);
        for (;;) {
            const auto progress = parser.parse_body(input_, request.body);
            if (slot_ != nullptr && !slot_->hold(request.body.size())) co_return Refusal(503, "no memory for the body");
            if (progress == wire::Progress::complete) co_return std::nullopt;
            if (progress != wire::Progress::need_input) co_return refusal_of(progress, parser.error());
            const bool more = co_await fill();
            if (!more || late) co_return Refusal();
        }
    }

    Refusal refuse_peer(const std::string& why) {
        if (options_.observer != nullptr) options_.observer->on_refused("client_certificate");
        log::debug("http", "a caller is refused", {{"error", why}});  // whoever is refused must not fill the log
        return Refusal(403, why);
    }

    static Refusal refusal_of(wire::Progress progress, const std::string& detail) {
        if (progress == wire::Progress::head_too_large) return Refusal(431, "request header is too large");
        if (progress == wire::Progress::body_too_large) return Refusal(413, "request body is too large");
        return Refusal(400, "request cannot be parsed: " + detail);
    }

    /// Answers 408 and closes when `delay` passes. A read can only be ended by closing the stream, so the answer is
    /// written beside it.
    std::unique_ptr<Timer> expire_after(Duration delay, bool& late) {
        return clock_.call_after(delay, [this, &late] {
            late = true;
            tasks_.spawn("http request time-out", answer_late_request());
        });
    }

    asio::awaitable<void> answer_late_request() {
        ResponseWriter::Request facts;
        ResponseWriter writer(clock_, stream_, facts, kLingerTime, [] {}, [] { return true; });
        HttpResponse response;
        response.status = 408;
        response.body = "request took too long\n";
        response.headers.set("Content-Type", "text/plain; charset=utf-8");
        co_await writer.respond(std::move(response));
        stream_.close();
    }

    asio::awaitable<void> refuse(ResponseWriter& writer, const Refusal& refusal) {
        HttpResponse response;
        response.status = refusal.status;
        response.headers.set("Content-Type", "text/plain; charset=utf-8");
        response.body = refusal.message + "\n";
        const auto sent = co_await writer.respond(std::move(response));
        if (!sent) co_return;
        // Closing with unread input makes the kernel send a reset, which can destroy the answer on its way.
        const auto deadline = clock_.call_after(kLingerTime, [this] { stream_.close(); });
        for (std::size_t dropped = 0; dropped < kMaxLingerBytes;) {
            dropped += input_.data().size();
            input_.consume(input_.data().size());
            const bool more = co_await fill();
            if (!more) co_return;
        }
    }

    asio::awaitable<void> handle(const HttpExchange& exchange, ResponseWriter& writer) {
        std::string failure;
        try {
            co_await handler_(exchange, writer);
            if (!writer.started()) failure = "the handler gave no answer";
        } catch (const std::exception& error) {
            failure = error.what();
        } catch (...) {
            failure = "unknown exception";
        }
        if (failure.empty()) {
            co_await writer.finish();
            co_return;
        }
        const auto path = exchange.request.target.substr(0, exchange.request.target.find('?'));
        log::error("http", "request handler failed",
                   {{"method", exchange.request.method}, {"path", path}, {"error", failure}});
        if (writer.started()) {
            writer.abort();
            co_return;
        }
        HttpResponse response;
        response.status = 500;
        response.headers.set("Content-Type", "text/plain; charset=utf-8");
        response.body = "internal error\n";
        co_await writer.respond(std::move(response));
    }

    /// While an answer is streamed nobody reads, so a peer that left would be noticed by the next write only.
    void watch_for_hang_up(const std::stop_source& exchange_stop) {
        hang_up_ = exchange_stop;
        if (!filling_ && input_.empty()) start_fill();
    }

    void start_fill() {
        filling_ = true;
        tasks_.spawn("http read", fill_in_background());
    }

    asio::awaitable<void> fill_in_background() {
        const bool more = co_await fill_now();
        if (!more) {
            ended_ = true;
            if (hang_up_) hang_up_->request_stop();
        }
        filling_ = false;
        filled_.notify_all();
    }

    asio::awaitable<bool> fill_now() {
        const auto space = input_.prepare();
        if (space.empty()) co_return false;
        const auto count = co_await stream_.read_some(space);
        if (!count || *count == 0) co_return false;
        input_.commit(*count);
        co_return true;
    }

    /// More input; false when there will be none.
    asio::awaitable<bool> fill() {
        if (filling_) {
            while (filling_) co_await filled_.wait();
            co_return !ended_;
        }
        if (ended_) co_return false;
        const bool more = co_await fill_now();
        co_return more;
    }

    Clock& clock_;
    ByteStream& stream_;
    const HttpHandler& handler_;
    const HttpServerOptions& options_;
    std::stop_token stop_;
    ConnectionTable::Slot* slot_;  ///< Null: no server keeps books.
    std::size_t requests_ = 0;
    wire::InputBuffer input_;
    TaskGroup tasks_;
    Signal filled_;
    bool filling_ = false;                     ///< A background read runs.
    bool ended_ = false;                       ///< A background read met the end of the stream.
    std::optional<std::stop_source> hang_up_;  ///< Of the answer being streamed.
};

}  // namespace

asio::awaitable<void> serve_http(Clock& clock, ByteStream& stream, const HttpHandler& handler,
                                 const HttpServerOptions& options, std::stop_token stop, ConnectionTable::Slot* slot) {
    const auto executor = co_await asio::this_coro::executor;
    Session session(executor, clock, stream, handler, options, std::move(stop), slot);
    co_await session.run();
}

asio::awaitable<void> serve_http(Clock& clock, ByteStream& stream, HttpHandler handler, HttpServerOptions options,
                                 std::stop_token stop) {
    co_await serve_http(clock, stream, handler, options, std::move(stop), nullptr);
}

}  // namespace kube
