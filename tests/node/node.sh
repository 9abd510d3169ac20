# shellcheck shell=bash
# A real node for scripts that have sourced tests/support/cluster.sh: sourced, not run. The whole script runs again in
# namespaces of its own (`run_contained`), so that whatever it starts, mounts or connects is gone when it ends, however
# it ends, and can meet nothing outside: not another run of it, not the machine's network.
#   $build   where the programs were built
#   $work    a temporary directory, set by `run_contained`

node_name=node-1
node_address=10.244.77.1
node_subnet=10.244.77.0/24
# Of the cgroups' and the work directory's names; the process ID of the script follows.
node_prefix=endoscope-node-

# What a node needs and this machine may lack, in a few words, or nothing.
node_missing() {
  local program
  for program in containerd containerd-shim-runc-v2 runc ctr ip unshare setpriv script busybox nginx curl ss ps; do
    command -v "$program" >/dev/null || { echo "no $program"; return; }
  done
  [ -x /usr/lib/cni/bridge ] || { echo "no CNI plugins in /usr/lib/cni"; return; }
  [ "$(id -u)" = 0 ] || { echo "not root"; return; }
  "${in_namespaces[@]}" sh -c 'ip link add name probe type bridge && mount -t tmpfs tmpfs /run' >/dev/null 2>&1 ||
    { echo "no namespaces, bridges or mounts of one's own"; return; }
  make_cgroup 2>/dev/null || { remove_remains; echo "no cgroups that can be written"; return; }
  remove_remains
  # Both are built once, and say why they cannot be.
  tests/controlplane/build.sh >/dev/null || { echo "no real control plane"; return; }
  tests/node/build_registry.sh >/dev/null || echo "no registry"
}

# What follows it is the first process of its PID namespace: the kernel ends all others with it. It dies with this script.
in_namespaces=(setpriv --pdeathsig KILL unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc)

# One directory, or with version 1 one for each hierarchy, below which the kubelet makes those of the Pods.
cgroup_mounts() { awk '$3 == "cgroup" || $3 == "cgroup2" {print $2, $3}' /proc/mounts; }

make_cgroup() {
  local mount type
  while read -r mount type; do
    # Beside hierarchies of version 1 there is nothing to control in that of version 2.
    [ "$type" = cgroup ] || [ "$mount" = /sys/fs/cgroup ] || continue
    mkdir "$mount/$node_prefix$$" || return 1
    if [ -e "$mount/$node_prefix$$/cpuset.cpus" ] && [ "$type" = cgroup ]; then
      cat "$mount/cpuset.cpus" >"$mount/$node_prefix$$/cpuset.cpus"
      cat "$mount/cpuset.mems" >"$mount/$node_prefix$$/cpuset.mems"
    fi
  done < <(cgroup_mounts)
}

# Of this run, and of earlier ones that were killed.
remove_remains() {
  local mount type path limit=$((SECONDS + 10))
  while read -r mount type; do
    for path in "$mount/$node_prefix"*; do
      # The processes in it may need a moment to be gone.
      while remains "$path" && [ "$SECONDS" -lt "$limit" ]; do
        find "$path" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
      done
    done
  done < <(cgroup_mounts)
  for path in "${TMPDIR:-/tmp}/$node_prefix"*; do
    if remains "$path"; then rm -rf "$path"; fi
  done
}
# remains PATH: it is there, and its run is this one or over.
remains() { [ -d "$1" ] && { [ "${1##*-}" = $$ ] || [ ! -e "/proc/${1##*-}" ]; }; }

# run_contained SCRIPT ARGUMENT...: outside it starts the script anew inside, and exits as that does; inside it returns.
run_contained() {
  if [ -n "${ENDOSCOPE_NODE_INSIDE:-}" ]; then
    work=$ENDOSCOPE_NODE_INSIDE
    node_cgroup=$ENDOSCOPE_NODE_CGROUP
    unset ENDOSCOPE_NODE_INSIDE KUBECONFIG
    # The shim's sockets, the network namespaces' names and the container logs' links have fixed places.
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /var/log
    ip link set lo up
    return
  fi
  local missing contained status=0
  missing=$(node_missing)
  if [ -n "$missing" ]; then
    [ "${ENDOSCOPE_REQUIRE_NODE:-}" = 1 ] || { echo "containers cannot run here: $missing"; exit 0; }
    echo "node: a real node is required here: $missing" >&2
    exit 1
  fi
  work=${TMPDIR:-/tmp}/$node_prefix$$
  mkdir -m 700 "$work"
  make_cgroup
  ENDOSCOPE_NODE_INSIDE=$work ENDOSCOPE_NODE_CGROUP=/$node_prefix$$ "${in_namespaces[@]}" "$@" &
  contained=$!
  # Killed, the outermost process takes everything with it.
  trap 'kill -KILL "$contained" 2>/dev/null' INT TERM
  wait "$contained" || status=$?
  remove_remains
  exit "$status"
}

containerd_config() {
  cat <<CONF
version = 2
root = "$node/containerd/root"
state = "$node/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$node/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.test/endoscope/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$node/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$node/registries"
CONF
}

network_config() {
  cat <<CONF
{"cniVersion": "1.0.0", "name": "endoscope", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$node/cni-data", "ranges": [[{"subnet": "$node_subnet"}]]}}]}
CONF
}

kubelet_config() {
  cat <<CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: $node_cgroup
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
localStorageCapacityIsolation: false
containerRuntimeEndpoint: unix://$node/containerd.sock
podLogsDir: $node/pod-logs
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: $work/cluster/ca.crt}
authorization: {mode: AlwaysAllow}
resolvConf: ""
healthzPort: 0
readOnlyPort: 0
port: 10250
address: $node_address
evictionHard: {memory.available: "1%", nodefs.available: "1%", imagefs.available: "1%"}
nodeStatusUpdateFrequency: 2s
syncFrequency: 5s
serializeImagePulls: false
imageGCHighThresholdPercent: 100
CONF
}

# start_node USER...: the cluster (see `start_cluster`), containerd, the registry and the kubelet; returns once Pods can run.
start_node() {
  local images
  node=$work/node
  mkdir -p "$node"/{cni,registries/_default,pod-logs,kubelet}
  tests/node/images.sh "$work/images" &
  images=$!
  # The bridge is made before the first Pod makes it: the kubelet listens on its address.
  ip link add pods type bridge
  ip address add "$node_address/24" dev pods
  ip link set pods up
  network_config >"$node/cni/10-bridge.conflist"
  containerd_config >"$node/containerd.toml"
  start_containerd
  start_cluster node "$@"
  wait "$images" || give_up "the images were not made"
  start registry "$(tests/node/build_registry.sh)" --images "$work/images"
  wait_for 30 "the registry" test -s "$work/registry.out"
  printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' \
    "$(cat "$work/registry.out")" "$(cat "$work/registry.out")" >"$node/registries/_default/hosts.toml"
  kubelet_config >"$node/kubelet.yaml"
  "$controlplane" kubeconfig --dir "$work/cluster" --user "system:node:$node_name" --group system:nodes \
    --out "$work/kubelet.kubeconfig" >/dev/null
  # No authorizer knows nodes here: the kubelet has its rights by RBAC.
  admin create clusterrolebinding test-node --clusterrole=cluster-admin --user="system:node:$node_name" >/dev/null
  start_kubelet
  wait_for 60 "the node" node_is_ready
  # Nobody else takes the taint away that a new node has.
  admin taint node "$node_name" node.kubernetes.io/not-ready- >/dev/null 2>&1 || true
}

node_is_ready() {
  [ "$(admin get node "$node_name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

start_containerd() {
  rm -f "$work/containerd.err" # of the one before
  start containerd containerd --config "$node/containerd.toml"
  containerd_pid=${pids[-1]}
  # A kubelet that comes before the server is initialised gives up.
  wait_for 60 "containerd" grep -q 'Start streaming server' "$work/containerd.err"
}

start_kubelet() {
  start kubelet "$controlplane" kubelet --config "$node/kubelet.yaml" --kubeconfig "$work/kubelet.kubeconfig" \
    --root-dir "$node/kubelet" --hostname-override "$node_name" --node-ip "$node_address" --cert-dir "$node/kubelet/pki"
  kubelet_pid=${pids[-1]}
}
