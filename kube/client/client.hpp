#pragma once

#include "kube/base/clock.hpp"
#include "kube/client/credentials.hpp"
#include "kube/client/rate_limiter.hpp"
#include "kube/client/retry.hpp"
#include "kube/client/warning.hpp"
#include "kube/client/watch_decoder.hpp"
#include "kube/net/http.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kube {

/// Query parameters in order; values are percent-encoded by the client.
using Query = std::vector<std::pair<std::string, std::string>>;

/// The media types of PATCH.
namespace patch {
inline constexpr std::string_view kMerge = "application/merge-patch+json";
inline constexpr std::string_view kStrategicMerge = "application/strategic-merge-patch+json";  ///< built-in types only
inline constexpr std::string_view kJson = "application/json-patch+json";
inline constexpr std::string_view kApply = "application/apply-patch+yaml";  ///< needs `fieldManager`
}  // namespace patch

struct ApiRequest {
    std::string method = "GET";
    std::string path;  ///< Percent-encoded where needed, without query.
    Query query;
    std::string body;
    std::string content_type = "application/json";
    /// The media type of a success; `stream` and `watch` take no other. Refusals are JSON in any case.
    std::string_view accept = "application/json";
    /// The write may be sent twice without a second effect, so it is retried after a broken connection. GETs always
    /// are.
    bool idempotent = false;
    std::optional<Duration> timeout;  ///< Instead of the client's default.
    std::optional<int> max_attempts;  ///< Likewise.
    RequestPriority priority = RequestPriority::normal;
    /// Asked right before each attempt is sent, after any wait for a connection: false ends the call, as cancelled, or
    /// as the attempt before it ended, which may have been carried out. For writes that only a leader may make.
    std::function<bool()> may_send = {};
};

/// Told about every attempt: the source of `rest_client_*` metrics. `code` is the HTTP status or "<error>" when no
/// response came.
class RequestObserver {
  public:
    virtual ~RequestObserver() = default;
    /// `elapsed`: until the head of the response.
    virtual void on_request(std::string_view method, std::string_view host, std::string_view code,
                            Duration elapsed) = 0;
    /// The attempt that ended with `code` is followed by another.
    virtual void on_retry(std::string_view /*method*/, std::string_view /*host*/, std::string_view /*code*/) {}
    /// The body of a request that got a response.
    virtual void on_request_size(std::string_view /*method*/, std::string_view /*host*/, std::size_t /*bytes*/) {}
    /// The body of a response, watches excepted.
    virtual void on_response_size(std::string_view /*method*/, std::string_view /*host*/, std::size_t /*bytes*/) {}
    /// How long the client's own rate limit held an attempt back; also when it did not.
    virtual void on_rate_limited(std::string_view /*method*/, std::string_view /*host*/, Duration /*waited*/) {}
};

struct ClientOptions {
    std::string user_agent;                        ///< Becomes the field manager's default and shows in audit logs.
    std::string field_manager;                     ///< Sent with every write.
    std::string path_prefix;                       ///< From the kubeconfig's server URL.
    Duration timeout = std::chrono::seconds(30);   ///< Of one attempt, watches excepted.
    Duration max_idle = std::chrono::seconds(60);  ///< kube-apiserver closes idle connections after 90 s.
    /// Connections are reused for half of this time up to all of it, so that an HA control plane stays balanced
    /// without GOAWAY, which HTTP/1.1 has not.
    Duration max_age = std::chrono::minutes(10);
    std::size_t max_body_bytes = std::size_t{256} << 20;
    int max_attempts = 10;
    /// Requests a second on average and at once, watches and `RequestPriority::exempt` aside. 0 = unlimited, which is
    /// the default of controller-runtime as well: API Priority and Fairness protects the server better.
    double qps = 0;
    int burst = 10;
    std::uint64_t seed = 0;               ///< Of the jitter.
    RequestObserver* observer = nullptr;  ///< Must outlive the client.
};

/// A running watch on its own connection.
class WatchStream {
  public:
    WatchStream(std::unique_ptr<HttpClientConnection> connection, Clock& clock, Duration limit);
    ~WatchStream();
    WatchStream(const WatchStream&) = delete;
    WatchStream& operator=(const WatchStream&) = delete;

    /// The next document, valid until the next call; nothing at a clean end of stream or once the limit has passed.
    boost::asio::awaitable<Result<std::optional<std::string_view>>> next(std::stop_token stop);

  private:
    std::unique_ptr<HttpClientConnection> connection_;
    WatchLines lines_;
    bool limit_passed_ = false;
    std::unique_ptr<Timer> limit_;
};

/// Talks to one API server over HTTP/1.1: a pool of keep-alive connections, deadlines, typed errors, bounded retries.
/// Not thread-safe: everything runs on the I/O thread. Calls may run at the same time, each on its own connection.
class Client {
  public:
    Client(std::shared_ptr<Transport> transport, Clock& clock, ClientOptions options,
           std::shared_ptr<Credentials> credentials = nullptr);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Sends and returns the body of a 2xx answer. Retries 429 and 5xx that carry `Retry-After`, and broken connections
    /// where that is safe (see `RetryPolicy`); anything else comes back as a typed error at once. A stop cancels at
    /// every point. Every attempt passes the rate limit.
    boost::asio::awaitable<Result<std::string>> call(ApiRequest request, std::stop_token stop = {});

    /// GET whose body is handed over piece by piece: of a list (see `ListSplitter`) or a log. Never retried here. The
    /// request's timeout bounds the head and then the wait for each piece. An error of the sink ends the call.
    boost::asio::awaitable<Result<void>> stream(ApiRequest request, std::function<Result<void>(std::string_view)> sink,
                                                std::stop_token stop = {});

    /// Opens a watch. `request.query` must hold `watch=1`; `limit` bounds its life on our side, because HTTP/1.1 has no
    /// PING and a dead peer is silent.
    boost::asio::awaitable<Result<std::unique_ptr<WatchStream>>> watch(ApiRequest request, Duration limit,
                                                                       std::stop_token stop);

    std::string_view host() const;
    std::size_t idle_connections() const { return idle_.size(); }

  private:
    struct Pooled;
    struct Attempt;
    boost::asio::awaitable<Result<std::unique_ptr<Pooled>>> acquire(bool fresh_only, std::stop_token stop);
    boost::asio::awaitable<Attempt> attempt(const ApiRequest& request, bool fresh_only, std::stop_token stop);
    void release(std::unique_ptr<Pooled> connection);
    /// Closes what has been idle for too long: a TLS connection costs 70 KiB, and the server's end costs it as much.
    void reap();
    HttpRequest to_http(const ApiRequest& request, HttpHeaders headers) const;
    void observe(const ApiRequest& request, std::string_view code, SteadyTime started);
    boost::asio::awaitable<bool> pass_rate_limit(const ApiRequest& request, std::stop_token stop);
    boost::asio::awaitable<Result<std::string>> read_answer(const ApiRequest& request, Attempt& tried,
                                                            std::stop_token stop);
    void note_headers(const ApiRequest& request, const HttpResponse& head);
    Duration draw_max_age();

    std::shared_ptr<Transport> transport_;
    Clock& clock_;
    ClientOptions options_;
    std::shared_ptr<Credentials> credentials_;
    std::unique_ptr<RateLimiter> limiter_;  ///< Null: unlimited.
    RetryPolicy retries_;
    WarningMemory warnings_;
    std::mt19937_64 random_;
    std::list<std::unique_ptr<Pooled>> idle_;  ///< Most recently used first.
    std::unique_ptr<Timer> reap_;              ///< While there are any.
};

/// Percent-encodes everything but unreserved characters (RFC 3986).
std::string percent_encode(std::string_view text);

}  // namespace kube
