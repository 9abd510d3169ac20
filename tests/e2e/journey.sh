#!/usr/bin/env bash
# What users do, with a stock kubectl: journey.sh BUILD_DIRECTORY model|real
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
cluster=$2
if [ "$cluster" = real ] && [ -z "${ENDOSCOPE_CONTROLPLANE_BIN:-}" ]; then
  echo "there is no real control plane here"
  exit 0
fi
work=$(mktemp -d)
# shellcheck source=tests/support/cluster.sh
. tests/support/cluster.sh

give_up() {
  echo "FAILED: $1" >&2
  tail -n 20 "$work"/operator.err "$work"/apiserver.err >&2 || true
  exit 1
}
# shellcheck disable=SC2317 # called by trap
clean_up() {
  local status=$?
  trap - EXIT INT TERM
  end_all
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

as() { kubectl --kubeconfig "$work/$1.kubeconfig" "${@:2}"; }
expect() { # expect WHAT ACTUAL PATTERN
  [[ $2 =~ $3 ]] || give_up "$1: expected /$3/, got: $2"
  echo "ok: $1"
}

start_cluster "$cluster" alice
# No warning may come from applying the CRDs, and kubectl must understand them.
crds=$("$build/cmd/endoscope-operator" manifests crds | admin apply -f - 2>&1)
expect "the CRDs apply without warnings" "$crds" '^customresourcedefinition[^W]*created$'
start_operator "$build/cmd/endoscope-operator"

admin apply -f manifests/examples/target-pod.yaml -f manifests/examples/debugpolicy.yaml -f manifests/examples/rbac-alice.yaml >/dev/null
wait_for 60 "the Pod" test "$(admin get pod -n production nginx-debug-demo -o name)"
runs() { [ "$(admin get pod -n production nginx-debug-demo -o 'jsonpath={.status.phase}')" = Running ]; }
wait_for 60 "the Pod to run" runs

as alice apply -f manifests/examples/debugrequest.yaml >/dev/null
as alice wait -n production --for=condition=Ready dbr/checkout-502 --timeout=30s >/dev/null || give_up "kubectl wait"
echo "ok: kubectl wait --for=condition=Ready"
ended() { [ "$(as alice get dbr -n production checkout-502 -o 'jsonpath={.status.phase}')" = Succeeded ]; }
wait_for 30 "the session to end" ended
expect "kubectl get dbr shows who, where and what" "$(as alice get dbr -n production)" \
  'NAME +PHASE +REASON +POD +CONTAINER +REQUESTER +AGE.*checkout-502 +Succeeded +SessionEnded +nginx-debug-demo +dbg-[a-z2-7]{10} +alice'
expect "kubectl get -o wide shows image and policy" "$(as alice get debugrequest -n production -o wide)" 'IMAGE +POLICY +EXPIRES'
expect "kubectl describe shows the message" "$(as alice describe dbr -n production checkout-502)" 'the session ended'
again=$(as alice apply -f manifests/examples/debugrequest.yaml 2>&1)
expect "a second apply changes nothing and warns of nothing" "$again" '^debugrequest.endoscope.dev/checkout-502 unchanged$'
expect "kubectl diff is clean" "$(as alice diff -f manifests/examples/debugrequest.yaml 2>&1 && echo clean)" '^clean$'
# What GitOps tools do all day: apply with a field manager of their own, against each other, and look for a difference.
who() { admin get dbr -n production checkout-502 -o 'jsonpath={.spec.requester}'; }
before=$(who)
# The tool is not the author: what it applies again is still alice's.
again=$(admin apply -f manifests/examples/debugrequest.yaml 2>&1)
expect "another user's apply changes nothing" "$again" '^debugrequest.endoscope.dev/checkout-502 unchanged$'
if [ "$cluster" = real ]; then # the model API server has no server-side apply
  for manager in flux argocd flux; do
    synced=$(as alice apply --server-side --field-manager="$manager" -f manifests/examples/debugrequest.yaml 2>&1) ||
      give_up "server-side apply by $manager: $synced"
    expect "server-side apply by $manager meets no conflict" "$synced" '^debugrequest.endoscope.dev/checkout-502 serverside-applied$'
    expect "$manager sees no difference" \
      "$(as alice diff --server-side --field-manager="$manager" -f manifests/examples/debugrequest.yaml 2>&1 && echo clean)" '^clean$'
  done
  expect "kubectl diff is clean beside them" "$(as alice diff -f manifests/examples/debugrequest.yaml 2>&1 && echo clean)" '^clean$'
fi
expect "the requester is who created it" "$before" '"username":"alice"'
[ "$(who)" = "$before" ] || give_up "the requester changed from $before to $(who)"
echo "ok: the requester is the same after all of it"
expect "exactly one container was injected" \
  "$(admin get pod -n production nginx-debug-demo -o 'jsonpath={.spec.ephemeralContainers[*].name}' | wc -w)" '^1$'

refused=$(sed 's/image: .*/image: "Not An Image"/; s/checkout-502/bad/' manifests/examples/debugrequest.yaml | as alice apply -f - 2>&1 || true)
expect "a bad image is refused at apply, with its field" "$refused" 'spec.image'
changed=$(sed 's/user: 65532/user: 1000/' manifests/examples/debugrequest.yaml | as alice apply -f - 2>&1 || true)
expect "a changed spec is refused and says what to do" "$changed" 'spec is immutable: create a new DebugRequest'
denied=$(as alice apply -f manifests/examples/debugrequest-denied.yaml 2>&1)
expect "a certain denial is told at apply" "$denied" 'Warning: this request will be denied: ImageNotAllowed'
is_denied() { [ "$(as alice get dbr -n production wrong-image -o 'jsonpath={.status.phase}/{.status.reason}')" = Denied/ImageNotAllowed ]; }
wait_for 20 "the denial on record" is_denied
echo "ok: the denial is on record"
expect "kubectl get dbp" "$(admin get dbp)" 'production'
as alice delete dbr -n production checkout-502 wrong-image >/dev/null
expect "requests can be deleted" "$(as alice get dbr -n production 2>&1)" 'No resources found'

if [ -n "${ENDOSCOPE_CONTROLPLANE_BIN:-}" ]; then
  curl -sf "http://127.0.0.1:$metrics_port/metrics" | "$ENDOSCOPE_CONTROLPLANE_BIN" promlint || give_up "promtool's lint of the metrics"
  echo "ok: the metrics pass promtool's lint"
fi
