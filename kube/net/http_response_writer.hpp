#pragma once

// Private to the HTTP code of this folder.

#include "kube/net/http.hpp"

namespace kube {

/// Writes the answer to one request. The session looks at it afterwards to decide what becomes of the connection.
class ResponseWriter final : public HttpResponseWriter {
  public:
    struct Request {
        bool head = false;        ///< A HEAD request: no body goes out.
        bool http_11 = true;      ///< HTTP/1.0 knows no chunks and closes by default.
        bool keep_alive = false;  ///< The client wants the connection to stay.
    };

    /// `on_streaming` is called once when `begin` succeeded; `closing` is asked when the head is written.
    ResponseWriter(Clock& clock, ByteStream& stream, Request request, Duration write_timeout,
                   std::function<void()> on_streaming, std::function<bool()> closing);

    boost::asio::awaitable<Result<void>> respond(HttpResponse response) override;
    boost::asio::awaitable<Result<void>> begin(int status, HttpHeaders headers) override;
    boost::asio::awaitable<Result<void>> write(std::string_view chunk) override;
    void abort() noexcept override;
    /// Ends a chunked answer.
    boost::asio::awaitable<Result<void>> finish();

    bool started() const { return state_ != State::fresh; }
    bool keeps_connection() const { return state_ == State::finished && keep_alive_; }

  private:
    enum class State { fresh, streaming, finished, broken };
    Result<std::string> head(int status, const HttpHeaders& headers);
    boost::asio::awaitable<Result<void>> send(std::string bytes, State next);

    Clock& clock_;
    ByteStream& stream_;
    Request request_;
    Duration write_timeout_;
    std::function<void()> on_streaming_;
    std::function<bool()> closing_;
    State state_ = State::fresh;
    bool keep_alive_ = false;
    bool chunked_ = false;
    bool has_body_ = true;
};

}  // namespace kube
