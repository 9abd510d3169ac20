// The third part of the reconciler: from the containers in the Pods to the record of their end.

#include "controller/injection.hpp"
#include "controller/log_tail.hpp"
#include "controller/reconciler.hpp"
#include "controller/status.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/resource_version.hpp"

#include <algorithm>
#include <set>

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

/// Whether the container's end is concluded from time, or from a Pod that is not to be seen.
bool ends_by_time(const PartView& view) {
    return view.part.injected && api::is_terminal(view.progress.phase) && view.progress.state != "Terminated";
}

/// Whether that end is on record already, as we wrote it.
bool is_written(const std::optional<api::DebugRequestStatus>& written, const PartView& view) {
    const auto* const row = written ? find_row(*written, view.part.pod_uid) : nullptr;
    return row != nullptr && row->state == view.progress.state && row->reason == to_string(view.progress.reason);
}

/// What is on record stays: an expiry, and an end whose Pod is gone by now.
void keep_what_is_recorded(std::vector<PartView>& parts, const api::DebugRequestStatus& before) {
    for (PartView& view : parts) {
        const api::TargetStatus* const row = find_row(before, view.part.pod_uid);
        if (row == nullptr || !view.part.injected) continue;
        const bool has_expired = row->reason == to_string(api::Reason::deadline_exceeded) &&
                                 (before.phase == Phase::expired || parts.size() > 1);
        if (has_expired) {
            view.progress = keep_expired(std::move(view.progress), view.part.ending.done);
        } else if (const auto end = recorded_end(*row); end && !view.pod) {
            view.progress = *end;
        }
    }
}

std::vector<Progress> progress_of(const std::vector<PartView>& parts) {
    std::vector<Progress> all;
    for (const PartView& view : parts) all.push_back(view.progress);
    return all;
}

}  // namespace

Progress RequestReconciler::look_at(const SessionPart& part, const Session& session, const api::DebugRequest& request,
                                    const PodView* pod) {
    const auto* const shown = pod != nullptr ? pod->find_ephemeral_status(part.container) : nullptr;
    std::string problem = part.ending.problem;
    const auto on_expiry = rules_of(session.policy.name).on_expiry;
    if (problem.empty() && on_expiry == api::OnExpiry::terminate)
        problem = "its processes are being ended (onExpiry: Terminate)";
    if (problem.empty() && on_expiry == api::OnExpiry::evict_pod)
        problem = "its Pod is being evicted (onExpiry: EvictPod)";
    return assess({.pod = pod,
                   .pod_uid = part.pod_uid,
                   .container = part.container,
                   .mode = request.spec.mode,
                   .requested_at = api::parse_timestamp(request.creation_timestamp).value_or(part.injected_at),
                   .injected_at = part.injected_at,
                   .now = session_now(part, shown != nullptr ? shown->started_at : "", context_.clock.steady_now()),
                   .start_deadline_seconds = session.start_deadline_seconds,
                   .deadline_seconds = session.deadline_seconds,
                   .problem = std::move(problem)});
}

std::vector<PartView> RequestReconciler::look(const std::string& key, const api::DebugRequest& request) {
    Session& session = sessions_[key];
    std::vector<PartView> parts;
    for (SessionPart& part : session.parts) {
        PartView view;
        if (part.injected) {
            view.pod = context_.follower.pod(part_key(key, part.pod));
            const auto* const shown = view.pod ? view.pod->find_ephemeral_status(part.container) : nullptr;
            if (shown != nullptr && shown->state == PodView::State::running && !part.seen_running)
                part.seen_running = context_.clock.steady_now();
            view.progress = look_at(part, session, request, view.pod.get());
        } else {
            view.progress = progress_without_container(part);
        }
        view.part = part;
        parts.push_back(std::move(view));
    }
    return parts;
}

asio::awaitable<kube::Result<void>> RequestReconciler::look_live(std::string key, std::string pod,
                                                                 std::stop_token stop) {
    // A watch may be behind, and an end that rests on the clock must not rest on an old Pod.
    auto live = co_await context_.cluster.get_pod(key.substr(0, key.find('/')), pod, stop);
    if (!live && live.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(live.error());
    context_.follower.update(part_key(key, pod), live ? std::make_shared<const PodView>(std::move(*live)) : nullptr);
    co_return kube::Result<void>();
}

asio::awaitable<void> RequestReconciler::read_output(std::string key, const StoredRequest& stored,
                                                     std::vector<PartView>& parts, std::stop_token stop) {
    const api::DebugRequestSpec& spec = stored.parsed->spec;
    if (spec.mode != api::Mode::command || !spec.output_tail_lines) co_return;
    for (PartView& view : parts) {
        const bool is_readable = view.pod && view.progress.state == "Terminated" && !view.progress.started_at.empty();
        if (!is_readable || view.part.output || !view.part.output_problem.empty()) continue;
        const auto output = co_await context_.cluster.read_log(stored.ns, view.part.pod, view.part.container,
                                                               *spec.output_tail_lines, stop);
        if (stop.stop_requested()) co_return;
        SessionPart& part = *sessions_[key].find(view.part.pod);
        if (output) {
            part.output = log_tail(*output, *spec.output_tail_lines);
        } else {
            part.output_problem = output.error().message;
        }
        view.part = part;
    }
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::follow(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    if (!stored->parsed) co_return kube::ReconcileResult();
    const api::DebugRequest& request = *stored->parsed;
    if (stored->deleting) cancel(key);
    if (!sessions_[key].is_injected() && !is_for_several(request)) co_return kube::ReconcileResult();
    auto parts = look(key, request);
    std::set<std::string> looked_at;
    const auto is_doubtful = [&](const PartView& view) {
        return ends_by_time(view) && !looked_at.contains(view.part.pod) && !is_written(sessions_[key].written, view);
    };
    // Meanwhile the deadline of another may pass.
    while (std::ranges::any_of(parts, is_doubtful) && !sessions_[key].finished && !sessions_[key].ending) {
        const PartView doubtful = *std::ranges::find_if(parts, is_doubtful);
        const auto looked = co_await look_live(key, doubtful.part.pod, stop);
        if (!looked) co_return std::unexpected(looked.error());
        looked_at.insert(doubtful.part.pod);
        parts = look(key, request);
    }
    if (const auto reason = reason_to_stop(parts)) {
        for (SessionPart& part : sessions_[key].parts) {
            if (!part.injected && !part.refused) part.refused = reason;
        }
        parts = look(key, request);
    }
    const Session session = sessions_[key];
    // The cache may be behind what we wrote, or show what came after: a write of ours that was not answered, or of
    // somebody who should not.
    const bool is_behind = session.written && kube::is_older(stored->resource_version, session.written_version);
    const bool is_ours = session.written && (is_behind || stored->resource_version == session.written_version);
    const api::DebugRequestStatus& recorded = is_ours ? *session.written : request.status;
    const bool tampered = session.written && !is_ours && recorded != *session.written && recorded != session.sent;
    const api::DebugRequestStatus before = tampered ? *session.written : recorded;
    keep_what_is_recorded(parts, before);
    co_await read_output(key, *stored, parts, stop);
    Progress whole = combine(parts);
    auto status = session_status(request, before, session, whole, parts, now());
    if (session.ending) {
        whole = session.ending->progress;
        for (std::size_t i = 0; i < parts.size(); ++i) parts[i].progress = session.ending->parts[i];
        status = session.ending->status;
    }

    const bool ends = api::is_terminal(whole.phase) && !session.finished && !session.ending;
    // Another replica has recorded this end, and told and counted it: we were frozen or cut off.
    if (ends && status == request.status) sessions_[key].finished = true;

    const kube::Duration since_injection = context_.clock.steady_now() - session.parts.front().injected_steady;
    const bool is_first_word = !before.phase || *before.phase == Phase::injecting;
    if (whole.phase == Phase::starting && is_first_word && since_injection < kStartingGrace) {
        kube::ReconcileResult soon;
        soon.requeue_after = kStartingGrace - since_injection;
        co_return soon;
    }
    if (status != recorded) {
        sessions_[key].sent = status;
        if (api::is_terminal(whole.phase) && !session.finished)
            sessions_[key].ending = Session::Ending{.progress = whole, .parts = progress_of(parts), .status = status};
        const auto written = co_await context_.cluster.write_status(
            stored, is_behind ? session.written_version : stored->resource_version, status, stop);
        if (!written) {
            if (written.error().kind == kube::ErrorKind::not_found) co_return kube::ReconcileResult();
            // Not sent, since another may lead by now: what it records is not ours.
            if (written.error().kind == kube::ErrorKind::cancelled && !session.ending) sessions_[key].ending.reset();
            co_return std::unexpected(written.error());
        }
        if (tampered)
            audit(*stored, "tampered", to_string(whole.phase), to_string(whole.reason), status.message, &session);
        Session& mine = sessions_[key];
        mine.sent.reset();
        mine.written = status;
        mine.written_version = *written;
    } else if (!is_ours) {
        Session& mine = sessions_[key];
        mine.written = status;
        mine.written_version = stored->resource_version;
    }
    announce(*stored, session, whole, parts, before);
    sessions_[key].ending.reset();
    if (api::is_terminal(whole.phase) && !whole.still_running) {
        auto finished = co_await finish(key, stored, stop);
        co_return finished;
    }
    // What the Pods showed while the end was sent again and again has not been looked at.
    if (session.ending) co_return again_after(kube::Duration::zero());
    if (may_go_on(parts)) {
        const auto injected = co_await inject_pending(key, stored, stop);
        if (!injected) co_return std::unexpected(injected.error());
        co_return again_after(kube::Duration::zero());
    }
    auto wait = co_await end_containers(key, stored, parts, stop);
    if (session.cancelled && may_let_go(sessions_[key], parts)) {
        announce_loss(key);
        auto finished = co_await finish(key, stored, stop);
        co_return finished;
    }
    if (whole.check_after && (!wait || *whole.check_after < *wait)) wait = whole.check_after;
    co_return again_after(wait);
}

void RequestReconciler::announce_start(const StoredRequest& stored, const Session& session, const PartView& view) {
    const std::string phase(to_string(Phase::running));
    const std::string reason(to_string(view.progress.reason));
    context_.metrics.started(context_.clock.steady_now() - view.part.injected_steady);
    kube::log::info("reconciler", "container started",
                    {{"request", stored.key()}, {"pod", view.part.pod}, {"container", view.part.container}});
    audit(stored, "started", phase, reason, view.progress.message, &session, &view.part);
    emit(stored, kube::EventType::normal, reason, "Start", view.progress.message);
    emit_on_pod(context_.events, stored, view.part, kube::EventType::normal, "DebugContainerStarted", "Start",
                "debug container " + view.part.container + " of DebugRequest " + stored.name + " started");
}

void RequestReconciler::announce(const StoredRequest& stored, const Session& session, const Progress& whole,
                                 const std::vector<PartView>& parts, const api::DebugRequestStatus& before) {
    const std::string key = stored.key();
    Session& mine = sessions_[key];
    for (const PartView& view : parts) {
        const std::string followed = part_key(key, view.part.pod);
        if (view.progress.state == "Running") {
            context_.metrics.session_active(followed, {.ns = stored.ns,
                                                       .request = stored.name,
                                                       .pod = view.part.pod,
                                                       .container = view.part.container,
                                                       .policy = session.policy.name,
                                                       .profile = session.profile});
        } else {
            context_.metrics.session_over(followed);
        }
        if (view.progress.still_running) {
            context_.metrics.session_overdue(followed, stored.ns);
        } else {
            context_.metrics.session_not_overdue(followed);
        }
        SessionPart& part = *mine.find(view.part.pod);
        if (view.progress.phase == Phase::running && !part.start_observed) {
            part.start_observed = true;
            announce_start(stored, session, view);
        }
    }
    const bool ended_before = before.phase && api::is_terminal(*before.phase) && !mine.ending;
    if (!api::is_terminal(whole.phase) || mine.finished || ended_before) return;
    mine.finished = true;
    const std::string phase(to_string(whole.phase));
    const std::string reason(to_string(whole.reason));
    context_.metrics.request_finished(stored.ns, phase, reason);
    kube::log::info("reconciler", "request ended",
                    {{"request", key}, {"phase", phase}, {"reason", reason}, {"message", whole.message}});
    const auto type = whole.phase == Phase::succeeded ? kube::EventType::normal : kube::EventType::warning;
    emit(stored, type, reason, "End", whole.message);
    for (const PartView& view : parts) {
        const auto started = api::parse_timestamp(view.progress.started_at);
        const auto finished = api::parse_timestamp(view.progress.finished_at);
        if (started && finished && *finished >= *started) context_.metrics.session_ended(*finished - *started);
        const std::string own_reason(to_string(view.progress.reason));
        audit(stored, view.progress.phase == Phase::expired ? "expired" : "ended", to_string(view.progress.phase),
              own_reason, view.progress.message, &session, &view.part);
        if (!view.part.injected) continue;
        emit_on_pod(context_.events, stored, view.part, type, own_reason, "End",
                    "debug container " + view.part.container + " of DebugRequest " + stored.name + ": " +
                        view.progress.message);
    }
}

}  // namespace endoscope::controller
