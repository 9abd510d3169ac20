#!/usr/bin/env bash
# Debug sessions on a real node, with a stock kubectl: node.sh BUILD_DIRECTORY [PART...]
# The parts are the files of tests/e2e/node; all of them without a name.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
parts=("${@:2}")
[ ${#parts[@]} -gt 0 ] || parts=(journeys failures endings policies trouble)
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh
# shellcheck source=tests/node/node.sh
. tests/node/node.sh
run_contained tests/e2e/node.sh "$build" "${parts[@]}"

give_up() {
  local log
  echo "FAILED: $1" >&2
  admin get dbr,pods -A -o wide >&2 || true
  for log in operator kubelet containerd registry; do
    [ -s "$work/$log.err" ] && { echo "--- $log" >&2; tail -n 10 "$work/$log.err" >&2; }
  done
  exit 1
}
trap 'exit 130' INT TERM

as() { kubectl --kubeconfig "$work/$1.kubeconfig" "${@:2}"; }
expect() { # expect WHAT ACTUAL PATTERN
  [[ $2 =~ $3 ]] || give_up "$1: expected /$3/, got: $2"
  echo "ok: $1"
}

# The namespace that the functions below speak of.
namespace=production
# pod NAME IMAGE [SPEC]: a Pod on our node. SPEC is more lines of its container, and of its own spec, as they are indented.
pod() {
  admin apply -f - <<YAML >/dev/null
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: $namespace}
spec:
  nodeName: $node_name
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: $2
${3:-}
YAML
}
pod_is() { [ "$(admin get pod -n "$namespace" "$1" -o 'jsonpath={.status.phase}')" = "$2" ]; }
pods_run() {
  local name
  for name in "$@"; do wait_for 120 "Pod $name to run" pod_is "$name" Running; done
}

tools=registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:1.0
# ask NAME POD SPEC: alice applies a DebugRequest; SPEC is the rest of its spec as a flow of YAML.
ask() {
  as alice apply -f - <<YAML >/dev/null 2>"$work/ask.err" || give_up "$1 was refused: $(cat "$work/ask.err")"
apiVersion: endoscope.dev/v1alpha1
kind: DebugRequest
metadata: {name: $1, namespace: $namespace}
spec: {reason: "INC-4711: node test", target: {podName: $2}, $3}
YAML
}
# what NAME FIELD: of the request's status.
what() { as alice get dbr -n "$namespace" "$1" -o "jsonpath={.status.$2}"; }
# outcome NAME: phase, reason and message.
outcome() { as alice get dbr -n "$namespace" "$1" -o 'jsonpath={.status.phase}/{.status.reason}: {.status.message}'; }
has_phase() { [[ $(what "$1" phase) =~ ^($2)$ ]]; }
has_ended() { has_phase "$1" 'Succeeded|Failed|Denied|Expired'; }
is_running() { has_phase "$1" Running; }
# ends WHAT NAME PATTERN: the request's outcome.
ends() {
  wait_for 120 "$2 to end" has_ended "$2"
  expect "$1" "$(outcome "$2")" "$3"
  [ -z "${SHOW_OUTCOMES:-}" ] || echo "    $(outcome "$2")"
}
runs() { # runs NAME...
  local name
  for name in "$@"; do
    wait_for 120 "$name to run or to end" has_phase "$name" 'Running|Succeeded|Failed|Denied|Expired'
    is_running "$name" || give_up "$name does not run: $(outcome "$name")"
  done
}
# By alice, as the status says it.
read_log() { KUBECONFIG=$work/alice.kubeconfig bash -c "$(what "$1" logsCommand)"; }
# With a terminal, whose input is our standard input: containerd refuses one that is none for a container that has one.
attach() { KUBECONFIG=$work/alice.kubeconfig timeout 30 script --quiet --command "$(what "$1" attachCommand)" /dev/null; }

start_node alice
start_operator "$build/cmd/endoscope-operator"
echo "ok: a node with containerd and a kubelet is ready after $SECONDS s"
for part in "${parts[@]}"; do
  began=$SECONDS
  # shellcheck disable=SC1090 # one of tests/e2e/node
  . "tests/e2e/node/$part.sh"
  echo "ok: $part ($((SECONDS - began)) s)"
done
