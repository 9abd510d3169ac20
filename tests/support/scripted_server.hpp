#pragma once

#include "kube/net/http.hpp"
#include "tests/support/memory_stream.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kube::test {

/// A server that answers with what a test has scripted, request by request, over memory streams.
class ScriptedServer {
  public:
    /// One answer; the exchange ends when the function's coroutine does.
    using Answer = std::function<boost::asio::awaitable<void>(const HttpExchange&, HttpResponseWriter&)>;

    ScriptedServer(boost::asio::any_io_executor executor, Clock& clock);

    /// Appends an answer. When the script is over, requests are answered 500.
    void on_next(Answer answer) { script_.push_back(std::move(answer)); }
    void reply(int status, std::string body, HttpHeaders headers = {});
    /// The connection ends without a byte of an answer.
    void drop();
    /// Sends `chunks` one after the other and ends the response.
    void stream(std::vector<std::string> chunks);
    /// Sends `chunks` and keeps the response open until the client leaves.
    void stream_open(std::vector<std::string> chunks);

    std::shared_ptr<Transport> transport();
    /// "METHOD target" of every request so far.
    const std::vector<std::string>& requests() const { return requests_; }
    const std::vector<HttpRequest>& received() const { return received_; }
    int connections() const { return connections_; }

  private:
    boost::asio::awaitable<void> serve(std::unique_ptr<MemoryStream> stream);
    boost::asio::awaitable<void> answer(const HttpExchange& exchange, HttpResponseWriter& writer);

    boost::asio::any_io_executor executor_;
    Clock& clock_;
    std::deque<Answer> script_;
    std::vector<std::string> requests_;
    std::vector<HttpRequest> received_;
    int connections_ = 0;
};

}  // namespace kube::test
