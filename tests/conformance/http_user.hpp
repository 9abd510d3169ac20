#pragma once

#include "kube/net/http.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::conformance {

/// One user's connection to an API server: raw HTTP, so that nothing of kube::Client's treatment hides what the server
/// answers. Synchronous: each call runs the I/O loop, and with it the webhook server, until it is done.
class HttpUser {
  public:
    HttpUser(boost::asio::io_context& io, kube::Clock& clock, const std::string& kubeconfig);
    ~HttpUser();
    HttpUser(const HttpUser&) = delete;
    HttpUser& operator=(const HttpUser&) = delete;

    /// One exchange; throws std::runtime_error when there is no answer.
    kube::HttpResponse exchange(const kube::HttpRequest& request);

    /// A watch: the head of the answer, and a body that is read later.
    struct Stream {
        kube::HttpResponse head;
        std::unique_ptr<kube::HttpClientConnection> connection;
        std::string pending;  ///< Bytes of a line that is not complete.
        bool ended = false;
    };
    std::unique_ptr<Stream> open(const kube::HttpRequest& request);
    /// The next lines: at most `count`; fewer when the stream ends or is silent for 20 seconds. The stream cannot be
    /// read further after a silence.
    std::vector<std::string> read_lines(Stream& stream, std::size_t count);

  private:
    boost::asio::awaitable<void> exchange_once(const kube::HttpRequest& request, kube::HttpResponse& out);
    boost::asio::awaitable<void> begin(const kube::HttpRequest& request, Stream& stream);
    boost::asio::awaitable<void> read_more(Stream& stream, std::size_t count, std::vector<std::string>& lines);
    void run(boost::asio::awaitable<void> task);

    boost::asio::io_context& io_;
    kube::Clock& clock_;
    std::shared_ptr<kube::Transport> transport_;
    std::unique_ptr<kube::HttpClientConnection> connection_;
};

}  // namespace endoscope::conformance
