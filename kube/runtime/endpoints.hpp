#pragma once

#include "kube/net/http.hpp"
#include "kube/runtime/metrics.hpp"

#include <functional>
#include <map>
#include <string>

namespace kube {

/// A health check: empty when healthy, else why not (logged, not shown to callers).
using HealthCheck = std::function<std::string()>;

/// `/healthz` (and `/livez`, the same) and `/readyz`, with `?verbose`, `?exclude=<check>` and `/readyz/<check>`,
/// answered as controller-runtime answers them: "ok", or a line per check and 503 for readiness, 500 for liveness.
/// Without a check there is one that is called `ping` and always passes. Source: controller-runtime pkg/healthz.
HttpHandler make_health_handler(std::map<std::string, HealthCheck> live, std::map<std::string, HealthCheck> ready);

/// Fails when wall clock and monotonic clock have drifted apart by five minutes since it was made: the machine was
/// suspended or its clock set, and timers and certificates cannot be relied upon (cert-manager pkg/healthz). `clock`
/// must outlive it.
HealthCheck make_clock_check(const Clock& clock);

/// `/metrics` of `registry`; anything else is 404. `before_scrape` may refresh gauges.
HttpHandler make_metrics_handler(Registry registry, std::function<void()> before_scrape);

}  // namespace kube
