#pragma once

#include "kube/net/http.hpp"
#include "kube/runtime/metrics.hpp"

#include <functional>
#include <map>
#include <string>

namespace kube {

/// A health check: empty when healthy, else why not (logged, not shown to callers).
using HealthCheck = std::function<std::string()>;

/// `/healthz` and `/readyz`, with `?verbose` and `/readyz/<check>`, answered as controller-runtime answers them: "ok",
/// or a line per check and 503 for readiness, 500 for liveness.
HttpHandler make_health_handler(std::map<std::string, HealthCheck> live, std::map<std::string, HealthCheck> ready);

/// `/metrics` of `registry`; anything else is 404. `before_scrape` may refresh gauges.
HttpHandler make_metrics_handler(Registry registry, std::function<void()> before_scrape);

}  // namespace kube
