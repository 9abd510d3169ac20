#pragma once

#include "tests/model/api_error.hpp"

/// What the API server does with Pods: defaults and the validation rules that matter to debugging them.
namespace model {

/// Fields the server fills in on every write (image pull policies, restart policy, ...).
void default_pod(Json& pod);
/// What PrepareForCreate does: a fresh status with phase Pending and the QoS class.
void prepare_pod_create(Json& pod);
FieldErrors validate_pod_create(const Json& pod);
/// An update through `pods`: only images, activeDeadlineSeconds, tolerations and metadata may change.
FieldErrors validate_pod_update(const Json& pod, const Json& before);
/// An update through `pods/status`: an ended ephemeral container never runs again.
FieldErrors validate_pod_status_update(const Json& pod, const Json& before);
/// An update through `pods/ephemeralcontainers` (reference/peers.md 4.3).
FieldErrors validate_ephemeral_update(const Json& pod, const Json& before);

/// Rules of every `spec.ephemeralContainers` of a Pod.
FieldErrors validate_ephemeral_containers(const Json& pod);
FieldErrors validate_containers(const Json& pod);
bool is_static_pod(const Json& pod);

}  // namespace model
