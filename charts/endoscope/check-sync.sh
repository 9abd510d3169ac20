#!/usr/bin/env bash
# The chart repeats what is in manifests: the CRDs as copies, since Helm wants them inside, roles and webhooks as
# templates. None of it may drift.
set -euo pipefail
cd "$(dirname "$0")"
manifests=../../manifests

# as_manifest TEMPLATE: the template as it would stand in manifests.
as_manifest() {
  sed -e 's/{{ \.Release\.Namespace }}/endoscope-system/' \
    -e '/^  labels:$/{N;s/.*/  labels: {app.kubernetes.io\/name: endoscope}/}' \
    -e '/^ *{{-/d' -e '/^ *caBundle:/d' "templates/$1"
}

diff -ru "$manifests/crds" crds
diff -u "$manifests/rbac/operator.yaml" <(as_manifest rbac.yaml)
diff -u "$manifests/rbac/users.yaml" <(as_manifest user-roles.yaml)
diff -u "$manifests/webhooks.yaml" <(as_manifest webhooks.yaml)
diff -u "$manifests/certificate.yaml" <(as_manifest certificate.yaml)
echo "chart: CRDs, roles and webhooks are the same as in manifests"
