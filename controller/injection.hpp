#pragma once

#include "controller/pod_view.hpp"
#include "controller/progress.hpp"
#include "controller/session.hpp"
#include "controller/stored_request.hpp"
#include "controller/verdict.hpp"
#include "kube/base/error.hpp"
#include "kube/runtime/events.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// A refused injection that trying again would not change.
struct Refusal {
    bool denied = false;  ///< A policy of the cluster said no (phase Denied), else it failed (phase Failed).
    api::Reason reason = api::Reason::injection_rejected;
    std::string message;
};

/// What an error of the (dry-run) injection means; nothing when it is worth trying again (conflict, throttling,
/// time-out, server errors). Source of the answers: pods/ephemeralcontainers of Kubernetes 1.36.
std::optional<Refusal> classify_refusal(const kube::Error& error);

/// An admission webhook of somebody else that has side effects makes the rehearsal impossible, not the injection.
bool is_dry_run_unsupported(const kube::Error& error);

/// Whether `existing` is what we would inject: every field of ours is there with our value (the API server adds
/// defaults).
bool is_same_container(const PodView::EphemeralContainer& existing, const nlohmann::json& ours);

/// Whether the request's container is in the Pod and says it is this request's: the one that the status names, in that
/// very Pod, or, where nothing is recorded, the one that the request would get there.
bool is_injected(const PodView& pod, const api::DebugRequest& request);

/// Whether the status says that the deadline passed and the container was not seen to end.
bool is_still_running(const api::DebugRequestStatus& status);

/// The session that a verdict begins in that Pod. With a verdict that does not allow (policies changed since the
/// injection) the limits come from what is on record.
Session session_of(const api::DebugRequest& request, const Verdict& verdict, const PodView& pod);

/// A request that expired stays Expired: only what was observed of its container moves on.
Progress keep_expired(Progress progress);

/// Records an Event on the target Pod that names the request.
void emit_on_pod(kube::EventRecorder& events, const StoredRequest& stored, const Session& session, kube::EventType type,
                 std::string_view reason, std::string_view action, const std::string& note);

}  // namespace endoscope::controller
