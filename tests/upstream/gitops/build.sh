#!/usr/bin/env bash
# Prints the path of the program that judges as GitOps tools do, built once for each state of its sources. Exit 4: no Go.
set -euo pipefail
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "gitops: there is no go on PATH" >&2; exit 4; }
hash=$(cat ./*.go go.mod go.sum <(go version) | sha256sum | cut -c1-16)
program=${ENDOSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/endoscope}/gitops/$hash/gitops
if [ ! -x "$program" ]; then
  mkdir -p "$(dirname "$program")"
  CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off GOTOOLCHAIN=local go build -trimpath -o "$program.$$" . >&2
  mv -f "$program.$$" "$program"
fi
echo "$program"
