#!/usr/bin/env bash
# From created to Running: the operator beside a bare loop that makes the same calls, in one run.
# Usage: latency.sh [REQUESTS [RUNS]]   (300, 5), after `run.sh` has built the programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/release
work=$(mktemp -d)
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh

give_up() { echo "latency: $1" >&2; tail -n 5 "$work"/*.err >&2; exit 1; }
trap 'end_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "20 of each kind a second (budget: p99 1.25 times the bare loop's)"
for _ in $(seq "${2:-5}"); do
  rm -f "$work"/*.out
  # A kubelet that hardly waits, or its delay would hide the difference.
  start apiserver "$build/tests/model-apiserver" --dir "$work/cluster" --kubelet --start-delay-ms 5 --exit-with-parent
  wait_for 30 "the model API server" says_ready "$work/apiserver.out"
  cp "$work/cluster/admin.kubeconfig" "$work"
  start_operator "$build/cmd/endoscope-operator"
  "$build/tests/bench/endoscope-bench-cluster" "$work/admin.kubeconfig" latency "${1:-300}" | tee -a "$work/figures" ||
    give_up "not all got to run"
  end_all
  pids=()
done
# "... ratio p50 1.00 p99 1.00": one line for each run.
for column in 3 1; do
  awk -v back="$column" '/ratio/ { print $(NF - back + 1) }' "$work/figures" | sort -n | awk -v back="$column" '
    { value[NR] = $1 } END { printf "ratio %s, median of %d runs: %.2f\n", back == 1 ? "p99" : "p50", NR, value[int((NR + 1) / 2)] }'
done
