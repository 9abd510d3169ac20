#!/usr/bin/env bash
# Plants each bug of mutants/ in a copy of the tree, builds the simulation and expects it to break.
#   tests/simulation/mutants.sh [NAME...]     only these; SEEDS (20000) each at most
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD
copy=$here/build/mutants
seeds=${SEEDS:-20000}
mkdir -p "$copy"
find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
# Times are kept, so that only what a mutant touches is built again.
git ls-files -co --exclude-standard -z | xargs -0 cp -p --parents -t "$copy"
cd "$copy"
# But what an earlier run left mutated is newer than its source.
sed -n 's|^+++ b/||p' "$here"/tests/simulation/mutants/*.patch | sort -u | xargs touch
cmake --preset release >configure.log 2>&1 || { cat configure.log; exit 1; }

# A few seeds find most; then what `make test` runs, the shortest first. Stops at the first violation.
run() {
  for arguments in "--seeds 200" "--sweep freeze --seeds 600" "--sweep stop --seeds 600" "--sweep crash --seeds 1000" \
    "--seeds $seeds"; do
    # shellcheck disable=SC2086
    build/release/tests/simulation/endoscope-simulation $arguments --no-shrink >run.log || return 1
  done
}

names=("$@")
[ ${#names[@]} -gt 0 ] || names=($(cd "$here/tests/simulation/mutants" && ls -- *.patch | sed 's/\.patch$//'))
survived=()
for name in "${names[@]}"; do
  patch=$here/tests/simulation/mutants/$name.patch
  patch -p1 --quiet <"$patch" || { echo "$name: the patch does not apply" >&2; exit 1; }
  cmake --build --preset release --parallel "$(nproc)" --target endoscope-simulation >build.log 2>&1 ||
    { tail -n 30 build.log; echo "$name: does not build" >&2; exit 1; }
  if run; then
    survived+=("$name")
    echo "$name: SURVIVED the sweeps and $seeds seeds"
  else
    echo "$name: caught by $arguments: $(grep -m1 breaks run.log || tail -n 1 run.log)"
  fi
  patch -p1 --quiet --reverse <"$patch"
done
echo "${#names[@]} mutants, ${#survived[@]} survived"
[ ${#survived[@]} -eq 0 ]
