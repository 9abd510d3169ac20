#include "controller/status.hpp"

#include "kube/base/log.hpp"
#include "kube/runtime/events.hpp"

#include <algorithm>
#include <string_view>

namespace endoscope::controller {

using api::ConditionStatus;
using api::Phase;
using api::Reason;
namespace condition_type = api::condition_type;

namespace {

/// Sets conditions on one status with a common time and generation.
class Conditions {
  public:
    Conditions(api::DebugRequestStatus& status, api::TimePoint now) : status_(status), now_(now) {}

    void set(std::string_view type, ConditionStatus value, Reason reason, const std::string& message) {
        api::set_condition(status_.conditions, {.type = std::string(type),
                                                .status = value,
                                                .reason = std::string(to_string(reason)),
                                                .message = message,
                                                .last_transition_time = api::format_timestamp(now_),
                                                .observed_generation = status_.observed_generation});
    }

  private:
    api::DebugRequestStatus& status_;
    api::TimePoint now_;
};

/// The three that `kubectl wait`, Flux and Argo CD read (kstatus): Ready while it runs and when it succeeded, Stalled
/// when it ended otherwise, Reconciling while it is on its way.
void set_kstatus(Conditions& conditions, Phase phase, Reason reason, const std::string& message) {
    const bool ready = phase == Phase::running || phase == Phase::succeeded;
    const bool stalled = api::is_terminal(phase) && !ready;
    const auto as_status = [](bool value) { return value ? ConditionStatus::is_true : ConditionStatus::is_false; };
    conditions.set(condition_type::kReady, as_status(ready), reason, message);
    conditions.set(condition_type::kReconciling, as_status(!ready && !stalled), reason, message);
    conditions.set(condition_type::kStalled, as_status(stalled), reason, message);
}

/// Whether that reason means that the requester was found to be authorised.
ConditionStatus authorized(Reason reason) {
    if (reason == Reason::authorization_failed) return ConditionStatus::unknown;
    if (reason == Reason::not_authorized) return ConditionStatus::is_false;
    // Rules run in the order of the list: what comes after authorization has passed it.
    return reason > Reason::authorization_failed ? ConditionStatus::is_true : ConditionStatus::unknown;
}

void set_allowed(Conditions& conditions, const Session& session) {
    conditions.set(condition_type::kAuthorized, ConditionStatus::is_true, Reason::allowed,
                   "the requester may debug this Pod");
    std::string message = "accepted by DebugPolicy " + session.policy.name;
    if (!session.warnings.empty()) message += "; " + session.warnings;
    conditions.set(condition_type::kPolicyAccepted, ConditionStatus::is_true, Reason::allowed,
                   bounded_message(message));
}

}  // namespace

std::string bounded_message(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    }
    return kube::cut_utf8(std::move(text), api::bounds::kMessage);
}

api::DebugRequestStatus denied_status(const api::DebugRequestStatus& before, std::int64_t generation,
                                      const Verdict& verdict, api::TimePoint now) {
    api::DebugRequestStatus status;
    status.conditions = before.conditions;
    status.observed_generation = generation;
    status.phase = Phase::denied;
    status.reason = verdict.reason;
    status.message = bounded_message(verdict.message);
    status.image = verdict.image;
    status.policy = verdict.policy;
    status.finished_at = api::format_timestamp(now);
    Conditions conditions(status, now);
    const ConditionStatus may = authorized(verdict.reason);
    conditions.set(condition_type::kAuthorized, may, may == ConditionStatus::is_true ? Reason::allowed : verdict.reason,
                   may == ConditionStatus::is_true ? "the requester may debug this Pod" : status.message);
    conditions.set(condition_type::kPolicyAccepted, ConditionStatus::is_false, verdict.reason, status.message);
    conditions.set(condition_type::kInjected, ConditionStatus::is_false, verdict.reason, "nothing was injected");
    set_kstatus(conditions, Phase::denied, verdict.reason, status.message);
    return status;
}

api::DebugRequestStatus failed_status(const api::DebugRequestStatus& before, std::int64_t generation,
                                      const Session& session, Reason reason, const std::string& message,
                                      api::TimePoint now) {
    api::DebugRequestStatus status;
    status.conditions = before.conditions;
    status.observed_generation = generation;
    status.phase = Phase::failed;
    status.reason = reason;
    status.message = bounded_message(message);
    status.image = session.image;
    status.policy = session.policy;
    status.finished_at = api::format_timestamp(now);
    Conditions conditions(status, now);
    set_allowed(conditions, session);
    conditions.set(condition_type::kInjected, ConditionStatus::is_false, reason, status.message);
    set_kstatus(conditions, Phase::failed, reason, status.message);
    return status;
}

const api::TargetStatus* find_row(const api::DebugRequestStatus& status, std::string_view pod_uid) {
    const auto found = std::ranges::find(status.targets, pod_uid, &api::TargetStatus::pod_uid);
    return found == status.targets.end() ? nullptr : &*found;
}

namespace {

api::TargetStatus row_of(const PartView& view, const api::TargetStatus* before) {
    const Progress& progress = view.progress;
    api::TargetStatus row;
    row.pod_name = view.part.pod;
    row.pod_uid = view.part.pod_uid;
    row.node_name = view.pod ? view.pod->node_name : "";
    row.container_name = view.part.container;
    row.state = progress.state;
    row.reason = std::string(to_string(progress.reason));
    row.message = progress.message;
    if (!view.part.output_problem.empty()) row.message += "; its log could not be read: " + view.part.output_problem;
    row.message = bounded_message(std::move(row.message));
    row.image_id = progress.image_id;
    row.started_at = progress.started_at;
    row.finished_at = progress.finished_at;
    row.exit_code = progress.exit_code;
    row.output = view.part.output.value_or("");
    if (before == nullptr) return row;
    if (row.output.empty()) row.output = before->output;
    if (view.pod) return row;
    // What was seen while the Pod was there stays on record.
    if (row.node_name.empty()) row.node_name = before->node_name;
    if (row.image_id.empty()) row.image_id = before->image_id;
    if (row.started_at.empty()) row.started_at = before->started_at;
    return row;
}

/// How people reach the session: in the first Pod that has a container.
void set_commands(api::DebugRequestStatus& status, const api::DebugRequest& request,
                  const std::vector<PartView>& parts) {
    const auto first = std::ranges::find_if(parts, [](const PartView& view) { return view.part.injected; });
    if (first == parts.end()) return;
    const std::string in_pod = " -n " + request.namespace_name + " " + first->part.pod + " -c " + first->part.container;
    if (request.spec.mode == api::Mode::interactive) status.attach_command = "kubectl attach -it" + in_pod;
    status.logs_command = "kubectl logs" + in_pod + " --tail=50";
}

void set_injected(Conditions& conditions, const std::vector<PartView>& parts, const std::string& message) {
    const auto injected = std::ranges::count_if(parts, [](const PartView& view) { return view.part.injected; });
    if (injected == 0) {
        conditions.set(condition_type::kInjected, ConditionStatus::is_false, Reason::injecting, message);
    } else if (parts.size() == 1) {
        conditions.set(condition_type::kInjected, ConditionStatus::is_true, Reason::injecting,
                       "container " + parts.front().part.container + " was added to Pod " + parts.front().part.pod);
    } else {
        conditions.set(
            condition_type::kInjected, ConditionStatus::is_true, Reason::injecting,
            "containers were added to " + std::to_string(injected) + " of " + std::to_string(parts.size()) + " Pods");
    }
}

}  // namespace

api::DebugRequestStatus session_status(const api::DebugRequest& request, const api::DebugRequestStatus& before,
                                       const Session& session, const Progress& whole,
                                       const std::vector<PartView>& parts, api::TimePoint now) {
    api::DebugRequestStatus status;
    status.conditions = before.conditions;
    status.observed_generation = request.generation;
    status.phase = whole.phase;
    status.reason = whole.reason;
    status.message = bounded_message(whole.message);
    status.policy = session.policy;
    status.image = session.image;
    status.started_at = whole.started_at;
    status.finished_at = whole.finished_at;
    if (status.finished_at.empty() && api::is_terminal(whole.phase) && !whole.still_running) {
        // The end was concluded (the Pod is gone, a deadline passed), not reported: say when we concluded it, once.
        status.finished_at = before.finished_at.empty() ? api::format_timestamp(now) : before.finished_at;
    }
    status.expires_at = whole.expires_at.empty() ? before.expires_at : whole.expires_at;
    set_commands(status, request, parts);
    for (const PartView& view : parts) status.targets.push_back(row_of(view, find_row(before, view.part.pod_uid)));
    if (status.started_at.empty() && std::ranges::any_of(parts, [](const PartView& view) { return !view.pod; }))
        status.started_at = before.started_at;

    Conditions conditions(status, now);
    set_allowed(conditions, session);
    set_injected(conditions, parts, status.message);
    const bool started = !status.started_at.empty();
    if (started) {
        conditions.set(condition_type::kStarted, ConditionStatus::is_true, Reason::started, "the container started");
    } else {
        conditions.set(condition_type::kStarted, ConditionStatus::is_false, whole.reason, status.message);
    }
    if (whole.state == "Terminated") {
        conditions.set(condition_type::kEnded, ConditionStatus::is_true, whole.reason, status.message);
    } else if (started) {
        conditions.set(condition_type::kEnded, ConditionStatus::is_false, whole.reason, status.message);
    }
    const bool was_overdue = api::find_condition(status.conditions, condition_type::kContainerStillRunning) != nullptr;
    if (whole.still_running) {
        conditions.set(condition_type::kContainerStillRunning, ConditionStatus::is_true, Reason::deadline_exceeded,
                       status.message);
    } else if (was_overdue) {
        conditions.set(condition_type::kContainerStillRunning, ConditionStatus::is_false, whole.reason,
                       "the container has ended");
    }
    set_kstatus(conditions, whole.phase, whole.reason, status.message);
    return status;
}

}  // namespace endoscope::controller
