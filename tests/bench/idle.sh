#!/usr/bin/env bash
# What the operator costs while nothing happens, with so many Pods in the cluster: memory, requests, processor time.
# Usage: idle.sh [SECONDS [PODS...]]   (60 s; 0, 1,000 and 50,000 Pods), after `run.sh` has built the programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/release
seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- 0 1000 50000
work=$(mktemp -d)
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh

give_up() { echo "idle: $1" >&2; tail -n 5 "$work"/*.err >&2; exit 1; }
trap 'end_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

requests() { curl -sf "http://127.0.0.1:$metrics_port/metrics" | awk '/^rest_client_requests_total/ { sum += $NF } END { print sum + 0 }'; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
kib() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"; }

strip -o "$work/operator" "$build/cmd/endoscope-operator"
echo "idle for $seconds s (budget: 12 MiB of RSS, 1 request/s, 0.1 % of a core, whatever the Pods)"
for pods in "$@"; do
  rm -f "$work"/*.out
  start_cluster model
  "$build/tests/bench/endoscope-bench-cluster" "$work/admin.kubeconfig" pods "$pods" || give_up "no Pods"
  metrics_port=$(free_port)
  # As `run` does: several replicas, one of which leads.
  start operator "$work/operator" dev --leader-elect --kubeconfig "$work/admin.kubeconfig" --webhook-port 0 \
    --metrics-bind-address "127.0.0.1:$metrics_port" --health-probe-bind-address 0
  wait_for 60 "the operator" says_ready "$work/operator.out"
  pid=${pids[-1]}
  sleep 95 # start-up memory is given back after 90 s
  begin=$(requests)
  # The look at the metrics is no part of being idle: what it needs goes before the count of processor time begins.
  cpu=$(ticks "$pid")
  sleep "$seconds"
  cpu=$(($(ticks "$pid") - cpu))
  rss="$(kib "$pid" VmRSS) $(kib "$pid" RssAnon) $(kib "$pid" RssFile)"
  end=$(requests)
  # shellcheck disable=SC2086 # three words
  awk -v pods="$pods" -v s="$seconds" -v hz="$(getconf CLK_TCK)" -v n=$((end - begin)) -v cpu="$cpu" 'BEGIN {
    printf "%6d Pods: RSS %.1f MiB (anonymous %.1f, of files %.1f)  %.2f requests/s  %.3f %% of a core\n",
      pods, ARGV[1] / 1024, ARGV[2] / 1024, ARGV[3] / 1024, n / s, 100 * cpu / hz / s }' $rss
  end_all
  pids=()
done
