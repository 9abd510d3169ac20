#include "controller/injection.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace endoscope::controller {

using api::Reason;

namespace {

constexpr std::int64_t kFallbackDeadlineSeconds = 3600;
constexpr std::int64_t kFallbackStartDeadlineSeconds = 120;

bool has_cause(const kube::Error& error, std::string_view field) {
    return std::ranges::any_of(error.causes, [&](const kube::StatusCause& cause) { return cause.field == field; });
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
    return text;
}

}  // namespace

std::optional<Refusal> classify_refusal(const kube::Error& error) {
    using kube::ErrorKind;
    const bool from_server = error.http_status >= 400 && error.http_status < 500;
    if (!from_server || error.kind == ErrorKind::conflict || error.kind == ErrorKind::too_many_requests ||
        error.kind == ErrorKind::unauthorized) {
        return std::nullopt;
    }
    if (error.kind == ErrorKind::not_found) {
        if (error.object_name.empty()) {
            return Refusal{.reason = Reason::injection_rejected,
                           .message =
                               "the API server does not know pods/ephemeralcontainers; Kubernetes 1.25 or newer "
                               "is needed"};
        }
        return Refusal{.reason = Reason::target_gone, .message = "the target Pod was deleted before the injection"};
    }
    if (error.kind == ErrorKind::invalid && has_cause(error, "metadata.uid")) {
        return Refusal{.reason = Reason::target_gone,
                       .message = "the target Pod was replaced by another of the same name before the injection"};
    }
    if (error.kind == ErrorKind::forbidden && error.message.contains("violates PodSecurity")) {
        return Refusal{.denied = true,
                       .reason = Reason::pod_security_violation,
                       .message = error.message + "; use a stricter spec.profile"};
    }
    return Refusal{.reason = Reason::injection_rejected,
                   .message = "the API server refused the injection: " + error.message};
}

bool is_dry_run_unsupported(const kube::Error& error) {
    return error.http_status == 400 && error.message.contains("does not support dry run");
}

bool is_same_container(const PodView::EphemeralContainer& existing, const nlohmann::json& ours) {
    const auto theirs = kube::parse_json(existing.json);
    if (!theirs) return false;
    return std::ranges::all_of(ours.items(), [&](const auto& field) {
        const auto found = theirs->find(field.key());
        return found != theirs->end() && *found == field.value();
    });
}

bool is_injected(const PodView& pod, const api::DebugRequest& request) {
    std::string name = container_name(request, pod.uid);
    if (!request.status.targets.empty()) {
        const api::TargetStatus& row = request.status.targets.front();
        if (row.pod_uid != pod.uid) return false;
        name = row.container_name;
    }
    const auto* container = pod.find_ephemeral(name);
    return container != nullptr && container->request == request.namespace_name + "/" + request.name;
}

bool is_still_running(const api::DebugRequestStatus& status) {
    const auto* condition = api::find_condition(status.conditions, api::condition_type::kContainerStillRunning);
    return condition != nullptr && condition->status == api::ConditionStatus::is_true;
}

Session session_of(const api::DebugRequest& request, const Verdict& verdict, const PodView& pod) {
    Session session;
    session.pod = pod.name;
    session.pod_uid = pod.uid;
    session.profile = request.spec.profile;
    session.image = verdict.image;
    if (verdict.allowed && verdict.container) {
        session.container = verdict.container->name;
        session.target_container = verdict.container->target_container;
        session.policy = verdict.policy.value_or(api::PolicyRef());
        session.deadline_seconds = verdict.deadline_seconds;
        session.start_deadline_seconds = verdict.start_deadline_seconds;
        session.warnings = joined(verdict.warnings);
        return session;
    }
    session.container = request.status.targets.empty() ? container_name(request, pod.uid)
                                                       : request.status.targets.front().container_name;
    session.target_container = request.spec.target.container;
    session.policy = request.status.policy.value_or(api::PolicyRef());
    if (!request.status.image.empty()) session.image = request.status.image;
    session.start_deadline_seconds = kFallbackStartDeadlineSeconds;
    session.deadline_seconds = request.spec.deadline_seconds.value_or(kFallbackDeadlineSeconds);
    const auto started = api::parse_timestamp(request.status.started_at);
    const auto expires = api::parse_timestamp(request.status.expires_at);
    if (started && expires && *expires > *started) {
        session.deadline_seconds = std::chrono::duration_cast<std::chrono::seconds>(*expires - *started).count();
    }
    return session;
}

Progress keep_expired(Progress progress) {
    const bool running = progress.state == "Running";
    progress.phase = api::Phase::expired;
    progress.reason = Reason::deadline_exceeded;
    progress.still_running = running;
    if (!running) progress.message = "the deadline passed before the container ended; it has ended since";
    return progress;
}

void emit_on_pod(kube::EventRecorder& events, const StoredRequest& stored, const Session& session, kube::EventType type,
                 std::string_view reason, std::string_view action, const std::string& note) {
    events.record({.regarding = {.api_version = "v1",
                                 .kind = "Pod",
                                 .ns = stored.ns,
                                 .name = session.pod,
                                 .uid = session.pod_uid,
                                 .resource_version = {},
                                 .field_path = "spec.ephemeralContainers{" + session.container + "}"},
                   .related = kube::ObjectReference{.api_version = std::string(api::kApiVersion),
                                                    .kind = "DebugRequest",
                                                    .ns = stored.ns,
                                                    .name = stored.name,
                                                    .uid = stored.uid,
                                                    .resource_version = {},
                                                    .field_path = {}},
                   .type = type,
                   .reason = std::string(reason),
                   .action = std::string(action),
                   .note = note});
}

}  // namespace endoscope::controller
