#!/usr/bin/env bash
# The chart repeats what is in manifests: the CRDs as copies, since Helm wants them inside, everything else as templates.
# None of it may drift.
set -euo pipefail
cd "$(dirname "$0")"
manifests=../../manifests

# value NAME: the list of values.yaml under fence, as a CEL expression.
value() {
  sed -n "/^fence:/,/^[^ ]/s/^  $1: //p" values.yaml
}

# as_manifest TEMPLATE: the template as it would stand in manifests.
as_manifest() {
  local name lists=()
  for name in breakGlassGroups adminGroups labelKeys labelPrefixes injectors; do
    lists+=(-e "s|{{ toJson \.Values\.fence\.$name }}|$(value "$name")|")
  done
  sed "${lists[@]}" -e 's/{{ \.Release\.Namespace }}/endoscope-system/' \
    -e '/{{- with /,/{{- end }}/d' \
    -e '/^ *\(labels\|selector\|matchLabels\):$/{N;/include/s/\n.*/ {app.kubernetes.io\/name: endoscope}/;P;D}' \
    -e '/^ *{{-/d' -e '/^ *caBundle:/d' "templates/$1"
}

# Without what the chart's values decide, comments, and the lines that only one of the two needs.
without_values() {
  sed -e '/^ *#/d' -e '/{{/d' -e '/^ *\(replicas\|image\|requests\|limits\|volumeMounts\|volumes\):/d' \
    -e '/^ *- --\(namespace=\|deny-at-admission\)/d' -e '/webhook-c\(erts\|lient\)/d' \
    -e 's/ {endoscope.dev\/metrics: allowed}//'
}

diff -ru "$manifests/crds" crds
diff -u "$manifests/rbac/operator.yaml" <(as_manifest rbac.yaml)
diff -u "$manifests/rbac/users.yaml" <(as_manifest user-roles.yaml)
diff -u "$manifests/webhooks.yaml" <(as_manifest webhooks.yaml)
diff -u "$manifests/fence/fence.yaml" <(as_manifest fence.yaml)
diff -u "$manifests/cert-manager/certificate.yaml" <(as_manifest certificate.yaml)
for component in terminate evict retention; do
  diff -u "$manifests/$component/rbac.yaml" <(as_manifest "$component.yaml")
done
diff -u "$manifests/service.yaml" <(as_manifest service.yaml)
diff -u <(without_values <"$manifests/network_policy.yaml") <(as_manifest network-policy.yaml | without_values)
diff -u <(without_values <"$manifests/deployment.yaml") <(as_manifest deployment.yaml | without_values)
echo "chart: CRDs, roles, webhooks, Services, the Deployment, the opt-in rights and the fence are the same as in manifests"
