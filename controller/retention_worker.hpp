#pragma once

#include "controller/audit.hpp"
#include "controller/cluster.hpp"
#include "controller/metrics.hpp"
#include "controller/stored_request.hpp"
#include "kube/base/clock.hpp"
#include "kube/runtime/store.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace endoscope::controller {

/// What removing finished requests reads and tells. References outlive it.
struct RetentionContext {
    kube::Clock& clock;
    Cluster& cluster;
    const kube::Store<CachedRequest>& requests;
    std::function<bool(const std::string& key)> is_followed;  ///< Its container has not been seen to end.
    Metrics& metrics;
    AuditLog& audit;
    kube::Duration retain;  ///< `--retain-finished`, more than 0.
    std::uint64_t seed = 0;
};

/// Removes the requests that `plan_retention` chooses, four a second at the most, until `stop`; the one under way is
/// then still finished, or given up at `abort`. Only for the replica that leads. One that changed meanwhile is looked
/// at again later. A missing right is told once, with the remedy.
boost::asio::awaitable<void> run_retention(RetentionContext context, std::stop_token stop, std::stop_token abort);

}  // namespace endoscope::controller
