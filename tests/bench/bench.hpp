#pragma once

#include "tests/bench/allocation_count.hpp"

#include <benchmark/benchmark.h>
#include <cstdint>

namespace endoscope::bench {

/// Counts the allocations of a loop and reports them per item, with the number of items per second.
class Measurement final {
  public:
    Measurement(benchmark::State& state, std::int64_t items_per_iteration)
        : state_(state), items_(items_per_iteration), before_(allocation_count()) {}
    ~Measurement() {
        const auto items = items_ * static_cast<std::int64_t>(state_.iterations());
        const auto allocations = static_cast<double>(allocation_count() - before_);
        state_.SetItemsProcessed(items);
        state_.counters["allocs"] = benchmark::Counter(items > 0 ? allocations / static_cast<double>(items) : 0);
    }
    Measurement(const Measurement&) = delete;
    Measurement& operator=(const Measurement&) = delete;

  private:
    benchmark::State& state_;
    std::int64_t items_;
    std::uint64_t before_;
};

}  // namespace endoscope::bench
