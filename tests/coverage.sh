#!/usr/bin/env bash
# Line and branch coverage of the code that decides, by the unit tests alone (clang's source-based coverage).
# `tests/coverage.sh FILE...` shows the lines of these files that no test reached.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/coverage
mkdir -p build
cmake --preset coverage >build/coverage.log
cmake --build --preset coverage --parallel "$(nproc)" --target unit_controller_tests unit_api_tests >>build/coverage.log
objects=("$build/tests/unit_controller_tests" -object "$build/tests/unit_api_tests")
for suite in controller api; do
  LLVM_PROFILE_FILE=$build/$suite.profraw "$build/tests/unit_${suite}_tests" --gtest_brief=1 >>build/coverage.log
done
llvm-profdata-19 merge -sparse "$build"/*.profraw -o "$build/all.profdata"
if [ $# -gt 0 ]; then
  exec llvm-cov-19 show "${objects[@]}" -instr-profile="$build/all.profdata" --show-branches=count --region-coverage-lt=100 "$@"
fi
mapfile -t verdict < <(git ls-files 'controller/verdict*.cpp' 'controller/*_rules.cpp' 'controller/image_*.cpp' \
  'controller/policy.cpp' 'controller/custom_profile.cpp' 'controller/profile.cpp' 'controller/name_glob.cpp' \
  'controller/pod_security*.cpp' 'controller/pod_view.cpp' 'controller/container.cpp' 'controller/seal.cpp' \
  'controller/target_selection.cpp')
llvm-cov-19 report "${objects[@]}" -instr-profile="$build/all.profdata" -show-region-summary=false "${verdict[@]}"
