#!/bin/sh
# Builds controlplane into a cache outside the checkout and prints the path of
# the binary, the only line on stdout. Does nothing when it is already there.
# Exit 4: no Go, or too old a Go.
set -eu

cd "$(dirname "$0")"

# The environment must not change what is built, nor download another Go.
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off GOTOOLCHAIN=local

need=$(sed -n 's/^go //p' go.mod)
if ! command -v go >/dev/null 2>&1; then
  echo "controlplane: Go $need or newer is needed to build the test control plane, and there is no go on PATH" >&2
  exit 4
fi
have=$(go env GOVERSION)
have=${have#go}
have=${have%% *}
if [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1)" != "$need" ]; then
  echo "controlplane: Go $need or newer is needed to build the test control plane, and this is Go $have" >&2
  exit 4
fi

cache=${ENDOSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/endoscope}/controlplane
hash=$({ go version; cat go.mod go.sum ./*.go build.sh; } | sha256sum | cut -c 1-16)
binary=$cache/$hash/controlplane

mkdir -p "$cache"
# The second of two that run at once waits here, and then finds the binary.
exec 9>"$cache/lock"
flock 9

if [ ! -x "$binary" ]; then
  mkdir -p "$cache/$hash"
  kubernetes=$(sed -n 's/^require k8s.io\/kubernetes //p; s/^\tk8s.io\/kubernetes //p' go.mod | head -n 1)
  minor=${kubernetes#v1.}
  minor=${minor%%.*}
  ldflags='-s -w'
  # Without a version of its own the server says v0.0.0, which kubectl refuses.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    for value in "gitVersion=$kubernetes" gitMajor=1 "gitMinor=$minor" gitTreeState=clean gitCommit=unknown; do
      ldflags="$ldflags -X $package.$value"
    done
  done
  echo "controlplane: building Kubernetes $kubernetes with Go $have, once; without Go's own cache this takes many minutes" >&2
  go build -trimpath -ldflags "$ldflags" -o "$binary.new" . >&2
  mv "$binary.new" "$binary"
fi
touch "$cache/$hash"

# Each entry is large: only the two used last are kept.
ls -1dt "$cache"/*/ | tail -n +3 | while IFS= read -r old; do
  rm -rf "$old"
done

printf '%s\n' "$binary"
