# shellcheck shell=bash
# Sessions that end in other ways than by their own command, and targets of every kind. Part of tests/e2e/node.sh.

admin create namespace endings >/dev/null
namespace=endings
sed 's/namespace: production/namespace: endings/' manifests/examples/rbac-alice.yaml | admin apply -f - >/dev/null
admin apply -f - <<'YAML' >/dev/null
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: endings}
spec:
  namespaces: {names: [endings]}
  images: {allow: ["registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:*"]}
  profiles: [restricted]
  runAs: {allowMatchTarget: true, defaultUser: 65532}
  limits: {maxPerPod: 100, maxActivePerNamespace: 100, maxActivePerRequester: 100}
YAML
for name in deleted replaced overdue; do pod "$name" nginx:1.25; done
pod finishing "$tools" '    command: [sh, -c, "until [ -e /tmp/end ]; do sleep 0.2; done"]
  restartPolicy: Never'
pod distroless registry.test/endoscope/distroless:1
pod other-user "$tools" '    command: [sleep, "2147483647"]
  securityContext: {runAsUser: 4321, runAsGroup: 4321}'
pods_run deleted replaced overdue finishing distroless other-user

for name in deleted replaced finishing; do ask "$name" "$name" "image: $tools"; done
ask overdue overdue "image: $tools, deadlineSeconds: 4"
ask distroless distroless "image: $tools, mode: Command, command: [ps, -ef]"
ask other-user other-user "image: $tools, mode: Command, runAs: {matchTarget: true},
  command: [sh, -c, 'id -u; tr \"\\\\0\" \" \" </proc/1/cmdline; ls /proc/1/root/etc/passwd']"
runs deleted replaced finishing

old=$(admin get pod -n endings replaced -o 'jsonpath={.metadata.uid}')
admin delete pod -n endings deleted replaced >/dev/null
pod replaced nginx:1.25
pods_run replaced
[ "$(admin get pod -n endings replaced -o 'jsonpath={.metadata.uid}')" != "$old" ] || give_up "the Pod was not replaced"
ends "a deleted Pod takes its session along" deleted '^Failed/TargetGone: the target Pod is '
expect "how it ended is on record" "$(what deleted 'targets[0].exitCode')" '^137$'
ends "another Pod of the same name is another Pod" replaced '^Failed/TargetGone: the target Pod is '
expect "it got no container" "$(admin get pod -n endings replaced -o 'jsonpath={.spec.ephemeralContainers}')" '^$'
admin exec -n endings finishing -c app -- touch /tmp/end
# Whether the kubelet has said by then that the Pod is over is a matter of luck.
ends "a Pod that ends takes its session along" finishing \
  '^(Failed/TargetGone: the target Pod has ended|Succeeded/SessionEnded: .*because the target container ended)'
ends "a target without a shell is looked into" distroless '^Succeeded/Completed: '
expect "its process is seen" "$(read_log distroless)" '1234 +1 .*/sleep'
ends "a target of another user is looked into" other-user '^Succeeded/Completed: '
expect "as that user, its files are read" "$(read_log other-user)" '^4321.*sleep 2147483647.*/proc/1/root/etc/passwd$'

still_running() { what "$1" 'conditions[?(@.type=="ContainerStillRunning")].status'; }
ends "a session that outlives its deadline is told of" overdue \
  '^Expired/DeadlineExceeded: the deadline of 4 s passed and the container still runs'
expect "as one that goes on" "$(still_running overdue)" '^True$'
attach overdue >/dev/null 2>&1 <<<'exit' || true
ended_at_last() { [ "$(still_running overdue)" = False ]; }
wait_for 20 "the end of the overdue session" ended_at_last
expect "until it is seen to end" "$(outcome overdue)" '^Expired/DeadlineExceeded: '
