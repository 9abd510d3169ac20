# shellcheck shell=bash
# Sessions that cannot begin, or whose command fails: what the kubelet says arrives in the status. Part of
# tests/e2e/node.sh.

admin create namespace failures >/dev/null
namespace=failures
sed 's/namespace: production/namespace: failures/' manifests/examples/rbac-alice.yaml | admin apply -f - >/dev/null
# Pulls that never succeed are given up early, everything else has time even on a busy machine.
admin apply -f - <<'YAML' >/dev/null
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: failures}
spec:
  namespaces: {names: [failures]}
  images: {allow: ["registry.cn-beijing.aliyuncs.com/dotbalo/debug-tools:*", "registry.test/slow/**", "registry.test/endoscope/**"]}
  profiles: [restricted, general]
  limits: {maxPerPod: 100, maxActivePerNamespace: 100, maxActivePerRequester: 100}
---
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: failures-in-a-hurry}
spec:
  namespaces: {names: [failures]}
  images: {allow: ["registry.test/no/**", "registry.test/forbidden/**", "registry.test/stuck/**", "registry.test/dotbalo/**"]}
  profiles: [restricted, general]
  limits: {startDeadlineSeconds: 15, maxPerPod: 100, maxActivePerNamespace: 100, maxActivePerRequester: 100}
YAML
for name in absent refused blocked web; do pod "$name" nginx:1.25; done
pod small nginx:1.25 "    resources: {limits: {memory: 48Mi}}"
pods_run absent refused blocked web small

# All at once: most of the time passes in waiting for deadlines. Each pull that fails has a Pod of its own, since a node
# starts the debug containers of a Pod one after the other.
ask missing-image absent 'image: "registry.test/no/such-image:1"'
ask forbidden-image refused 'image: "registry.test/forbidden/tool:1"'
ask stuck-pull blocked 'image: "registry.test/stuck/tool:1"'
pull_began() { grep -q 'PullImage.*registry.test/stuck' "$work/containerd.err"; }
wait_for 60 "the pull that hangs" pull_began
ask behind-it blocked 'image: "registry.test/dotbalo/debug-tools:1.0", mode: Command, command: ["true"]'
ask slow-pull web 'image: "registry.test/slow/dotbalo/debug-tools:1.0", mode: Command, profile: general, command: ["true"]'
ask root-image web "image: $tools"
ask named-user web 'image: "registry.test/endoscope/named-user:1"'
ask no-program web "image: $tools, mode: Command, profile: general, command: [/no/such/program]"
ask not-a-program web "image: $tools, mode: Command, profile: general, command: [/etc/passwd]"
ask exit-code web "image: $tools, mode: Command, profile: general, command: [sh, -c, 'exit 7']"
ask killed web "image: $tools, mode: Command, profile: general, command: [sh, -c, 'kill -9 0']"
ask memory small "image: $tools, mode: Command, profile: general, command: [tail, /dev/zero]"

ends "a pull that is slow succeeds" slow-pull '^Succeeded/Completed: '
ends "an image that runs as root is refused by the profile restricted" root-image \
  '^Failed/ContainerConfigError: .*container has runAsNonRoot and image will run as root.*set spec.runAs.user'
ends "an image whose user has no number is refused by the profile restricted" named-user \
  '^Failed/ContainerConfigError: .*image has non-numeric user \(nobody\), cannot verify user is non-root.*set spec.runAs.user'
ends "a program that is not there cannot start" no-program \
  '^Failed/StartFailed: .*exec: "/no/such/program": stat /no/such/program: no such file or directory.*check spec.command'
ends "a file that is no program cannot start" not-a-program \
  '^Failed/StartFailed: .*exec: "/etc/passwd": permission denied.*check spec.command'
ends "a command that fails says how" exit-code '^Failed/NonZeroExit: .*exit code 7 '
expect "its exit code is on record" "$(what exit-code 'targets[0].exitCode')" '^7$'
ends "a command that is killed says so" killed '^Failed/NonZeroExit: .*exit code 137 .*it was killed'
ends "a command that takes more memory than its Pod may have says so" memory \
  '^Failed/NonZeroExit: .*exit code 137 \(OOMKilled\): it took more memory'
ends "an image that is not there says so" missing-image \
  '^Failed/ImagePullFailed: .*registry.test/no/such-image:1: not found.*check spec.image and the registry'
ends "an image that is forbidden says so" forbidden-image \
  '^Failed/ImagePullFailed: .*registry.test/forbidden/tool:1.*403 Forbidden.*check spec.image and the registry'
ends "a pull that hangs ends at the start deadline" stuck-pull \
  '^Failed/StartDeadlineExceeded: .*\(ContainerCreating\): its image may still be on its way'
ends "so does what waits behind it in the same Pod" behind-it \
  '^Failed/StartDeadlineExceeded: .*has not reported it.*another debug container of this Pod is still pulling its image'
