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

bool is_for_several(const api::DebugRequest& request) {
    return request.spec.target.pod_name.empty();
}

std::optional<std::string> container_in(const PodView& pod, const api::DebugRequest& request) {
    const auto& rows = request.status.targets;
    if (rows.empty()) return container_name(request, pod.uid);
    const auto row = std::ranges::find(rows, pod.uid, &api::TargetStatus::pod_uid);
    if (row == rows.end()) return std::nullopt;
    return row->container_name;
}

bool is_injected(const PodView& pod, const api::DebugRequest& request) {
    const auto name = container_in(pod, request);
    const auto* container = name ? pod.find_ephemeral(*name) : nullptr;
    return container != nullptr && container->request == request.namespace_name + "/" + request.name;
}

bool is_still_running(const api::DebugRequestStatus& status) {
    const auto* condition = api::find_condition(status.conditions, api::condition_type::kContainerStillRunning);
    return condition != nullptr && condition->status == api::ConditionStatus::is_true;
}

Session session_of(const api::DebugRequest& request, const Verdict& verdict, const std::vector<PodView>& pods) {
    Session session;
    session.profile = request.spec.profile;
    session.image = verdict.image;
    for (std::size_t i = 0; i < pods.size(); ++i) {
        SessionPart part;
        part.pod = pods[i].name;
        part.pod_uid = pods[i].uid;
        // A record that somebody tampered with makes no other's container ours.
        part.container = container_name(request, pods[i].uid);
        if (is_injected(pods[i], request)) part.container = *container_in(pods[i], request);
        part.target_container = request.spec.target.container;
        if (verdict.allowed && i < verdict.containers.size()) {
            part.container = verdict.containers[i].name;
            part.target_container = verdict.containers[i].target_container;
        }
        session.parts.push_back(std::move(part));
    }
    if (verdict.allowed) {
        session.policy = verdict.policy.value_or(api::PolicyRef());
        session.deadline_seconds = verdict.deadline_seconds;
        session.start_deadline_seconds = verdict.start_deadline_seconds;
        session.warnings = joined(verdict.warnings);
        return session;
    }
    session.policy = request.status.policy.value_or(api::PolicyRef());
    if (!request.status.image.empty()) session.image = request.status.image;
    session.start_deadline_seconds = kFallbackStartDeadlineSeconds;
    session.deadline_seconds = request.spec.deadline_seconds.value_or(kFallbackDeadlineSeconds);
    if (is_for_several(request)) return session;  // their times are those of different containers
    const auto started = api::parse_timestamp(request.status.started_at);
    const auto expires = api::parse_timestamp(request.status.expires_at);
    if (started && expires && *expires > *started) {
        session.deadline_seconds = std::chrono::duration_cast<std::chrono::seconds>(*expires - *started).count();
    }
    return session;
}

std::optional<SessionPart::Refused> recorded_refusal(const api::TargetStatus& row) {
    if (row.state != "NotInjected") return std::nullopt;
    return SessionPart::Refused{.reason = api::reason_from_string(row.reason).value_or(Reason::target_gone),
                                .message = row.message};
}

SessionPart part_of_lost_pod(const api::TargetStatus& row) {
    SessionPart part;
    part.pod = row.pod_name;
    part.pod_uid = row.pod_uid;
    part.container = row.container_name;
    part.injected = row.state != "Pending" && row.state != "NotInjected";
    part.refused = recorded_refusal(row);
    if (!part.injected && !part.refused)
        part.refused = SessionPart::Refused{
            .reason = Reason::target_gone,
            .message = "the Pod was gone, or no target of the request any more, before its container was added"};
    return part;
}

Progress keep_expired(Progress progress, const std::string& done) {
    const bool running = progress.state == "Running";
    progress.phase = api::Phase::expired;
    progress.reason = Reason::deadline_exceeded;
    progress.still_running = running;
    progress.check_after.reset();
    if (running) return progress;
    progress.message = "the deadline passed before the container ended; ";
    progress.message += done.empty() ? "it has ended since" : "it was ended " + done;
    return progress;
}

void emit_on_pod(kube::EventRecorder& events, const StoredRequest& stored, const SessionPart& part,
                 kube::EventType type, std::string_view reason, std::string_view action, const std::string& note) {
    events.record({.regarding = {.api_version = "v1",
                                 .kind = "Pod",
                                 .ns = stored.ns,
                                 .name = part.pod,
                                 .uid = part.pod_uid,
                                 .resource_version = {},
                                 .field_path = "spec.ephemeralContainers{" + part.container + "}"},
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
