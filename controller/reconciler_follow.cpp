// The second half of the reconciler: from the container in the Pod to its recorded end.

#include "controller/injection.hpp"
#include "controller/reconciler.hpp"
#include "controller/status.hpp"
#include "kube/base/log.hpp"

#include <algorithm>
#include <charconv>

namespace endoscope::controller {
namespace asio = boost::asio;

using api::Phase;

namespace {

/// A container that runs this soon after the injection costs one status write less.
constexpr kube::Duration kStartingGrace = std::chrono::seconds(1);
/// Whether the resourceVersion `left` is not older than `right` (comparable numbers, KEP-5504).
bool not_older(const std::string& left, const std::string& right) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::from_chars(left.data(), left.data() + left.size(), a);
    std::from_chars(right.data(), right.data() + right.size(), b);
    return a >= b;
}

kube::ReconcileResult again_at(std::optional<api::TimePoint> when, api::TimePoint now) {
    kube::ReconcileResult result;
    // A little late rather than a little early: an early look would only ask to come again.
    if (when)
        result.requeue_after =
            std::max<kube::Duration>(*when - now, kube::Duration::zero()) + std::chrono::milliseconds(50);
    return result;
}

}  // namespace

void RequestReconciler::adopt(const std::string& key, const Stored& stored, const Verdict& verdict, PodView pod) {
    unseen_.erase(key);
    Session& session = sessions_[key];
    session = session_of(*stored->parsed, verdict, pod);
    session.request_uid = stored->uid;
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

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::follow(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    const Session session = sessions_[key];
    if (!session.injected || !stored->parsed) co_return kube::ReconcileResult();
    const api::DebugRequest& request = *stored->parsed;
    const auto pod = context_.follower.pod(key);
    const Observation seen{
        .pod = pod.get(),
        .pod_uid = session.pod_uid,
        .container = session.container,
        .mode = request.spec.mode,
        .requested_at = api::parse_timestamp(request.creation_timestamp).value_or(session.injected_at),
        .injected_at = session.injected_at,
        .now = now(),
        .start_deadline_seconds = session.start_deadline_seconds,
        .deadline_seconds = session.deadline_seconds};
    Progress progress = assess(seen);
    const api::DebugRequestStatus before = session.written ? *session.written : request.status;
    if (before.phase == Phase::expired) progress = keep_expired(std::move(progress));
    const auto status = session_status(request, before, session, progress, pod.get(), now());

    const kube::Duration since_injection = context_.clock.steady_now() - session.injected_steady;
    if (progress.phase == Phase::starting && !before.phase && since_injection < kStartingGrace) {
        kube::ReconcileResult soon;
        soon.requeue_after = kStartingGrace - since_injection;
        co_return soon;
    }
    const bool tampered = session.written && not_older(stored->resource_version, session.written_version) &&
                          stored->resource_version != session.written_version && request.status != *session.written;
    if (!session.written ? status != request.status : (status != *session.written || tampered)) {
        const auto written =
            co_await context_.cluster.write_status(stored->ns, stored->name, stored->uid, status, stop);
        if (!written) {
            if (written.error().kind == kube::ErrorKind::not_found) co_return kube::ReconcileResult();
            co_return std::unexpected(written.error());
        }
        if (tampered)
            audit(*stored, "tampered", &session, to_string(progress.phase), to_string(progress.reason), status.message);
        Session& mine = sessions_[key];
        mine.written = status;
        mine.written_version = *written;
    }
    announce(*stored, session, progress, before);
    if (api::is_terminal(progress.phase) && !progress.still_running) {
        recorded_[key] = stored->uid;
        context_.metrics.session_not_overdue(key);
        context_.follower.unfollow(key);
        sessions_.erase(key);
        co_return kube::ReconcileResult();
    }
    co_return again_at(progress.next_check, now());
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
    const bool ended_before = before.phase && api::is_terminal(*before.phase);
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
