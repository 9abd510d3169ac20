#pragma once

#include "api/debug_request.hpp"
#include "controller/pod_view.hpp"

#include <span>
#include <vector>

namespace endoscope::controller {

/// The Pods that a request is about, out of those of its namespace.
///
/// `podName`: that one, whatever its state. `selector` and `workload`: of the matching Pods that run and are not being
/// deleted at most `maxPods` (1 where it is not set), ready ones first, then the newest, then by name. A Pod belongs to
/// the workload that is its controller; to a Deployment by its ReplicaSet, whose name is the Deployment's with the
/// Pod's label `pod-template-hash` (pkg/controller/deployment/sync.go).
std::vector<const PodView*> select_pods(const api::Target& target, std::span<const PodView* const> pods);

}  // namespace endoscope::controller
