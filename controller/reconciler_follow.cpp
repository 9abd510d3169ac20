// The second half of the reconciler: from the container in the Pod to its recorded end.

#include "controller/injection.hpp"
#include "controller/reconciler.hpp"
#include "controller/status.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/resource_version.hpp"

#include <algorithm>

namespace endoscope::controller {
namespace asio = boost::asio;

using api::Phase;

namespace {

/// A container that runs this soon after the injection costs one status write less.
constexpr kube::Duration kStartingGrace = std::chrono::seconds(1);
kube::ReconcileResult again_after(std::optional<kube::Duration> wait) {
    kube::ReconcileResult result;
    // A little late rather than a little early: an early look would only ask to come again.
    if (wait) result.requeue_after = std::max(*wait, kube::Duration::zero()) + std::chrono::milliseconds(50);
    return result;
}

/// Whether the session is over because time has passed, or because its Pod is not to be seen.
bool ends_by_time(const Progress& progress) {
    return api::is_terminal(progress.phase) && progress.state != "Terminated";
}

}  // namespace

void RequestReconciler::adopt(const std::string& key, const Stored& stored, const Verdict& verdict, PodView pod) {
    const auto unseen = unseen_.extract(key);
    const bool was_planned = !unseen.empty() && unseen.mapped() && unseen.mapped()->pod_uid == pod.uid &&
                             unseen.mapped()->request_uid == stored->uid;
    Session& session = sessions_[key];
    session = was_planned ? *unseen.mapped() : session_of(*stored->parsed, verdict, pod);
    session.request_uid = stored->uid;
    session.adopted = true;
    session.injected = true;
    const api::DebugRequestStatus& recorded = stored->parsed->status;
    session.start_observed =
        recorded.phase && *recorded.phase != Phase::starting && *recorded.phase != Phase::injecting;
    session.finished = api::is_terminal(stored->phase);
    // The moment of the injection is not on record: a restart gives a slow start a new deadline, never a shorter one.
    session.injected_at = now();
    session.injected_steady = context_.clock.steady_now();
    context_.follower.follow(key, std::move(pod));
    kube::log::info("reconciler", "found our container in the Pod; nothing is injected again",
                    {{"request", key}, {"pod", session.pod}, {"container", session.container}});
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::resume_overdue(std::string key, Stored stored,
                                                                              std::stop_token stop) {
    const auto& targets = stored->parsed->status.targets;
    if (targets.empty()) co_return kube::ReconcileResult();
    auto seen = co_await context_.cluster.get_pod(stored->ns, targets.front().pod_name, stop);
    if (!seen && seen.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(seen.error());
    if (seen && is_injected(*seen, *stored->parsed)) {
        adopt(key, stored, Verdict(), std::move(*seen));
    } else {
        // The Pod went while nobody looked, and the container with it: `follow` records that.
        PodView gone;
        gone.name = targets.front().pod_name;
        gone.uid = targets.front().pod_uid;
        Session& session = sessions_[key];
        session = session_of(*stored->parsed, Verdict(), gone);
        session.request_uid = stored->uid;
        session.injected = true;
        session.finished = true;
    }
    auto followed = co_await follow(key, stored, stop);
    co_return followed;
}

Progress RequestReconciler::look(const std::string& key, const api::DebugRequest& request, const PodView* pod) {
    Session& session = sessions_[key];
    const kube::SteadyTime steady = context_.clock.steady_now();
    const auto* shown = pod != nullptr ? pod->find_ephemeral_status(session.container) : nullptr;
    if (shown != nullptr && shown->state == PodView::State::running && !session.seen_running)
        session.seen_running = steady;
    return assess({.pod = pod,
                   .pod_uid = session.pod_uid,
                   .container = session.container,
                   .mode = request.spec.mode,
                   .requested_at = api::parse_timestamp(request.creation_timestamp).value_or(session.injected_at),
                   .injected_at = session.injected_at,
                   .now = session_now(session, shown != nullptr ? shown->started_at : "", steady),
                   .start_deadline_seconds = session.start_deadline_seconds,
                   .deadline_seconds = session.deadline_seconds});
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::follow(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    const Session session = sessions_[key];
    if (!session.injected || !stored->parsed) co_return kube::ReconcileResult();
    const api::DebugRequest& request = *stored->parsed;
    auto pod = context_.follower.pod(key);
    Progress progress = look(key, request, pod.get());
    if (ends_by_time(progress) && !session.finished && !session.ending) {
        // A watch may be behind, and an end that rests on the clock must not rest on an old Pod.
        auto live = co_await context_.cluster.get_pod(stored->ns, session.pod, stop);
        if (!live && live.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(live.error());
        pod = live ? std::make_shared<const PodView>(std::move(*live)) : nullptr;
        context_.follower.update(key, pod);
        progress = look(key, request, pod.get());
    }
    // The cache may be behind what we wrote, or show what came after: a write of ours that was not answered, or of
    // somebody who should not.
    const bool is_behind = session.written && kube::is_older(stored->resource_version, session.written_version);
    const bool is_ours = session.written && (is_behind || stored->resource_version == session.written_version);
    const api::DebugRequestStatus& recorded = is_ours ? *session.written : request.status;
    const bool tampered = session.written && !is_ours && recorded != *session.written && recorded != session.sent;
    const api::DebugRequestStatus before = tampered ? *session.written : recorded;
    if (before.phase == Phase::expired) progress = keep_expired(std::move(progress));
    auto status = session_status(request, before, session, progress, pod.get(), now());
    if (session.ending) {
        progress = session.ending->progress;
        status = session.ending->status;
    }

    const bool ends = api::is_terminal(progress.phase) && !session.finished && !session.ending;
    // Another replica has recorded this end, and told and counted it: we were frozen or cut off.
    if (ends && status == request.status) sessions_[key].finished = true;

    const kube::Duration since_injection = context_.clock.steady_now() - session.injected_steady;
    if (progress.phase == Phase::starting && !before.phase && since_injection < kStartingGrace) {
        kube::ReconcileResult soon;
        soon.requeue_after = kStartingGrace - since_injection;
        co_return soon;
    }
    if (status != recorded) {
        sessions_[key].sent = status;
        if (api::is_terminal(progress.phase) && !session.finished)
            sessions_[key].ending = Session::Ending{.progress = progress, .status = status};
        const auto written = co_await context_.cluster.write_status(
            stored, is_behind ? session.written_version : stored->resource_version, status, stop);
        if (!written) {
            if (written.error().kind == kube::ErrorKind::not_found) co_return kube::ReconcileResult();
            // Not sent, since another may lead by now: what it records is not ours.
            if (written.error().kind == kube::ErrorKind::cancelled && !session.ending) sessions_[key].ending.reset();
            co_return std::unexpected(written.error());
        }
        if (tampered)
            audit(*stored, "tampered", &session, to_string(progress.phase), to_string(progress.reason), status.message);
        Session& mine = sessions_[key];
        mine.sent.reset();
        mine.written = status;
        mine.written_version = *written;
    } else if (!is_ours) {
        Session& mine = sessions_[key];
        mine.written = status;
        mine.written_version = stored->resource_version;
    }
    announce(*stored, session, progress, before);
    sessions_[key].ending.reset();
    if (api::is_terminal(progress.phase) && !progress.still_running) {
        recorded_[key] = stored->uid;
        context_.metrics.session_not_overdue(key);
        context_.follower.unfollow(key);
        sessions_.erase(key);
        co_return kube::ReconcileResult();
    }
    // What the Pod showed while the end was sent again and again has not been looked at.
    if (session.ending) co_return again_after(kube::Duration::zero());
    co_return again_after(progress.check_after);
}

void RequestReconciler::announce(const StoredRequest& stored, const Session& session, const Progress& progress,
                                 const api::DebugRequestStatus& before) {
    const std::string key = stored.key();
    const std::string phase(to_string(progress.phase));
    const std::string reason(to_string(progress.reason));
    Session& mine = sessions_[key];
    if (progress.state == "Running") {
        context_.metrics.session_active(key, {.ns = stored.ns,
                                              .request = stored.name,
                                              .pod = session.pod,
                                              .container = session.container,
                                              .policy = session.policy.name,
                                              .profile = session.profile});
    } else {
        context_.metrics.session_over(key);
    }
    if (progress.phase == Phase::running && !mine.start_observed) {
        mine.start_observed = true;
        context_.metrics.started(context_.clock.steady_now() - session.injected_steady);
        kube::log::info("reconciler", "container started",
                        {{"request", key}, {"pod", session.pod}, {"container", session.container}});
        audit(stored, "started", &session, phase, reason, progress.message);
        emit(stored, kube::EventType::normal, reason, "Start", progress.message);
    }
    if (progress.still_running) context_.metrics.session_overdue(key, stored.ns);
    const bool ended_before = before.phase && api::is_terminal(*before.phase) && !mine.ending;
    if (!api::is_terminal(progress.phase) || mine.finished || ended_before) return;
    mine.finished = true;
    context_.metrics.request_finished(stored.ns, phase, reason);
    const auto started = api::parse_timestamp(progress.started_at);
    const auto finished = api::parse_timestamp(progress.finished_at);
    if (started && finished && *finished >= *started) context_.metrics.session_ended(*finished - *started);
    kube::log::info("reconciler", "request ended",
                    {{"request", key}, {"phase", phase}, {"reason", reason}, {"message", progress.message}});
    audit(stored, progress.phase == Phase::expired ? "expired" : "ended", &session, phase, reason, progress.message);
    const auto type = progress.phase == Phase::succeeded ? kube::EventType::normal : kube::EventType::warning;
    emit(stored, type, reason, "End", progress.message);
    emit_on_pod(context_.events, stored, session, type, reason, "End",
                "debug container " + session.container + " of DebugRequest " + stored.name + ": " + progress.message);
}

}  // namespace endoscope::controller
