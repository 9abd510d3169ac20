# shellcheck shell=bash
# For scripts that need a cluster and an operator: sourced, not run. Everything started is ended by `end_all`.
#   $build   where the programs were built, e.g. build/release
#   $work    a temporary directory that the script made

pids=()

# start NAME COMMAND...: in the background, output in $work/NAME.out and .err.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.out" 2>"$work/$name.err" &
  pids+=($!)
}

end_all() {
  local i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
}

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds; calls give_up otherwise.
wait_for() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$limit" ] || give_up "timed out waiting for $what"
    sleep 0.1
  done
}

says_ready() { grep -qx ready "$1"; }

free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# start_cluster model|real|node USER...: leaves $work/admin.kubeconfig and $work/USER.kubeconfig. A pretend kubelet reports
# the containers' states; with `node`, which is `real` without it, tests/node/node.sh has a true one.
start_cluster() {
  local kind=$1 user users=()
  shift
  mkdir -p "$work/cluster"
  if [ "$kind" = model ]; then
    for user in "$@"; do users+=(--user "$user:developers"); done
    start apiserver "$build/tests/model-apiserver" --dir "$work/cluster" --kubelet --exit-with-parent "${users[@]}"
    wait_for 30 "the model API server" says_ready "$work/apiserver.out"
    cp "$work"/cluster/*.kubeconfig "$work"
    return
  fi
  controlplane=$(tests/controlplane/build.sh) || give_up "a real API server is built once and needs Go; see the line above"
  start apiserver "$controlplane" start --dir "$work/cluster" --exit-with-parent
  wait_for 90 "the API server" says_ready "$work/apiserver.out"
  cp "$work/cluster/admin.kubeconfig" "$work"
  for user in "$@"; do
    "$controlplane" kubeconfig --dir "$work/cluster" --user "$user" --group developers --out "$work/$user.kubeconfig" >/dev/null
  done
  [ "$kind" = node ] || start kubelet "$build/tests/test-kubelet" --kubeconfig "$work/admin.kubeconfig" --exit-with-parent
}

# start_operator PROGRAM [FLAG...]: `dev`, metrics on $metrics_port.
start_operator() {
  metrics_port=$(free_port)
  local program=$1
  shift
  start operator "$program" dev "$@" --kubeconfig "$work/admin.kubeconfig" --webhook-port 0 \
    --metrics-bind-address "127.0.0.1:$metrics_port" --health-probe-bind-address 0
  wait_for 60 "the operator" says_ready "$work/operator.out"
}

admin() { kubectl --kubeconfig "$work/admin.kubeconfig" "$@"; }
