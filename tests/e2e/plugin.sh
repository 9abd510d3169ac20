#!/usr/bin/env bash
# The plugin as a script or a person uses it: files, flags, output and exit codes. Usage: plugin.sh KUBECTL_ENDOSCOPE
set -euo pipefail
plugin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $1" >&2
  printf 'exit %s\nstdout:\n%s\nstderr:\n%s\n' "$code" "$out" "$err" >&2
  exit 1
}
# run ARGS...: fills code, out and err.
run() {
  code=0
  "$plugin" "$@" >out 2>err || code=$?
  out=$(<out) err=$(<err)
}
exits() { [ "$code" = "$1" ] || fail "expected exit code $1 of: $2"; }
says() { [[ $out == *"$1"* ]] || fail "stdout lacks: $1"; }
complains() { [[ $err == *"$1"* ]] || fail "stderr lacks: $1"; }

mkdir policies
cat >policies/team.yaml <<'YAML'
apiVersion: endoscope.dev/v1alpha1
kind: DebugPolicy
metadata: {name: team}
spec:
  namespaces: {names: [checkout]}
  images: {allow: ["ghcr.io/acme/tools:1.*"]}
  profiles: [restricted]
  runAs: {defaultUser: 65532}
YAML
cat >policies/notes.txt <<'TEXT'
not a manifest
TEXT
cat >cluster.yaml <<'YAML'
apiVersion: v1
kind: Namespace
metadata: {name: checkout}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: checkout, uid: 5f0c4b1e-0000-4000-8000-000000000001}
spec: {nodeName: node, containers: [{name: app, image: app}]}
status: {phase: Running}
YAML
request() {
  printf 'apiVersion: endoscope.dev/v1alpha1\nkind: DebugRequest\nmetadata: {name: %s, namespace: checkout}\n' "$1"
  printf 'spec: {target: {podName: web}, image: "%s", mode: Command, command: [ls]}\n' "$2"
}
request good ghcr.io/acme/tools:1.2 >good.yaml
request bad busybox >bad.yaml

run verdict -f policies -f cluster.yaml -f good.yaml
exits 0 'an allowed request'
says 'checkout    good   allowed   Allowed   team'

run verdict -f policies -f cluster.yaml -f good.yaml -f bad.yaml
exits 3 'an allowed and a denied request'
says 'bad    denied    ImageNotAllowed   team'
says '> ImageNotAllowed'
says 'what to change: spec.image: docker.io/library/busybox:latest'

run verdict -f policies -f cluster.yaml -f good.yaml --unauthorized
exits 3 'a request without permission'
says 'NotAuthorized'

# Everything from standard input, and JSON for scripts: exactly one container, as it would be injected.
code=0
cat policies/team.yaml <(echo ---) cluster.yaml <(echo ---) good.yaml |
  "$plugin" verdict -f - --as alice --as-group dev --as-uid 7 -o json >out 2>err || code=$?
out=$(<out) err=$(<err)
exits 0 'standard input'
for part in '"allowed": true' '"reason": "Allowed"' '"policy": "team"' '"image": "ghcr.io/acme/tools:1.2"' \
  '"targetContainerName": "app"' '"runAsUser": 65532' '"value": "checkout/good"'; do
  says "$part"
done

# Several Pods: judged together, and each listed.
for i in 1 2; do
  printf 'apiVersion: v1\nkind: Pod\n'
  printf 'metadata: {name: db-%s, namespace: checkout, uid: 5f0c4b1e-0000-4000-8000-00000000001%s, labels: {app: db}}\n' "$i" "$i"
  printf 'spec: {nodeName: node, containers: [{name: db, image: db}]}\nstatus: {phase: Running}\n---\n'
done >pods.yaml
sed 's/{podName: web}/{selector: {matchLabels: {app: db}}, maxPods: 2}/; s/name: good/name: both/' good.yaml >both.yaml
run verdict -f policies -f pods.yaml -f both.yaml
exits 0 'a request for two Pods'
says 'checkout/both is allowed in 2 Pods:'
says '  db-1   dbg-'
says '  db-2   dbg-'
run verdict -f policies -f pods.yaml -f both.yaml -o json
exits 0 'a request for two Pods, as JSON'
[ "$(grep -c '"podName": "db-' out)" = 2 ] || fail 'a row for each Pod'
[ "$(grep -c '"targetContainerName": "db"' out)" = 3 ] || fail 'the first container besides the row of each'
sed -i '/db-2/,/^---/s/containers: \[{name: db/containers: [{name: sql/' pods.yaml
sed 's/maxPods: 2/maxPods: 2, container: db/' both.yaml >named.yaml
run verdict -f policies -f pods.yaml -f named.yaml
exits 3 'a container that one of the Pods does not have'
says 'what to change: spec.target.container: Pod "db-2" has no container "db"; it has sql'

# Errors name file, document and field.
sed 's/profiles/profils/' policies/team.yaml >wrong.yaml
run verdict -f cluster.yaml -f wrong.yaml -f good.yaml
exits 2 'a policy with an unknown field'
complains 'wrong.yaml: document 1: spec.profils'
sed 's/acme/*/' policies/team.yaml | sed 's/ghcr.io/**/' >invalid.yaml
run verdict -f cluster.yaml -f invalid.yaml -f good.yaml
exits 3 'an invalid pattern'
says 'PolicyInvalid'
complains 'warning: invalid.yaml: document 1: spec.images.allow[0]'
run verdict --strict -f cluster.yaml -f invalid.yaml -f good.yaml
exits 2 'an invalid pattern, strictly'
printf 'kind: Pod\n---\n[\n' >broken.yaml
run verdict -f broken.yaml
exits 2 'broken YAML'
complains 'broken.yaml: line'
run verdict -f missing.yaml
exits 2 'a file that is not there'
run verdict -f policies
exits 2 'nothing to judge'
run verdict -f good.yaml --now yesterday
exits 2 'a time that is none'

run image busybox --pattern '*:latest' --pattern 'ghcr.io/**'
exits 0 'an image'
says 'canonical: docker.io/library/busybox:latest'
says 'matches:   *:latest'
says 'no match:  ghcr.io/**'
run image 'a:b:c'
exits 2 'an invalid image'
run image busybox --pattern '**/x'
exits 2 'an invalid pattern'
complains '--pattern'
printf 'busybox\nnot an image\nx\r\n' >images
code=0
"$plugin" image - --pattern '**' <images >out 2>err || code=$?
out=$(<out) err=$(<err)
exits 0 'lines'
[ "$(wc -l <out)" = 3 ] || fail 'one line of JSON for each line'
says '"canonical":"docker.io/library/busybox:latest"'
says '{"input":"not an image","error":'
says '{"input":"x\r","error":'

run verdikt
exits 2 'an unknown command'
complains 'unknown command "verdikt"'
run verdict --outputs json
exits 2 'an unknown flag'
run --version
exits 0 'the version'
says 'kubectl-endoscope '
echo "plugin: all as the contract says"
