# shellcheck shell=bash
# What users want: to see a Pod's network, processes and files, by a command and by hand. Part of tests/e2e/node.sh.

namespace=production
sed "s/^spec:/&\n  nodeName: $node_name/" manifests/examples/target-pod.yaml | admin apply -f - >/dev/null
admin apply -f manifests/examples/debugpolicy.yaml -f manifests/examples/rbac-alice.yaml >/dev/null
# The files of another user's process take SYS_PTRACE.
admin apply -f - <<'YAML' >/dev/null
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: production-files}
spec:
  namespaces: {names: [production]}
  images: {allow: ["registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:*"]}
  profiles: [general]
YAML
pods_run nginx-debug-demo

ask network nginx-debug-demo "image: $tools, mode: Command, runAs: {user: 65532}, command: [ss, -tulpn]"
ask processes nginx-debug-demo "image: $tools, mode: Command, runAs: {user: 65532}, command: [ps, -ef]"
ask files nginx-debug-demo "image: $tools, mode: Command, profile: general,
  command: [sh, -c, 'cat /proc/\$(pgrep -o nginx)/root/etc/nginx/nginx.conf']"
for journey in network processes files; do
  ends "the journey $journey succeeds" "$journey" '^Succeeded/Completed: '
  read_log "$journey" >"$work/$journey.log"
done
expect "network: ss finds port 80" "$(cat "$work/network.log")" 'LISTEN.*0\.0\.0\.0:80 '
expect "processes: ps shows nginx of the target container" "$(cat "$work/processes.log")" 'root +1 .*nginx: master process.*www-data.*nginx: worker process'
expect "files: the target's configuration is read" "$(cat "$work/files.log")" 'worker_processes 1;'

# The example is an interactive shell of a user who is not root.
as alice apply -f manifests/examples/debugrequest.yaml >/dev/null 2>&1 || give_up "the example was refused"
runs checkout-502
as alice wait -n production --for=condition=Ready dbr/checkout-502 --timeout=10s >/dev/null || give_up "kubectl wait"
said=$(attach checkout-502 2>&1 <<<'id -u; echo mar""ker; exit 3') || true
expect "attached to, the shell answers" "$said" '65532.*marker'
ends "leaving the shell ends the session" checkout-502 '^Succeeded/SessionEnded: .*exit code was 3'
expect "what ran is on record" "$(what checkout-502 'targets[0].imageID')" '^registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools@sha256:[0-9a-f]{64}$'
expect "when it ran is on record" "$(what checkout-502 'targets[0].startedAt') $(what checkout-502 'targets[0].finishedAt')" '^20[^ ]+Z 20[^ ]+Z$'
expect "its exit code is on record" "$(what checkout-502 'targets[0].exitCode')" '^3$'
