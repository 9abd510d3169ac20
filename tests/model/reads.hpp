#pragma once

#include "kube/base/signal.hpp"
#include "kube/net/http.hpp"
#include "tests/model/cluster.hpp"
#include "tests/model/reply.hpp"
#include "tests/model/selector.hpp"

#include <boost/asio/awaitable.hpp>

namespace model {

struct WatchOptions {
    kube::Duration bookmark_interval = std::chrono::seconds(60);
    kube::Duration default_timeout = std::chrono::minutes(30);
};

/// GET, LIST and WATCH.
class Reads {
  public:
    /// `changed` is notified after every write and must outlive this.
    Reads(Cluster& cluster, kube::Signal& changed, WatchOptions options)
        : cluster_(cluster), changed_(changed), options_(options) {}

    /// Not older than the resourceVersion of the request, if there is one.
    boost::asio::awaitable<Outcome<Reply>> get(const Request& request);
    boost::asio::awaitable<Outcome<Reply>> list(const Request& request);
    /// Streams until the time-out, a stop, or the client goes away. An error means that nothing was sent yet.
    boost::asio::awaitable<Outcome<void>> watch(const Request& request, kube::HttpResponseWriter& writer,
                                                kube::HttpHeaders headers);
    /// `object` (a view) as the request's Accept header wants it.
    Json render(const Request& request, const Json& object) const;

  private:
    struct Filter {
        LabelSelector labels;
        FieldSelector fields;
        bool matches(const Json& view) const { return labels.matches(view) && fields.matches(view); }
    };
    Outcome<Filter> filter_of(const Request& request) const;
    /// Suspends until `version` exists, at most 3 s.
    boost::asio::awaitable<bool> wait_for_version(std::uint64_t version, std::stop_token stop);
    Json list_json(const Request& request, std::vector<Json> items, std::uint64_t version, const std::string& token,
                   std::size_t remaining) const;
    std::string event_line(const Request& request, const char* type, const Json& object, bool& first) const;
    std::string bookmark_line(const Request& request, std::uint64_t version, bool initial_end) const;
    std::string change_line(const Request& request, const Filter& filter, const Change& change, bool& first) const;

    Cluster& cluster_;
    kube::Signal& changed_;
    WatchOptions options_;
};

/// A resourceVersion parameter: nothing when absent, an error when not a number.
Outcome<std::optional<std::uint64_t>> parse_version(const std::string& text);
/// What a get and a watch answer to one that is not a number: a real API server takes it for a failure of its own.
ApiError unreadable_version(const std::string& text);
/// Another numeric parameter, which may be negative.
Outcome<std::optional<std::int64_t>> parse_number(const std::string& text);

}  // namespace model
