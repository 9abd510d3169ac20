#!/usr/bin/env bash
# Fuzzes every target, one after the other, or those named as arguments. Ends with 1 if any found something.
#   FUZZ_SECONDS=300   for each target
#   FUZZ_JOBS=1        processes for each target
# build/fuzz/<target>/found keeps the inputs that reached new code, from run to run; what broke something is beside it
# (crash-*, timeout-*, oom-*). To see it again: build/asan/tests/fuzz/fuzz_<target> <file>.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-300}
jobs=${FUZZ_JOBS:-1}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(image_reference image_pattern debug_request debug_policy watch_decoder list_splitter status remote_command admission_review log_tail)
mkdir -p build

{ cmake --preset asan && cmake --build --preset asan --parallel "$(nproc)" --target "${targets[@]/#/fuzz_}"; } \
  >build/fuzz.build.log 2>&1 || { tail -n 60 build/fuzz.build.log; exit 1; }

failed=()
for target in "${targets[@]}"; do
  work=build/fuzz/$target
  mkdir -p "$work/found"
  options=(-max_total_time="$seconds" -max_len=4096 -timeout=20 -artifact_prefix="$work/" -print_final_stats=1)
  [ "$jobs" -gt 1 ] && options+=(-fork="$jobs")
  [ -f "tests/fuzz/$target.dict" ] && options+=(-dict="tests/fuzz/$target.dict")
  echo "fuzz: $target for $seconds s"
  if build/asan/tests/fuzz/fuzz_"$target" "${options[@]}" "$work/found" "tests/fuzz/corpus/$target" >"$work/log" 2>&1; then
    grep -E 'stat::number_of_executed_units|stat::average_exec_per_sec|^#[0-9]+.*DONE' "$work/log" || true
  else
    tail -n 30 "$work/log"
    failed+=("$target")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: found something: ${failed[*]} (build/fuzz/<target>)" >&2
  exit 1
fi
