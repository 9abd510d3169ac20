# shellcheck shell=bash
# What policies want at the end of sessions, the end of a command's output, and several Pods. Part of tests/e2e/node.sh.

admin create namespace policies >/dev/null
namespace=policies
sed 's/namespace: production/namespace: policies/' manifests/examples/rbac-alice.yaml | admin apply -f - >/dev/null
# policy NAME SPEC: for sessions of that reason.
policy() {
  admin apply -f - <<YAML >/dev/null
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: policies-$1}
spec:
  namespaces: {names: [policies]}
  images: {allow: ["registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:*", "registry.test/**"]}
  profiles: [restricted, general]
  runAs: {allowMatchTarget: true, defaultUser: 65532}
  reason: {pattern: "^$1\$"}
  limits: {maxPerPod: 100, maxActivePerNamespace: 100, maxActivePerRequester: 100}
  $2
YAML
}
policy terminate 'onExpiry: Terminate'
policy evict 'onExpiry: EvictPod'
policy replace 'afterSession: EvictPod'
policy plain ''
# want POLICY NAME POD SPEC
want() {
  as alice apply -f - <<YAML >/dev/null || give_up "$2 was refused"
apiVersion: endoscope.dev/v1alpha1
kind: DebugRequest
metadata: {name: $2, namespace: policies}
spec: {reason: $1, target: {$3}, $4}
YAML
}
for name in ended evicted replaced cancelled kept; do pod "$name" nginx:1.25; done
pod lean registry.test/endoscope/distroless:1
pod stranger "$tools" '    command: [sh, -c, "sleep 2147483647 & wait"]
    securityContext: {runAsUser: 4321, runAsGroup: 4321}'
pods_run ended evicted replaced cancelled kept lean stranger

# The processes of a Pod's target container, by their PIDs on the node.
processes_of() {
  local pid
  pid=$(ctr --address "$node/containerd.sock" --namespace k8s.io tasks ls 2>/dev/null | awk -v id="$1" '$1 == id { print $2 }')
  pgrep --ns "$pid" --nslist mnt | sort | tr '\n' ' '
}
id_of() { # id_of POD: of its first container
  admin get pod -n policies "$1" -o 'jsonpath={.status.containerStatuses[0].containerID}' | sed 's,.*//,,'
}
declare -A before
for name in ended lean stranger; do before[$name]=$(processes_of "$(id_of "$name")"); done
[ "$(wc -w <<<"${before[stranger]}")" -ge 2 ] || give_up "no processes of the target are seen: ${before[stranger]}"

# A shell with children, one of which does not heed TERM, beside a target of root, of nobody's shell, of another user.
busy='command: [sh, -c], args: ["trap \"\" TERM; sleep 1000 & (trap \"\" TERM; while :; do sleep 1; done) & wait; while :; do sleep 1; done"]'
for name in ended lean stranger; do
  want terminate "$name" "podName: $name" "image: $tools, deadlineSeconds: 3, $busy"
done
want terminate shellless "podName: lean" 'image: "registry.test/endoscope/distroless:1", deadlineSeconds: 3, mode: Command'
want evict evicted "podName: evicted" "image: $tools, deadlineSeconds: 3"
want replace replaced "podName: replaced" "image: $tools, mode: Command, command: ['true']"
want terminate cancelled "podName: cancelled" "image: $tools"
want plain output "podName: kept" "image: $tools, mode: Command, output: {tailLines: 2},
  command: [sh, -c, 'echo one; echo two; printf \"\\\\033[31mthree\\\\n\"; exit 5']"
runs cancelled

was_ended() { [ "$(what "$1" 'targets[0].state')" = Terminated ]; }
for name in ended lean stranger; do
  ends "the deadline of $name" "$name" '^Expired/DeadlineExceeded: '
  wait_for 60 "the processes of $name to end" was_ended "$name"
  expect "they were ended by the policy" "$(outcome "$name")" 'ended by onExpiry: Terminate'
  expect "the target of $name is untouched" "$(processes_of "$(id_of "$name")")" "^${before[$name]}\$"
  expect "which has not started again" "$(admin get pod -n policies "$name" -o 'jsonpath={.status.containerStatuses[0].restartCount}')" '^0$'
done
says_why() { [[ $(outcome shellless) =~ still\ runs.*sh ]]; }
wait_for 30 "shellless to say why it goes on" says_why
expect "without a shell in the image it goes on, and says why" "$(outcome shellless)" '^Expired/DeadlineExceeded: .*still runs'
is_gone() { ! admin get pod -n policies "$1" >/dev/null 2>&1; }
wait_for 60 "the overdue Pod to be evicted" is_gone evicted
ends "a Pod that is evicted at the deadline" evicted '^Expired/DeadlineExceeded: '
wait_for 60 "the debugged Pod to be evicted" is_gone replaced
expect "a Pod that is replaced after its session" "$(outcome replaced)" '^Succeeded/Completed: '
as alice delete dbr -n policies cancelled --timeout=30s >/dev/null || give_up "a deleted request does not go"
expect "deleting a request ends its session" \
  "$(admin get pod -n policies cancelled -o 'jsonpath={.status.ephemeralContainerStatuses[0].state}')" 'terminated'
ends "a command's output is kept" output '^Failed/NonZeroExit: '
expect "its last lines, made visible" "$(what output 'targets[0].output')" $'^two\n.*three$'
expect "without control characters" "$(what output 'targets[0].output' | tr -d -c '\033' | wc -c)" '^0$'

# Three Pods of a Deployment's kind, by their label.
for name in shop-1 shop-2 shop-3; do
  pod "$name" nginx:1.25
  admin label pod -n policies "$name" app=shop >/dev/null
done
pods_run shop-1 shop-2 shop-3
want plain several "selector: {matchLabels: {app: shop}}, maxPods: 3" "image: $tools, mode: Command, command: [hostname]"
ends "a request for three Pods" several '^Succeeded/Completed: '
expect "each has its row and its container" "$(what several 'targets[*].state')" '^Terminated Terminated Terminated$'
want plain wrong "selector: {matchLabels: {app: shop}}, maxPods: 3" 'image: "registry.test/no/such-image:1"'
began_in() { [ "$(admin get pod -n policies -l app=shop -o json | grep -c '"value": "policies/wrong"')" = "$1" ]; }
wait_for 30 "the first Pod's container" began_in 1
as alice delete dbr -n policies wrong >/dev/null
