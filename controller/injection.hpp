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
#include <vector>

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

/// Whether the request is for the Pods that a selector or a workload has, and so perhaps for several.
bool is_for_several(const api::DebugRequest& request);

/// The container that the request has, or would get, in that Pod: the one that the status names for that very Pod, or,
/// where nothing is recorded, the one of its deterministic name. Nothing where the status names other Pods.
std::optional<std::string> container_in(const PodView& pod, const api::DebugRequest& request);

/// Whether that container is in the Pod and says it is this request's.
bool is_injected(const PodView& pod, const api::DebugRequest& request);

/// Whether the status says that the deadline passed and a container was not seen to end.
bool is_still_running(const api::DebugRequestStatus& status);

/// The session that a verdict begins in those Pods, which it judged in that order. With a verdict that does not allow
/// (policies changed since the injection) the limits come from what is on record.
Session session_of(const api::DebugRequest& request, const Verdict& verdict, const std::vector<PodView>& pods);

/// Why a Pod got no container, where that is on record.
std::optional<SessionPart::Refused> recorded_refusal(const api::TargetStatus& row);

/// A Pod that the record names but that is gone, or is another one by now.
SessionPart part_of_lost_pod(const api::TargetStatus& row);

/// A container that expired stays Expired: only what was observed of it moves on. `done` says what ended it, where we
/// did.
Progress keep_expired(Progress progress, const std::string& done = {});

/// Records an Event on the target Pod that names the request.
void emit_on_pod(kube::EventRecorder& events, const StoredRequest& stored, const SessionPart& part,
                 kube::EventType type, std::string_view reason, std::string_view action, const std::string& note);

}  // namespace endoscope::controller
