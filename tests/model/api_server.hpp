#pragma once

#include "kube/net/http.hpp"
#include "tests/model/admission.hpp"
#include "tests/model/cluster.hpp"
#include "tests/model/reads.hpp"
#include "tests/model/writes.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace model {

struct ApiServerSettings {
    std::uint64_t seed = 1;
    std::size_t history_limit = 20000;  ///< Older changes can no longer be watched from (410).
    Tokens tokens;                      ///< Static bearer tokens.
    WatchOptions watch;
    TransportFactory transports;  ///< How webhooks are reached. Empty: TCP with TLS.
};

/// A test double of kube-apiserver: see README.md for what it does, and what it refuses. All on one I/O thread; time
/// only from `clock`; the same seed and requests give the same answers.
class ApiServer {
  public:
    ApiServer(boost::asio::any_io_executor executor, kube::Clock& clock, ApiServerSettings settings = {});
    ~ApiServer();
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;

    /// Serves one exchange. Never throws.
    boost::asio::awaitable<void> handle(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer);
    /// `handle` as a handler; this must outlive it.
    kube::HttpHandler handler();
    /// Suspends until no webhook call is under way; needed before destruction.
    boost::asio::awaitable<void> join() { return admission_.join(); }

    /// For tests: state may be read and written directly.
    Cluster& cluster() { return cluster_; }

  private:
    boost::asio::awaitable<Outcome<Reply>> dispatch(Request& request);
    boost::asio::awaitable<void> serve(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer);
    std::optional<Reply> non_resource(const std::string& path) const;
    Outcome<Request> accept(const kube::HttpExchange& exchange) const;
    void on_change(const Change& change);

    Cluster cluster_;
    kube::Signal changed_;
    Admission admission_;
    Writes writes_;
    Reads reads_;
};

}  // namespace model
