#!/usr/bin/env bash
# Tells Endoscope's story once, checks every step of it, and leaves nothing behind.
#   make demo                   on the built-in model API server (a test double; needs nothing but the build)
#   make demo CLUSTER=real      on a real kube-apiserver and etcd (needs Go to build them once)
#   KUBECONFIG=... make demo    on your cluster, in a namespace of the demo's own
set -euo pipefail
cd "$(dirname "$0")/../.."

cluster=${CLUSTER:-}
[ -n "$cluster" ] || { [ -n "${KUBECONFIG:-}" ] && cluster=yours || cluster=model; }
work=$(mktemp -d)
build=build/release
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh
namespace=production
image=registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:1.0
pod=nginx-debug-demo

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
indent() { sed 's/^/    /'; }
give_up() {
  printf '\ndemo: %s\n' "$1" >&2
  for log in operator apiserver kubelet; do
    [ -s "$work/$log.err" ] && { echo "--- $log" >&2; tail -n 15 "$work/$log.err" >&2; }
  done
  exit 1
}
# shellcheck disable=SC2317 # called by trap
clean_up() {
  local status=$?
  trap - EXIT INT TERM
  if [ "$cluster" = yours ]; then
    admin delete namespace "$namespace" --wait=false >/dev/null 2>&1 || true
    admin delete debugpolicy "$namespace" >/dev/null 2>&1 || true
  fi
  end_all
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

as_alice() { kubectl --kubeconfig "$work/alice.kubeconfig" "$@"; }
status_of() { admin get debugrequest -n "$namespace" "$1" -o "jsonpath={.status.$2}"; }
metrics() { curl -sf "http://127.0.0.1:$metrics_port/metrics" | grep '^endoscope_debug_requests_total\|^endoscope_verdicts_total\|^endoscope_admission_requests_total\|^endoscope_.*_duration_seconds_count' || true; }
case $cluster in
  model)
    bold "A cluster: the built-in model API server (a test double of kube-apiserver, with a pretend kubelet)"
    start_cluster model alice
    ;;
  real)
    bold "A cluster: a real kube-apiserver and etcd (no nodes: a pretend kubelet reports the containers' states)"
    start_cluster real alice
    ;;
  yours)
    namespace=endoscope-demo-$RANDOM
    bold "Your cluster (KUBECONFIG): namespace $namespace, DebugPolicy $namespace, the CRDs and webhooks that point at this machine"
    kubectl config view --raw --minify --flatten >"$work/admin.kubeconfig"
    cp "$work/admin.kubeconfig" "$work/alice.kubeconfig"
    # Your own credentials may impersonate; there is no certificate for alice on a cluster that is not ours.
    as_alice() { kubectl --kubeconfig "$work/admin.kubeconfig" --as alice --as-group developers --as-group system:authenticated "$@"; }
    ;;
  *) give_up "CLUSTER is model, real or yours, not $cluster" ;;
esac
unset KUBECONFIG

bold "The operator"
echo "    \$ endoscope-operator dev --kubeconfig ..."
start_operator bin/endoscope-operator
echo "    ready"

bold "1. A Pod that somebody will want to debug"
sed "s/production/$namespace/g" manifests/examples/target-pod.yaml >"$work/pod.yaml"
admin apply -f "$work/pod.yaml" | indent
pod_runs() { [ "$(admin get pod -n "$namespace" "$pod" -o 'jsonpath={.status.phase}')" = Running ]; }
wait_for 90 "Pod $pod to run" pod_runs
admin get pod -n "$namespace" "$pod" | indent

bold "2. What is allowed there, and alice's rights"
sed "s/production/$namespace/g" manifests/examples/debugpolicy.yaml | tee "$work/policy.yaml" | grep -v '^ *#' | indent
admin apply -f "$work/policy.yaml" >/dev/null
sed "s/namespace: production/namespace: $namespace/" manifests/examples/rbac-alice.yaml | admin apply -f - | indent

before=$(metrics)
bold "3. alice asks"
sed "s/namespace: production/namespace: $namespace/" manifests/examples/debugrequest.yaml >"$work/request.yaml"
request=$(sed -n "s/^  name: \(.*\)/\1/p" "$work/request.yaml" | head -n 1)
grep -v '^ *#' "$work/request.yaml" | indent
echo
as_alice apply -f "$work/request.yaml" | indent

injected_by_now() { grep -q "injected request=$namespace/$request " "$work/operator.err"; }
wait_for 15 "the injection" injected_by_now
bold "4. What the operator logged"
grep "request=$namespace/$request " "$work/operator.err" | indent || give_up "the operator logged nothing about it"

bold "5. Its status, as it moves"
seen=
for _ in $(seq 600); do
  phase=$(status_of "$request" phase)
  if [ "$phase" != "$seen" ]; then
    printf '    %-10s %s\n' "${phase:-Pending}" "$(status_of "$request" message)"
    seen=$phase
  fi
  case $phase in Succeeded | Failed | Denied | Expired) break ;; esac
  if [ "$cluster" = yours ] && [ "$phase" = Running ]; then break; fi # a real shell waits for its user
  sleep 0.1
done
[ "$cluster" = yours ] || [ "$phase" = Succeeded ] || give_up "the request ended as '$phase', not Succeeded: $(status_of "$request" message)"
[ "$(admin get debugrequest -n "$namespace" "$request" -o 'jsonpath={.spec.requester.username}')" = alice ] || give_up "the requester is not alice"

bold "6. The Pod's new ephemeral container, with the name that only this request and this Pod give"
container=$(status_of "$request" 'targets[0].containerName')
[ -n "$container" ] || give_up "the status names no container"
injected=$(admin get pod -n "$namespace" "$pod" -o 'jsonpath={range .spec.ephemeralContainers[*]}{.name}{"\n"}{end}')
[ "$injected" = "$container" ] || give_up "the Pod has the ephemeral containers '$injected', not exactly $container"
admin get pod -n "$namespace" "$pod" -o "jsonpath={range .spec.ephemeralContainers[*]}name: {.name}{'\n'}image: {.image}{'\n'}targetContainerName: {.targetContainerName}{'\n'}securityContext: {.securityContext}{'\n'}{end}" | indent
[ "$(admin get pod -n "$namespace" "$pod" -o 'jsonpath={.spec.ephemeralContainers[0].image}')" = "$image" ] || give_up "another image was injected"
admin get debugrequests -n "$namespace" | indent

bold "7. Events"
has_event() { admin get events -n "$namespace" -o 'jsonpath={range .items[*]}{.involvedObject.kind}/{.reason}{"\n"}{end}' | grep -qx "$1"; }
wait_for 10 "the Event on the request" has_event DebugRequest/Injected
wait_for 10 "the Event on the Pod" has_event Pod/DebugContainerInjected
admin get events -n "$namespace" -o 'custom-columns=TYPE:.type,REASON:.reason,KIND:.involvedObject.kind,MESSAGE:.message' | cut -c1-150 | indent

bold "8. The metrics that changed"
after=$(metrics)
changed=$(diff <(echo "$before") <(echo "$after") | sed -n 's/^> //p' || true)
echo "$changed" | grep -q '^endoscope_injection_duration_seconds_count' || give_up "the injection is not in the metrics"
echo "$changed" | indent

bold "9. Somebody asks for an image that is not allowed"
sed "s/namespace: production/namespace: $namespace/" manifests/examples/debugrequest-denied.yaml >"$work/denied.yaml"
denied=$(sed -n "s/^  name: \(.*\)/\1/p" "$work/denied.yaml" | head -n 1)
as_alice apply -f "$work/denied.yaml" 2>&1 | indent
is_denied() { [ "$(status_of "$denied" phase)" = Denied ]; }
wait_for 15 "the denial" is_denied
[ "$(status_of "$denied" reason)" = ImageNotAllowed ] || give_up "denied as $(status_of "$denied" reason), not ImageNotAllowed"
printf '    %s/%s: %s\n' "$(status_of "$denied" phase)" "$(status_of "$denied" reason)" "$(status_of "$denied" message)"
counted() { metrics | grep '^endoscope_debug_requests_total.*phase="Denied",reason="ImageNotAllowed"' >/dev/null; }
wait_for 5 "the denial in the metrics" counted

bold "10. The audit log"
grep "\"request\":\"$namespace/$request\"" "$work/operator.out" | cut -c1-220 | indent

bold "Done: one container injected, one request denied, all of it on record."
