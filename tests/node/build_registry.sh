#!/usr/bin/env bash
# Prints the path of the test registry's program, built once for each state of its sources. Exit 4: no Go.
set -euo pipefail
cd "$(dirname "$0")/registry"
command -v go >/dev/null || { echo "registry: no Go" >&2; exit 4; }
hash=$(cat main.go go.mod go.sum <(go version) | sha256sum | cut -c1-16)
program=${ENDOSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/endoscope}/registry/$hash/registry
if [ ! -x "$program" ]; then
  mkdir -p "$(dirname "$program")"
  CGO_ENABLED=0 go build -trimpath -o "$program.$$" . >&2
  mv -f "$program.$$" "$program"
fi
echo "$program"
