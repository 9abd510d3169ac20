#pragma once

#include "tests/simulation/checks.hpp"
#include "tests/simulation/kubelet.hpp"
#include "tests/simulation/operator_process.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

struct Outcome {
    std::optional<Violation> violation;
    std::uint64_t steps = 0;         ///< Handlers run, of all processes.
    std::uint64_t calls = 0;         ///< Requests that reached the API server.
    kube::Duration simulated{};      ///< Virtual time that passed.
    std::uint64_t fingerprint = 0;   ///< Of everything that was called and answered: equal for equal plans.
    std::vector<std::string> trace;  ///< When asked for.
};

/// Runs a plan: a cluster with the operator's replicas in it, in one thread, under a virtual clock, to its rest or to
/// the first broken invariant.
Outcome run(const Plan& plan, bool with_trace);

}  // namespace simulation
