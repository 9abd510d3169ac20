#!/usr/bin/env bash
# Builds the benchmarks in release and runs them; prints the figures and their ratios. Arguments go to Google Benchmark,
# e.g. --benchmark_filter=verdict --benchmark_repetitions=5. Ends with 1 if one could not be measured.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build
{ cmake --preset release && cmake --build --preset release --parallel "$(nproc)" --target endoscope-bench; } \
  >build/bench.build.log 2>&1 || { tail -n 60 build/bench.build.log; exit 1; }
# One processor where that can be had: moving between two costs more than what is measured.
pin=()
if command -v taskset >/dev/null 2>&1; then pin=(taskset -c "$(($(nproc) - 1))"); fi
exec "${pin[@]}" build/release/tests/bench/endoscope-bench "$@"
