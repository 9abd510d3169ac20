#include "kube/client/client.hpp"

#include "kube/base/log.hpp"
#include "kube/client/status.hpp"

#include <algorithm>
#include <utility>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxIdleConnections = 25;
constexpr std::size_t kMaxErrorBody = 64 * 1024;
constexpr Duration kTransportRetryDelay = std::chrono::seconds(1);

bool is_read(const ApiRequest& request) {
    return request.method == "GET";
}

/// Whether `error` may be answered by sending the request again, and after how long.
std::optional<Duration> retry_delay(const ApiRequest& request, const Error& error) {
    if (error.http_status == 429 || error.http_status >= 500) {
        if (!error.retry_after) return std::nullopt;
        return Duration(*error.retry_after);
    }
    const bool may_repeat = is_read(request) || request.idempotent;
    if (may_repeat && error.kind == ErrorKind::transport && error.http_status == 0) return kTransportRetryDelay;
    return std::nullopt;
}

}  // namespace

struct Client::Pooled {
    Pooled(std::unique_ptr<ByteStream> stream, SteadyTime now, std::uint64_t made_in)
        : http(std::move(stream)), opened(now), used(now), epoch(made_in) {}
    HttpClientConnection http;
    SteadyTime opened;
    SteadyTime used;
    std::uint64_t epoch;  ///< The transport's when it was opened.
    bool reused = false;
};

struct Client::Attempt {
    explicit Attempt(Error failure, bool stale = false) : result(std::unexpected(std::move(failure))), stale(stale) {}
    Attempt(HttpResponse head, std::unique_ptr<Pooled> from) : result(std::move(head)), connection(std::move(from)) {}
    Result<HttpResponse> result;  ///< The head of the response.
    bool stale = false;           ///< A pooled connection that the server had already closed.
    std::unique_ptr<Pooled> connection;
};

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                c == '-' || c == '.' || c == '_' || c == '~';
        if (unreserved) {
            out += c;
        } else {
            out += '%';
            out += kHex[byte >> 4U];
            out += kHex[byte & 15U];
        }
    }
    return out;
}

Client::Client(std::shared_ptr<Transport> transport, Clock& clock, ClientOptions options,
               std::shared_ptr<Credentials> credentials)
    : transport_(std::move(transport)),
      clock_(clock),
      options_(std::move(options)),
      credentials_(std::move(credentials)) {}

Client::~Client() = default;

std::string_view Client::host() const {
    return transport_->host();
}

HttpRequest Client::to_http(const ApiRequest& request, HttpHeaders headers) const {
    HttpRequest http;
    http.headers = std::move(headers);
    http.method = request.method;
    http.target = options_.path_prefix + request.path;
    Query query = request.query;
    if (!is_read(request) && !options_.field_manager.empty() &&
        std::ranges::find(query, "fieldManager", &Query::value_type::first) == query.end()) {
        query.emplace_back("fieldManager", options_.field_manager);
    }
    char separator = '?';
    for (const auto& [key, value] : query) {
        http.target += separator;
        http.target += percent_encode(key) + "=" + percent_encode(value);
        separator = '&';
    }
    http.headers.set("User-Agent", options_.user_agent);
    http.headers.set("Accept", "application/json");
    if (!request.body.empty()) {
        http.headers.set("Content-Type", request.content_type);
        http.body = request.body;
    }
    return http;
}

void Client::observe(const ApiRequest& request, std::string_view code, SteadyTime started) {
    if (options_.observer == nullptr) return;
    options_.observer->on_request(request.method, host(), code, clock_.steady_now() - started);
}

asio::awaitable<Result<std::unique_ptr<Client::Pooled>>> Client::acquire(bool fresh_only, std::stop_token stop) {
    const std::uint64_t epoch = transport_->epoch();
    std::erase_if(idle_, [epoch](const auto& idle) { return idle->epoch != epoch; });
    while (!fresh_only && !idle_.empty()) {
        auto candidate = std::move(idle_.front());
        idle_.pop_front();
        const SteadyTime now = clock_.steady_now();
        if (now - candidate->used > options_.max_idle || now - candidate->opened > options_.max_age) continue;
        candidate->reused = true;
        co_return candidate;
    }
    auto stream = co_await transport_->connect(std::move(stop));
    if (!stream) co_return std::unexpected(std::move(stream.error()));
    co_return std::make_unique<Pooled>(std::move(*stream), clock_.steady_now(), epoch);
}

void Client::release(std::unique_ptr<Pooled> connection) {
    if (!connection->http.reusable() || idle_.size() >= kMaxIdleConnections) return;
    connection->used = clock_.steady_now();
    idle_.push_front(std::move(connection));
}

asio::awaitable<Client::Attempt> Client::attempt(const ApiRequest& request, bool fresh_only, std::stop_token stop) {
    const SteadyTime started = clock_.steady_now();
    // First: what a plugin answers may change what connections are made with.
    HttpHeaders identity;
    if (credentials_) {
        auto headers = co_await credentials_->headers(stop);
        if (!headers) co_return Attempt(std::move(headers.error()));
        identity = std::move(*headers);
    }
    const SteadyTime identified = clock_.steady_now();
    auto connection = co_await acquire(fresh_only, stop);
    if (!connection) {
        observe(request, "<error>", started);
        co_return Attempt(std::move(connection.error()));
    }
    if (request.may_send && !request.may_send()) {
        release(std::move(*connection));
        co_return Attempt(
            fail(ErrorKind::cancelled, request.method + " " + request.path + ": may not be sent any more").error());
    }
    auto& http = (*connection)->http;
    bool timed_out = false;
    const auto deadline = clock_.call_after(request.timeout.value_or(options_.timeout), [&] {
        timed_out = true;
        http.close();
    });
    const std::stop_callback on_stop(stop, [&] { http.close(); });
    const HttpRequest message = to_http(request, std::move(identity));
    auto head = co_await http.send(message, transport_->host());
    if (!head) {
        const bool stale = (*connection)->reused && !http.reached_peer() && !timed_out && !stop.stop_requested();
        observe(request, "<error>", started);
        if (timed_out) {
            head.error().kind = ErrorKind::timeout;
            head.error().message = request.method + " " + request.path + ": no answer within the deadline";
        }
        co_return Attempt(std::move(head.error()), stale);
    }
    observe(request, std::to_string(head->status), started);
    if (head->status == 401 && credentials_) credentials_->reject(identified);
    co_return Attempt(std::move(*head), std::move(*connection));
}

asio::awaitable<Result<std::string>> Client::call(ApiRequest request, std::stop_token stop) {
    bool fresh_only = false;
    const int max_attempts = request.max_attempts.value_or(options_.max_attempts);
    for (int number = 1;; ++number) {
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "stopped");
        Attempt tried = co_await attempt(request, fresh_only, stop);
        // The server closes idle connections without telling us; no byte of it was read, so nothing happened there.
        if (tried.stale && number < max_attempts) {
            fresh_only = true;
            continue;
        }
        Result<std::string> body;
        if (tried.result) {
            auto& http = tried.connection->http;
            bool timed_out = false;
            const auto deadline = clock_.call_after(request.timeout.value_or(options_.timeout), [&] {
                timed_out = true;
                http.close();
            });
            const std::stop_callback on_stop(stop, [&] { http.close(); });
            body = co_await http.read_whole_body(options_.max_body_bytes);
            if (timed_out)
                body = fail(ErrorKind::timeout, request.method + " " + request.path + ": body took too long");
        } else {
            body = std::unexpected(std::move(tried.result.error()));
        }
        if (body) {
            const HttpResponse head = std::move(*tried.result);
            release(std::move(tried.connection));
            for (const std::string_view warning : head.headers.get_all("Warning")) {
                log::debug("client", "warning from the API server", {{"path", request.path}, {"warning", warning}});
            }
            if (head.status >= 200 && head.status < 300) co_return body;
            body = std::unexpected(error_from_response(head.status, *body, head.headers));
        }
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "stopped");
        const auto delay = retry_delay(request, body.error());
        if (!delay || number >= max_attempts) co_return body;
        log::debug(
            "client", "retrying",
            {{"method", request.method}, {"path", request.path}, {"attempt", number}, {"error", body.error().message}});
        const bool waited = co_await sleep_for(clock_, *delay, stop);
        if (!waited) co_return fail(ErrorKind::cancelled, "stopped");
    }
}

asio::awaitable<Result<void>> Client::stream(ApiRequest request, std::function<Result<void>(std::string_view)> sink,
                                             std::stop_token stop) {
    Attempt tried = co_await attempt(request, false, stop);
    if (tried.stale) tried = co_await attempt(request, true, stop);
    if (!tried.result) co_return std::unexpected(std::move(tried.result.error()));
    auto& http = tried.connection->http;
    const std::stop_callback on_stop(stop, [&] { http.close(); });
    if (tried.result->status < 200 || tried.result->status >= 300) {
        const auto body = co_await http.read_whole_body(kMaxErrorBody);
        if (!body) co_return std::unexpected(body.error());
        co_return std::unexpected(error_from_response(tried.result->status, *body, tried.result->headers));
    }
    std::string piece;
    for (;;) {
        piece.clear();
        bool timed_out = false;
        // A deadline for each piece and not for all: a list of a hundred thousand objects may take minutes.
        const auto deadline = clock_.call_after(request.timeout.value_or(options_.timeout), [&] {
            timed_out = true;
            http.close();
        });
        const auto more = co_await http.read_body(piece);
        if (timed_out) co_return fail(ErrorKind::timeout, "GET " + request.path + ": body stalled");
        if (!more) co_return std::unexpected(more.error());
        if (auto taken = sink(piece); !taken) co_return std::unexpected(std::move(taken.error()));
        if (!*more) break;
    }
    release(std::move(tried.connection));
    co_return Result<void>();
}

asio::awaitable<Result<std::unique_ptr<WatchStream>>> Client::watch(ApiRequest request, Duration limit,
                                                                    std::stop_token stop) {
    Attempt tried = co_await attempt(request, true, stop);
    if (!tried.result) co_return std::unexpected(std::move(tried.result.error()));
    auto http = std::make_unique<HttpClientConnection>(std::move(tried.connection->http));
    if (tried.result->status != 200) {
        const std::stop_callback on_stop(stop, [&] { http->close(); });
        const auto deadline = clock_.call_after(options_.timeout, [&] { http->close(); });
        const auto body = co_await http->read_whole_body(kMaxErrorBody);
        if (!body) co_return std::unexpected(body.error());
        co_return std::unexpected(error_from_response(tried.result->status, *body, tried.result->headers));
    }
    co_return std::make_unique<WatchStream>(std::move(http), clock_, limit);
}

WatchStream::WatchStream(std::unique_ptr<HttpClientConnection> connection, Clock& clock, Duration limit)
    : connection_(std::move(connection)), limit_(clock.call_after(limit, [this] {
          limit_passed_ = true;
          connection_->close();
      })) {}

WatchStream::~WatchStream() = default;

asio::awaitable<Result<std::optional<std::string_view>>> WatchStream::next(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { connection_->close(); });
    for (;;) {
        auto line = lines_.next();
        if (!line || *line) co_return line;
        const auto more = co_await connection_->read_body(lines_.input());
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "stopped");
        if (limit_passed_) co_return std::optional<std::string_view>();
        if (!more) co_return std::unexpected(more.error());
        if (!*more && lines_.input().find('\n') == std::string::npos) co_return std::optional<std::string_view>();
    }
}

}  // namespace kube
