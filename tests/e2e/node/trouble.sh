# shellcheck shell=bash
# A node in trouble: its kubelet and its container runtime stop, start again and forget. Part of tests/e2e/node.sh.

admin create namespace trouble >/dev/null
namespace=trouble
sed 's/namespace: production/namespace: trouble/' manifests/examples/rbac-alice.yaml | admin apply -f - >/dev/null
admin apply -f - <<'YAML' >/dev/null
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: trouble}
spec:
  namespaces: {names: [trouble]}
  images: {allow: ["registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:*"]}
  profiles: [restricted]
  runAs: {defaultUser: 65532}
---
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: trouble-in-a-hurry}
spec:
  namespaces: {names: [trouble]}
  images: {allow: ["registry.test/dotbalo/debug-tools:*"]}
  profiles: [restricted]
  runAs: {defaultUser: 65532}
  limits: {startDeadlineSeconds: 3}
YAML
for name in frozen restarted forgotten rebooted; do pod "$name" nginx:1.25; done
pods_run frozen restarted forgotten rebooted
for name in restarted forgotten rebooted; do ask "$name" "$name" "image: $tools"; done
runs restarted forgotten rebooted

kill -STOP "$kubelet_pid"
ask frozen frozen 'image: "registry.test/dotbalo/debug-tools:1.0"'
ends "a kubelet that is away starts nothing" frozen \
  "^Failed/StartDeadlineExceeded: .*has not reported it: check the node $node_name.*may still start it later"
kill -CONT "$kubelet_pid"
of_container() { admin get pod -n trouble "$1" -o "jsonpath={.status.ephemeralContainerStatuses[0].$2}"; }
starts_late() { [ -n "$(of_container frozen state.running.startedAt)" ]; }
wait_for 60 "the kubelet to start it later" starts_late
echo "ok: it starts it when it is back, as the message warns"

# A container runtime that is killed finds its containers when it is back. One whose processes are gone, as after a reboot,
# has ended in a way that nobody saw. One that it knows no more is started anew by the kubelet.
before=$(of_container forgotten state.running.startedAt)
id=$(of_container forgotten containerID)
id=${id#containerd://}
kill -KILL "$kubelet_pid"
wait "$kubelet_pid" 2>/dev/null || true
in_runtime() { ctr --address "$node/containerd.sock" --namespace k8s.io "$@"; }
in_runtime tasks kill --signal KILL "$id"
forgets() {
  in_runtime tasks rm "$id" || true # not yet, or the runtime was faster
  in_runtime containers rm "$id"
}
wait_for 30 "the container to be gone" forgets
mapfile -t ids < <(in_runtime containers ls -q 'labels."io.kubernetes.pod.name"==rebooted')
mapfile -t lost < <(in_runtime tasks ls | grep -F "$(printf '%s\n' "${ids[@]}")" | awk '{print $2}')
lost+=("$(ps -o ppid= -p "${lost[0]}" | tr -d ' ')") # the shim of them all
kill -KILL "$containerd_pid"
kill -KILL "${lost[@]}"
wait "$containerd_pid" 2>/dev/null || true
start_containerd
start_kubelet
wait_for 120 "the node to be ready again" node_is_ready

ends "a session that its node lost is told of" rebooted '^Failed/NodeLost: .*its end was not observed'
starts_again() { [[ $(of_container forgotten restartCount)$(of_container forgotten state) =~ ^1.*running ]]; }
wait_for 60 "the lost container to start again" starts_again
after=$(of_container forgotten state.running.startedAt)
expect "a container that the runtime lost starts again" \
  "$before $after $(of_container forgotten lastState.terminated.reason)" '^20.*Z 20.*Z ContainerStatusUnknown$'
is_on_record() { [ "$(what forgotten 'targets[0].startedAt')" = "$after" ]; }
wait_for 30 "its new start to be on record" is_on_record
expect "the session goes on with it" "$(outcome forgotten)" '^Running/Started: '
answers() { attach restarted <<<'exit 0' && has_ended restarted; }
is_running restarted || give_up "the session did not outlive the runtime: $(outcome restarted)"
wait_for 60 "the shell to answer" answers
ends "a session outlives its node's runtime and kubelet" restarted '^Succeeded/SessionEnded: .*exit code was 0$'
