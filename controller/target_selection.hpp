#pragma once

#include "api/debug_request.hpp"
#include "controller/pod_view.hpp"

#include <span>
#include <vector>

namespace endoscope::controller {

/// Whether a Pod of the request's namespace is one that the request is about, whatever its state: it has the name, its
/// labels match, or it belongs to the workload.
///
/// A Pod belongs to the workload that is its controller, by API group, kind and name; to a Deployment by its
/// ReplicaSet, whose name is the Deployment's with the Pod's label `pod-template-hash`
/// (pkg/controller/deployment/sync.go). A kind of the same name in another group is another kind.
/// Labels can change, so that a Pod that was chosen once need not match for ever.
bool matches(const PodView& pod, const api::Target& target);

/// The Pods that a request is about, out of those of its namespace.
///
/// `podName`: that one, whatever its state. `selector` and `workload`: of the Pods that match, run (phase Running) and
/// are not being deleted at most `maxPods` (1 where it is not set), ready ones first, then the newest, then by name.
/// Nothing else is passed over: a Pod that may not be debugged (a static one, a privileged one) is chosen, and refused
/// by the verdict, as the requester would not learn otherwise why there are fewer.
std::vector<const PodView*> select_pods(const api::Target& target, std::span<const PodView* const> pods);

}  // namespace endoscope::controller
