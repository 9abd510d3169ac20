#!/usr/bin/env bash
# Builds the benchmarks in release and runs them all, some ten minutes. With arguments only Google Benchmark's, which
# get them: e.g. --benchmark_filter=verdict --benchmark_repetitions=5. Ends with 1 if one could not be measured.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build
{ cmake --preset release && cmake --build --preset release --parallel "$(nproc)" --target endoscope-bench \
  endoscope-bench-memory endoscope-bench-cluster endoscope-operator model-apiserver; } \
  >build/bench.build.log 2>&1 || { tail -n 60 build/bench.build.log; exit 1; }
# One processor where that can be had: moving between two costs more than what is measured.
pin=()
if command -v taskset >/dev/null 2>&1; then pin=(taskset -c "$(($(nproc) - 1))"); fi
"${pin[@]}" build/release/tests/bench/endoscope-bench "$@"
[ $# -eq 0 ] || exit 0

title() { printf '\n== %s\n' "$*"; }
title "memory of 100,000 DebugRequests (budget: 2 KiB of RSS each, peak twice the steady size)"
build/release/tests/bench/endoscope-bench-memory 100000 Succeeded
build/release/tests/bench/endoscope-bench-memory 100000 Running
title "created to Running"
tests/bench/latency.sh
title "admission"
tests/bench/admission.sh
title "idle"
tests/bench/idle.sh
