#!/usr/bin/env bash
# Builds the tests under ASan and UBSan and runs every one that can run here. Ends with ctest's own summary.
#   TESTS_LABEL=unit                   only the tests with that label (unit, upstream, fuzz, simulation, integration, e2e, node)
#   ENDOSCOPE_REQUIRE_CONTROLPLANE=1   fail instead of skipping when the real control plane cannot be had
#   ENDOSCOPE_REQUIRE_NODE=1           fail instead of skipping where containers cannot run
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
mkdir -p build

quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { tail -n 60 "$log"; exit 1; }
}

# The real control plane first: its tests are skipped by one line where Go is missing.
if binary=$(tests/controlplane/build.sh 2>build/controlplane.log); then
  export ENDOSCOPE_CONTROLPLANE_BIN=$binary
else
  reason=$(tail -n 1 build/controlplane.log)
  if [ "${ENDOSCOPE_REQUIRE_CONTROLPLANE:-}" = 1 ]; then
    echo "tests: the real control plane is required here: $reason" >&2
    exit 1
  fi
  echo "tests: skipped against the real API server: $reason"
fi

# Likewise what Flux and Argo CD make of a status.
if binary=$(tests/upstream/gitops/build.sh 2>build/gitops.log); then
  export ENDOSCOPE_GITOPS_BIN=$binary
else
  echo "tests: skipped against the code of GitOps tools: $(tail -n 1 build/gitops.log)"
fi

echo "tests: building (AddressSanitizer, UndefinedBehaviorSanitizer)"
quietly build/asan.configure.log cmake --preset asan
quietly build/asan.build.log cmake --build --preset asan --parallel "$jobs"

echo "tests: building the simulation (release)"
quietly build/release.configure.log cmake --preset release
quietly build/simulation.build.log cmake --build --preset release --parallel "$jobs" --target endoscope-simulation
export ENDOSCOPE_SIMULATION=$PWD/build/release/tests/simulation/endoscope-simulation

label=()
[ -n "${TESTS_LABEL:-}" ] && label=(-L "$TESTS_LABEL")
exec ctest --test-dir build/asan --output-on-failure --parallel "$jobs" "${label[@]}"
