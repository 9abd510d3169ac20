#!/usr/bin/env bash
# Makes the images of the node tests from the programs of Debian packages on this machine: images.sh DIRECTORY
# leaves NAME.tar (a root file system) and NAME.json (what the image says of itself) there for `registry`.
set -euo pipefail
out=$1
roots=$out/roots
mkdir -p "$roots"

# begin NAME: a root file system without programs.
begin() {
  local name
  root=$roots/$1
  mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,tmp,proc,dev,sys,run,root}
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
  chmod 1777 "$root/tmp"
  printf '%s\n' root:x:0:0:root:/root:/bin/sh www-data:x:33:33::/var/www:/bin/sh nobody:x:65534:65534::/:/bin/sh \
    nonroot:x:65532:65532::/tmp:/bin/sh >"$root/etc/passwd"
  printf '%s\n' root:x:0: www-data:x:33: nogroup:x:65534: nonroot:x:65532: >"$root/etc/group"
}

# put FILE: at its own path.
put() {
  [ -e "$root$1" ] && return
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
}

# add PROGRAM...: with the libraries that they load.
add() {
  local program file library
  for program in "$@"; do
    file=$(command -v "$program") || { echo "images: no $program" >&2; exit 1; }
    put "$file"
    while read -r library; do put "$library"; done < <(ldd "$file" 2>/dev/null | grep -oE '/[^ ]+' || true)
  done
}

# For every program that is not there yet.
add_busybox() {
  add busybox
  busybox --install -s "$root/usr/bin" 2>/dev/null || true
}

# finish JSON
finish() {
  local name=${root##*/}
  # The same files give the same layer.
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root" -cf "$out/$name.tar" .
  printf '%s\n' "$1" >"$out/$name.json"
  rm -rf "$root"
}

# What keeps a Pod's namespaces open.
begin pause
add_busybox
finish '{"Names": ["endoscope/pause:1"], "Entrypoint": ["/bin/sleep", "2147483647"]}'

begin nginx
add nginx
mkdir -p "$root"/{var/log/nginx,var/lib/nginx,etc/nginx,usr/share/nginx}
cat >"$root/etc/nginx/nginx.conf" <<'CONF'
daemon off;
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr;
events { worker_connections 64; }
http {
  access_log off;
  server { listen 80; location / { return 200 "it works\n"; } }
}
CONF
finish '{"Names": ["library/nginx:1.25", "library/nginx:1.27"], "Entrypoint": ["/usr/sbin/nginx"]}'

# A target without a shell, a libc or a user's name: nothing but its one program.
begin distroless
rm -rf "${root:?}"/{usr,bin,sbin,lib,lib64,etc}
cp "$(command -v busybox)" "$root/sleep"
finish '{"Names": ["endoscope/distroless:1"], "Entrypoint": ["/sleep", "2147483647"], "User": "1234:1234"}'

# The list of images/debug-tools/Dockerfile as far as this machine has the programs; the rest are busybox's.
begin debug-tools
add bash ip ss curl ps pgrep pkill top free id
for program in killall pstree lsof strace jq openssl less tcpdump dig nc; do
  command -v "$program" >/dev/null && add "$program"
done
add_busybox
finish '{"Names": ["dotbalo/debug-tools:1.0"], "Cmd": ["/bin/bash"]}'

# The same, by a user that the kubelet cannot tell from root: it has a name and no number.
begin named-user
add_busybox
finish '{"Names": ["endoscope/named-user:1"], "Cmd": ["/bin/sh"], "User": "nobody"}'
