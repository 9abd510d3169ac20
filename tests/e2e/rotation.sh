#!/usr/bin/env bash
# A steady stream of requests while the CA, its certificates and the seal key are replaced every 20 seconds: no apply may
# fail, and no request be denied. Not part of `make test`, since it takes its time: rotation.sh model|real [SECONDS]  (300)
set -euo pipefail
cd "$(dirname "$0")/../.."
cluster=${1:?model or real}
seconds=${2:-300}
build=build/release
work=$(mktemp -d)
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh

give_up() { echo "FAILED: $1" >&2; tail -n 20 "$work"/operator.err "$work"/apiserver.err >&2; exit 1; }
trap 'end_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

start_cluster "$cluster" alice
# A CA is replaced when two thirds of its life are over, a certificate likewise.
start_operator "$build/cmd/endoscope-operator" --webhook-ca-lifetime 30s --webhook-certificate-lifetime 10s \
  --seal-key-rotation 20s --seal-key-refresh 2s --seal-key-retention 30s
admin apply -f manifests/examples/target-pod.yaml -f manifests/examples/rbac-alice.yaml >/dev/null
admin apply -f - >/dev/null <<'YAML'
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: production}
spec:
  namespaces: {names: [production]}
  images: {allow: ["registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:*"]}
  profiles: [restricted, baseline]
  limits: {maxPerPod: 100, maxActivePerNamespace: 10000, maxActivePerRequester: 10000}
YAML
runs() { [ "$(admin get pod -n production "$1" -o 'jsonpath={.status.phase}')" = Running ]; }
wait_for 60 "the Pod to run" runs nginx-debug-demo

# Ephemeral containers stay in their Pod for good, so every fifty requests get another one.
new_pod() {
  sed "s/nginx-debug-demo/$1/" manifests/examples/target-pod.yaml | admin apply -f - >/dev/null
  wait_for 60 "the Pod $1 to run" runs "$1"
}
count=0 failed=0 pod=
end=$((SECONDS + seconds))
while [ "$SECONDS" -lt "$end" ]; do
  if [ $((count % 50)) -eq 0 ]; then
    pod=web-$((count / 50))
    new_pod "$pod"
  fi
  count=$((count + 1))
  sed "s/nginx-debug-demo/$pod/; s/checkout-502/r-$count/" manifests/examples/debugrequest.yaml |
    kubectl --kubeconfig "$work/alice.kubeconfig" apply -f - >/dev/null 2>>"$work/refused" || failed=$((failed + 1))
done
all_judged() {
  ! admin get dbr -n production -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' | grep -qE '^(Pending)?$'
}
wait_for 60 "every request to be judged" all_judged

metric() { curl -sf "http://127.0.0.1:$metrics_port/metrics" | awk -v name="$1" 'index($1, name) == 1 { sum += $2 } END { print sum + 0 }'; }
said() { grep -c "$1" "$work/operator.err" || true; }
phases=$(admin get dbr -n production -o 'jsonpath={range .items[*]}{.status.phase} {.status.reason}{"\n"}{end}' | sort | uniq -c)
echo "$count requests in $seconds s, $failed refused at admission"
echo "seal keys replaced: $(metric endoscope_seal_key_rotations_total), caBundles written: $(said 'wrote the caBundle')"
echo "$phases"
[ "$failed" -eq 0 ] || { sort "$work/refused" | uniq -c >&2; give_up "requests were refused"; }
! grep -q Denied <<<"$phases" || give_up "requests were denied"
