#!/usr/bin/env bash
# The chart's CRDs are copies, since Helm wants them inside: they must not drift.
set -euo pipefail
cd "$(dirname "$0")"
diff -ru ../../manifests/crds crds && echo "chart: the CRDs are the same as in manifests/crds"
