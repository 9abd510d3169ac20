#pragma once

#include "kube/base/clock.hpp"
#include "kube/net/byte_stream.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kube {

/// Header fields in order. Look-up ignores case; the first match wins.
class HttpHeaders {
  public:
    void set(std::string name, std::string value);      ///< Replaces an equal name, else appends.
    void add(std::string name, std::string value);      ///< Appends.
    std::string_view get(std::string_view name) const;  ///< Empty when absent.
    std::vector<std::string_view> get_all(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpRequest {
    std::string method = "GET";
    std::string target = "/";  ///< Path and query, percent-encoded.
    HttpHeaders headers;
    std::string body;
};

struct HttpResponse {
    int status = 200;
    HttpHeaders headers;
    std::string body;
};

/// The client's side of one HTTP/1.1 connection: one request at a time, the body read piece by piece. No time-outs of
/// its own: the caller closes the stream. Parsing is Beast's, fed with bytes, so it needs no socket.
class HttpClientConnection {
  public:
    explicit HttpClientConnection(std::unique_ptr<ByteStream> stream);
    ~HttpClientConnection();
    HttpClientConnection(HttpClientConnection&&) noexcept;
    HttpClientConnection& operator=(HttpClientConnection&&) noexcept;

    /// Sends the request and reads the response's head (`body` stays empty). Adds Host (from `host`) and
    /// Content-Length. `reached_peer()` afterwards tells whether any response byte arrived, i.e. whether a stale
    /// connection is ruled out.
    boost::asio::awaitable<Result<HttpResponse>> send(const HttpRequest& request, std::string_view host);
    /// Appends the next piece of the body to `out`; false at its end. A body cut short is `ErrorKind::transport`.
    boost::asio::awaitable<Result<bool>> read_body(std::string& out);
    /// The whole body, at most `limit` bytes (else `ErrorKind::malformed`).
    boost::asio::awaitable<Result<std::string>> read_whole_body(std::size_t limit);

    bool reached_peer() const;
    /// The last response was read to its end and the server keeps the connection open.
    bool reusable() const;
    void close() noexcept;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// What a handler answers with: either one `respond`, or `begin` and any number of `write` calls (chunked).
class HttpResponseWriter {
  public:
    virtual ~HttpResponseWriter() = default;
    /// Header and body in one write: two would cost a delayed ACK of 40 ms.
    virtual boost::asio::awaitable<Result<void>> respond(HttpResponse response) = 0;
    virtual boost::asio::awaitable<Result<void>> begin(int status, HttpHeaders headers) = 0;
    virtual boost::asio::awaitable<Result<void>> write(std::string_view chunk) = 0;
    /// Cuts the connection without finishing the response (fault injection, hopeless peers).
    virtual void abort() noexcept = 0;
};

/// Everything a handler may know about a request.
struct HttpExchange {
    HttpRequest request;
    std::optional<PeerCertificate> peer;
    std::stop_token stop;  ///< Requested when the server shuts down or the peer of a stream leaves: streams end then.
};

using HttpHandler = std::function<boost::asio::awaitable<void>(const HttpExchange&, HttpResponseWriter&)>;

/// Told about callers that a server turns away. Words: `handshake` (TLS failed), `client_certificate` (see
/// `HttpServerOptions::check_peer`), `connections` and `memory` (closed to make room for others).
class HttpServerObserver {
  public:
    virtual ~HttpServerObserver() = default;
    virtual void on_refused(std::string_view why) = 0;
};

struct HttpServerOptions {
    std::size_t max_body_bytes = std::size_t{7} << 20;  ///< More answers 413 and closes.
    std::size_t max_total_body_bytes = std::size_t{64}
                                       << 20;              ///< Of all connections: more closes the longest unfinished.
    std::size_t max_header_bytes = std::size_t{64} << 10;  ///< More answers 431 and closes.
    /// For more, the connection that has been without a complete request for longest is closed; one whose request is
    /// being answered never is.
    std::size_t max_connections = 2000;
    std::size_t max_requests = 0;                        ///< Of one connection, which is closed then; 0 = any number.
    Duration header_timeout = std::chrono::seconds(10);  ///< From the first byte of a request to the end of its header.
    Duration body_timeout = std::chrono::seconds(30);    ///< For a whole body, and for each write of an answer.
    Duration idle_timeout = std::chrono::seconds(120);   ///< Between requests of one connection.
    /// Who may call: empty = yes, else why not, which is logged and answered 403 before any body is read. Null:
    /// anybody.
    std::function<std::string(const std::optional<PeerCertificate>&)> check_peer = nullptr;
    HttpServerObserver* observer = nullptr;  ///< May be null; outlives the server.
};

/// Serves connections of a listener until stopped.
class HttpServer {
  public:
    HttpServer(boost::asio::any_io_executor executor, Clock& clock, std::unique_ptr<Listener> listener,
               HttpHandler handler, HttpServerOptions options = {});
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    unsigned short port() const;
    /// Accepts until `stop`; then closes the listener, lets running exchanges finish for `drain`, cuts the rest and
    /// returns. Exceptions of a handler are answered with 500 and logged.
    boost::asio::awaitable<void> run(std::stop_token stop, Duration drain = std::chrono::seconds(5));

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// Serves one already established stream (handshake done) until it ends: what `HttpServer` does for each connection,
/// for streams that have no listener (the simulation's).
boost::asio::awaitable<void> serve_http(Clock& clock, ByteStream& stream, HttpHandler handler,
                                        HttpServerOptions options, std::stop_token stop);

}  // namespace kube
