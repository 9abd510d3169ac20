#pragma once

#include "kube/base/clock.hpp"
#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

namespace endoscope::bench {

/// Creates one object; false, with a line on stderr, when the API server refuses it.
boost::asio::awaitable<bool> create(kube::Client& client, std::string collection, nlohmann::json object);

/// Creates the namespace `ns` and `count` small Pods "pod-0", "pod-1" ... in it, several at a time.
boost::asio::awaitable<bool> create_pods(kube::Client& client, std::string ns, std::int64_t count);

struct LatencyOptions {
    std::int64_t requests = 300;
    kube::Duration pause = std::chrono::milliseconds(50);  ///< Between two of a kind.
};

/// How long requests take from created to Running as a watch sees it: the operator's DebugRequests, and beside them, in
/// turn, objects of a kind of the bench's own that a bare loop serves with the same calls. Prints both; false when some
/// did not get there.
boost::asio::awaitable<bool> measure_latency(kube::Client& client, kube::Clock& clock, LatencyOptions options);

struct AdmissionOptions {
    std::int64_t reviews = 10000;
    int clients = 200;  ///< At the same time.
};

/// How long the installed mutating webhook takes to review, asked by many clients at the same time. Prints it; false
/// when a review failed.
boost::asio::awaitable<bool> measure_admission(kube::Client& client, kube::Clock& clock, AdmissionOptions options);

}  // namespace endoscope::bench
