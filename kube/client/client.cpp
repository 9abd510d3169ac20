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
constexpr Duration kLongLimiterWait = std::chrono::seconds(1);
constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kNoResponse = "<error>";

bool is_read(const ApiRequest& request) {
    return request.method == "GET";
}

std::string name_of(const ApiRequest& request) {
    return request.method + " " + request.path;
}

/// What the connection says is wrong knows nothing of the request.
Error in_context(const ApiRequest& request, Error error) {
    error.message = name_of(request) + ": " + error.message;
    return error;
}

Error stopped(const ApiRequest& request) {
    return fail(ErrorKind::cancelled, name_of(request) + ": stopped").error();
}

/// The error of a response other than 2xx. What of its body does not arrive in time, or is too much, changes nothing
/// about what the status says.
asio::awaitable<Error> read_error(HttpClientConnection& http, const HttpResponse& head) {
    std::string body;
    while (body.size() <= kMaxErrorBody) {
        const auto more = co_await http.read_body(body);
        if (!more || !*more) break;
    }
    co_return error_from_response(head.status, body, head.headers);
}

/// Something else than the API server answers HTML with 200.
Result<void> require_accepted(const ApiRequest& request, const HttpResponse& head) {
    const std::string_view type = head.headers.get("Content-Type");
    if (type.empty() || type.starts_with(request.accept)) return {};
    return fail(ErrorKind::malformed, name_of(request) + ": answered with " + log::escape(type.substr(0, 80)) +
                                          " instead of " + std::string(request.accept));
}

}  // namespace

struct Client::Pooled {
    Pooled(std::unique_ptr<ByteStream> stream, SteadyTime now, Duration max_age, std::uint64_t made_in)
        : http(std::move(stream)), retire_at(now + max_age), used(now), epoch(made_in) {}
    HttpClientConnection http;
    SteadyTime retire_at;
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
      credentials_(std::move(credentials)),
      retries_(options_.seed),
      random_(options_.seed) {
    if (options_.qps > 0) limiter_ = std::make_unique<RateLimiter>(clock, options_.qps, options_.burst);
}

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
    http.headers.set("Accept", request.accept == kJsonType
                                   ? std::string(kJsonType)
                                   : std::string(request.accept) + ", " + std::string(kJsonType));
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
        if (now - candidate->used >= options_.max_idle || now > candidate->retire_at) continue;
        candidate->reused = true;
        co_return candidate;
    }
    auto stream = co_await transport_->connect(std::move(stop));
    if (!stream) co_return std::unexpected(std::move(stream.error()));
    co_return std::make_unique<Pooled>(std::move(*stream), clock_.steady_now(), draw_max_age(), epoch);
}

Duration Client::draw_max_age() {
    std::uniform_int_distribution<Duration::rep> age(options_.max_age.count() / 2, options_.max_age.count());
    return Duration(age(random_));
}

void Client::release(std::unique_ptr<Pooled> connection) {
    if (!connection->http.reusable() || idle_.size() >= kMaxIdleConnections) return;
    connection->used = clock_.steady_now();
    idle_.push_front(std::move(connection));
    if (!reap_) reap_ = clock_.call_at(idle_.back()->used + options_.max_idle, [this] { reap(); });
}

void Client::reap() {
    reap_.reset();
    while (!idle_.empty() && clock_.steady_now() - idle_.back()->used >= options_.max_idle) idle_.pop_back();
    if (!idle_.empty()) reap_ = clock_.call_at(idle_.back()->used + options_.max_idle, [this] { reap(); });
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
        observe(request, kNoResponse, started);
        co_return Attempt(in_context(request, std::move(connection.error())));
    }
    if (request.may_send && !request.may_send()) {
        release(std::move(*connection));
        co_return Attempt(fail(ErrorKind::cancelled, name_of(request) + ": may not be sent any more").error());
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
        observe(request, kNoResponse, started);
        if (timed_out) head = fail(ErrorKind::timeout, "no answer within the deadline");
        co_return Attempt(in_context(request, std::move(head.error())), stale);
    }
    observe(request, std::to_string(head->status), started);
    if (head->status == 401 && credentials_) credentials_->reject(identified);
    if (options_.observer != nullptr) options_.observer->on_request_size(request.method, host(), request.body.size());
    note_headers(request, *head);
    co_return Attempt(std::move(*head), std::move(*connection));
}

/// What the server says beside its answer.
void Client::note_headers(const ApiRequest& request, const HttpResponse& head) {
    for (const std::string_view value : head.headers.get_all("Warning")) {
        for (const std::string& text : parse_warnings(value)) {
            if (!warnings_.is_new(text)) continue;
            log::warn("client", "warning from the API server", {{"path", request.path}, {"warning", text}});
        }
    }
    if (!log::enabled(log::Level::debug)) return;
    log::debug("client", "answered",
               {{"method", request.method},
                {"path", request.path},
                {"status", head.status},
                {"auditID", head.headers.get("Audit-Id")},
                {"flowSchemaUID", head.headers.get("X-Kubernetes-PF-FlowSchema-UID")}});
}

asio::awaitable<bool> Client::pass_rate_limit(const ApiRequest& request, std::stop_token stop) {
    if (!limiter_ || request.priority == RequestPriority::exempt) co_return true;
    const SteadyTime asked = clock_.steady_now();
    const bool admitted = co_await limiter_->acquire(request.priority, stop);
    const Duration waited = clock_.steady_now() - asked;
    if (admitted && options_.observer != nullptr) options_.observer->on_rate_limited(request.method, host(), waited);
    if (waited > kLongLimiterWait) {
        log::info("client", "held back by the client's own rate limit",
                  {{"method", request.method},
                   {"path", request.path},
                   {"seconds", std::chrono::duration<double>(waited).count()}});
    }
    co_return admitted;
}

/// The body behind a head, and its connection back into the pool.
asio::awaitable<Result<std::string>> Client::read_answer(const ApiRequest& request, Attempt& tried,
                                                         std::stop_token stop) {
    const HttpResponse& head = *tried.result;
    auto& http = tried.connection->http;
    bool timed_out = false;
    const auto deadline = clock_.call_after(request.timeout.value_or(options_.timeout), [&] {
        timed_out = true;
        http.close();
    });
    const std::stop_callback on_stop(stop, [&] { http.close(); });
    if (head.status < 200 || head.status >= 300) {
        auto error = co_await read_error(http, head);
        release(std::move(tried.connection));
        co_return std::unexpected(std::move(error));
    }
    auto body = co_await http.read_whole_body(options_.max_body_bytes);
    if (timed_out) body = fail(ErrorKind::timeout, "body took too long");
    if (!body) co_return std::unexpected(in_context(request, std::move(body.error())));
    if (options_.observer != nullptr) options_.observer->on_response_size(request.method, host(), body->size());
    release(std::move(tried.connection));
    co_return body;
}

asio::awaitable<Result<std::string>> Client::call(ApiRequest request, std::stop_token stop) {
    const bool may_repeat = is_read(request) || request.idempotent;
    const int max_attempts = request.max_attempts.value_or(options_.max_attempts);
    bool fresh_only = false;
    std::string previous;
    std::optional<Error> sent;  ///< How the last attempt that went out ended.
    for (int number = 1;; ++number) {
        const bool admitted = co_await pass_rate_limit(request, stop);
        if (!admitted) co_return std::unexpected(with_previous_attempt(stopped(request), previous));
        Attempt tried = co_await attempt(request, fresh_only, stop);
        // The server closes idle connections without telling us: very likely nothing happened there, but only what may
        // be repeated can rely on it.
        if (tried.stale && may_repeat) {
            sent = tried.result.error();
            fresh_only = true;
            tried = co_await attempt(request, fresh_only, stop);
        }
        Result<std::string> body;
        if (tried.result) {
            body = co_await read_answer(request, tried, stop);
        } else {
            body = std::unexpected(std::move(tried.result.error()));
        }
        if (body) co_return body;
        if (stop.stop_requested()) co_return std::unexpected(with_previous_attempt(stopped(request), previous));
        // Refused by `may_send` after an attempt that may have been carried out: that one's end is the answer.
        if (body.error().kind == ErrorKind::cancelled && sent) co_return std::unexpected(std::move(*sent));
        const auto delay = retries_.delay(body.error(), may_repeat);
        if (!delay || number >= max_attempts) {
            co_return std::unexpected(with_previous_attempt(std::move(body.error()), previous));
        }
        previous = body.error().message;
        sent = body.error();
        const std::string code =
            body.error().http_status == 0 ? std::string(kNoResponse) : std::to_string(body.error().http_status);
        if (options_.observer != nullptr) options_.observer->on_retry(request.method, host(), code);
        log::debug("client", "retrying",
                   {{"method", request.method}, {"path", request.path}, {"attempt", number}, {"error", previous}});
        const bool waited = co_await sleep_for(clock_, *delay, stop);
        if (!waited) co_return std::unexpected(with_previous_attempt(stopped(request), previous));
    }
}

asio::awaitable<Result<void>> Client::stream(ApiRequest request, std::function<Result<void>(std::string_view)> sink,
                                             std::stop_token stop) {
    const bool admitted = co_await pass_rate_limit(request, stop);
    if (!admitted) co_return std::unexpected(stopped(request));
    Attempt tried = co_await attempt(request, false, stop);
    if (tried.stale) tried = co_await attempt(request, true, stop);
    if (!tried.result) co_return std::unexpected(std::move(tried.result.error()));
    if (tried.result->status < 200 || tried.result->status >= 300) {
        const auto refusal = co_await read_answer(request, tried, stop);
        co_return std::unexpected(refusal.error());
    }
    if (auto accepted = require_accepted(request, *tried.result); !accepted) co_return accepted;
    auto& http = tried.connection->http;
    const std::stop_callback on_stop(stop, [&] { http.close(); });
    std::string piece;
    std::size_t received = 0;
    for (;;) {
        piece.clear();
        bool timed_out = false;
        // A deadline for each piece and not for all: a list of a hundred thousand objects may take minutes.
        const auto deadline = clock_.call_after(request.timeout.value_or(options_.timeout), [&] {
            timed_out = true;
            http.close();
        });
        const auto more = co_await http.read_body(piece);
        if (timed_out) co_return std::unexpected(in_context(request, fail(ErrorKind::timeout, "body stalled").error()));
        if (!more) co_return std::unexpected(in_context(request, more.error()));
        received += piece.size();
        if (auto taken = sink(piece); !taken) co_return std::unexpected(in_context(request, std::move(taken.error())));
        if (!*more) break;
    }
    if (options_.observer != nullptr) options_.observer->on_response_size(request.method, host(), received);
    release(std::move(tried.connection));
    co_return Result<void>();
}

asio::awaitable<Result<std::unique_ptr<WatchStream>>> Client::watch(ApiRequest request, Duration limit,
                                                                    std::stop_token stop) {
    Attempt tried = co_await attempt(request, true, stop);
    if (!tried.result) co_return std::unexpected(std::move(tried.result.error()));
    if (tried.result->status != 200) {
        auto refusal = co_await read_answer(request, tried, stop);
        if (!refusal) co_return std::unexpected(std::move(refusal.error()));
        co_return fail(ErrorKind::malformed, name_of(request) + ": a watch was answered with another success than 200");
    }
    if (auto accepted = require_accepted(request, *tried.result); !accepted) {
        co_return std::unexpected(std::move(accepted.error()));
    }
    auto http = std::make_unique<HttpClientConnection>(std::move(tried.connection->http));
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
