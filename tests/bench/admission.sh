#!/usr/bin/env bash
# How long the webhooks take with 200 clients at the same time, and what memory they cost meanwhile and afterwards.
# Usage: admission.sh [REVIEWS [RUNS]]   (20000, 3), after `run.sh` has built the programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/release
work=$(mktemp -d)
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh

give_up() { echo "admission: $1" >&2; tail -n 5 "$work"/*.err >&2; exit 1; }
trap 'end_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

kib() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"; }

start_cluster model
start_operator "$build/cmd/endoscope-operator"
pid=${pids[-1]}
echo "before: RSS $(kib "$pid" VmRSS) KiB"
for _ in $(seq "${2:-3}"); do
  "$build/tests/bench/endoscope-bench-cluster" "$work/admin.kubeconfig" admission "${1:-20000}" || give_up "a review failed"
  echo "after: RSS $(kib "$pid" VmRSS) KiB, highest $(kib "$pid" VmHWM) KiB"
done
