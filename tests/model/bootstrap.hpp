#pragma once

#include "tests/model/cluster.hpp"

namespace model {

/// What a fresh cluster has: the namespaces default, kube-system, kube-public and kube-node-lease, the ClusterRoles
/// cluster-admin, admin, edit, view and those of discovery, and their bindings. Upstream's permissions for the
/// resources that the model serves; `edit` and `admin` hold no pods/ephemeralcontainers, as upstream.
void bootstrap(Cluster& cluster);

}  // namespace model
