// The last part of the reconciler: what the policy wants done with containers that are to end, and with Pods that were
// debugged.

#include "controller/injection.hpp"
#include "controller/reconciler.hpp"
#include "controller/status.hpp"
#include "controller/termination.hpp"
#include "kube/base/log.hpp"

#include <algorithm>

namespace endoscope::controller {
namespace asio = boost::asio;

using api::AfterSession;
using api::OnExpiry;

namespace {

kube::ReconcileResult in(kube::Duration wait) {
    kube::ReconcileResult result;
    result.requeue_after = wait;
    return result;
}

/// Whether the Pod shows the container, and so was debugged.
bool shows(const PodView& pod, const SessionPart& part, const std::string& request) {
    const auto* const container = pod.find_ephemeral(part.container);
    return pod.uid == part.pod_uid && container != nullptr && container->request == request;
}

}  // namespace

EndingRules RequestReconciler::rules_of(const std::string& policy) const {
    const auto cached = context_.policies.get(policy);
    if (!cached) return {};
    const api::DebugPolicySpec& spec = cached->policy->spec();
    return {.on_expiry = spec.on_expiry, .after_session = spec.after_session};
}

void RequestReconciler::cancel(const std::string& key) {
    Session& session = sessions_[key];
    if (session.cancelled) return;
    session.cancelled = context_.clock.steady_now();
    for (SessionPart& part : session.parts) {
        if (part.injected || part.refused) continue;
        part.refused = SessionPart::Refused{.reason = api::Reason::session_ended,
                                            .message = "the request was deleted before its container was added"};
    }
}

asio::awaitable<std::optional<kube::Duration>> RequestReconciler::end_containers(std::string key, Stored stored,
                                                                                 std::vector<PartView> parts,
                                                                                 std::stop_token stop) {
    std::optional<kube::Duration> wait;
    const auto sooner = [&wait](kube::Duration other) { wait = wait ? std::min(*wait, other) : other; };
    const auto cancelled = sessions_[key].cancelled;
    const kube::SteadyTime steady = context_.clock.steady_now();
    if (cancelled) sooner(*cancelled + kLongestFarewell - steady);
    const OnExpiry on_expiry = rules_of(sessions_[key].policy.name).on_expiry;
    if (on_expiry == OnExpiry::report) co_return wait;
    for (const PartView& view : parts) {
        const bool is_due = view.progress.still_running || (cancelled && view.progress.state == "Running");
        if (!is_due || view.part.ending.gave_up) continue;
        if (view.part.ending.next > steady) {
            sooner(view.part.ending.next - steady);
            continue;
        }
        if (on_expiry == OnExpiry::terminate) co_await terminate(key, stored, view.part, stop);
        if (on_expiry == OnExpiry::evict_pod) co_await evict(key, stored, view.part, stop);
        SessionPart::Ending& ending = sessions_[key].find(view.part.pod)->ending;
        const bool says_more = view.progress.still_running && ending.problem != view.part.ending.problem;
        const kube::Duration pause = pause_after(++ending.attempts, !ending.done.empty());
        ending.next = context_.clock.steady_now() + pause;
        sooner(says_more ? kube::Duration::zero() : pause);
    }
    co_return wait;
}

asio::awaitable<void> RequestReconciler::terminate(std::string key, Stored stored, SessionPart part,
                                                   std::stop_token stop) {
    kube::ExecRequest request = termination_request(stored->ns, part.pod, part.container);
    request.may_send = [this] { return context_.cluster.may_write(); };
    const auto answer = co_await context_.commands.run(std::move(request), stop);
    if (stop.stop_requested()) co_return;
    const Termination result = judge_termination(answer);
    // Whoever debugs there may have told this; that it has ended is shown by the Pod alone.
    const bool has_acted = result.outcome == TerminationOutcome::ended ||
                           result.outcome == TerminationOutcome::cut_short ||
                           result.outcome == TerminationOutcome::some_left;
    const bool is_over =
        result.outcome == TerminationOutcome::gone || result.outcome == TerminationOutcome::nothing_found || has_acted;
    const Session& session = sessions_[key];
    SessionPart::Ending& ending = sessions_[key].find(part.pod)->ending;
    const bool is_first = ending.done.empty();
    // Where all went well, the Pod will show it in a moment: no word of it before.
    ending.problem = result.outcome == TerminationOutcome::some_left || !is_over ? result.message : "";
    ending.gave_up = !result.retry && !is_over;
    kube::log::info("reconciler", "ending the processes of a debug container",
                    {{"request", key}, {"pod", part.pod}, {"container", part.container}, {"message", result.message}});
    const std::string note =
        "debug container " + part.container + " of DebugRequest " + stored->name + ": " + result.message;
    if (has_acted) {
        ending.done = "by onExpiry: Terminate";
        if (!is_first) co_return;
        audit(*stored, "terminated", "", "", result.message, &session, &part);
        emit_on_pod(context_.events, *stored, part, kube::EventType::normal, "DebugContainerTerminated", "Terminate",
                    note);
    } else if (ending.gave_up) {
        emit(*stored, kube::EventType::warning, "TerminateFailed", "Terminate", result.message);
        emit_on_pod(context_.events, *stored, part, kube::EventType::warning, "DebugContainerStillRunning", "Terminate",
                    note);
    }
}

asio::awaitable<void> RequestReconciler::evict(std::string key, Stored stored, SessionPart part, std::stop_token stop) {
    auto evicted = co_await context_.cluster.evict(stored->ns, part.pod, part.pod_uid, stop);
    const Session& session = sessions_[key];
    SessionPart::Ending& ending = sessions_[key].find(part.pod)->ending;
    if (evicted) {
        const bool is_first = ending.done.empty();
        ending.done = "by onExpiry: EvictPod";
        ending.problem.clear();
        if (is_first) announce_eviction(*stored, part, &session);
        co_return;
    }
    const kube::Error& error = evicted.error();
    const bool is_gone = error.kind == kube::ErrorKind::not_found || error.kind == kube::ErrorKind::conflict;
    if (is_gone) co_return;  // the watch tells
    ending.gave_up = error.kind == kube::ErrorKind::forbidden;
    ending.problem = "its Pod could not be evicted" +
                     std::string(ending.gave_up ? "; give Endoscope the rights of the component manifests/evict, or "
                                                  "delete the Pod: "
                                                : " yet; it is tried again: ") +
                     error.message;
    kube::log::info("reconciler", "the Pod of an overdue session was not evicted",
                    {{"request", key}, {"pod", part.pod}, {"error", error.message}});
    emit(*stored, kube::EventType::warning, "EvictionRefused", "Evict", ending.problem);
}

void RequestReconciler::announce_eviction(const StoredRequest& stored, const SessionPart& part,
                                          const Session* session) {
    const std::string message = "Pod " + part.pod + " was evicted, as the policy wants";
    kube::log::info("reconciler", "evicted", {{"request", stored.key()}, {"pod", part.pod}});
    audit(stored, "evicted", "", "", message, session, &part);
    emit(stored, kube::EventType::normal, "Evicted", "Evict", message);
    emit_on_pod(context_.events, stored, part, kube::EventType::normal, "DebuggedPodEvicted", "Evict",
                "evicted for DebugRequest " + stored.name + ", as its policy wants");
}

void RequestReconciler::announce_loss(const std::string& key) {
    const auto session = sessions_.find(key);
    if (session == sessions_.end()) return;
    StoredRequest stored;
    stored.ns = key.substr(0, key.find('/'));
    stored.name = key.substr(key.find('/') + 1);
    stored.uid = session->second.request_uid;
    const auto cached = context_.requests.get(key);
    if (cached && cached->uid == stored.uid) stored = read_request(*cached);
    for (const SessionPart& part : session->second.parts) {
        const auto pod = context_.follower.pod(part_key(key, part.pod));
        const auto* const shown = pod ? pod->find_ephemeral_status(part.container) : nullptr;
        const bool may_run = pod && (shown == nullptr || shown->state != PodView::State::terminated);
        if (!part.injected || !may_run) continue;
        const std::string message = "the request was deleted while debug container " + part.container + " of Pod " +
                                    part.pod + " was not seen to end" +
                                    (part.ending.problem.empty() ? "; an ephemeral container cannot be removed: end "
                                                                   "the shell inside it or delete the Pod"
                                                                 : ": " + part.ending.problem);
        kube::log::info("reconciler", "request deleted, its container may still run",
                        {{"request", key}, {"pod", part.pod}, {"container", part.container}});
        audit(stored, "cancelled", "", "", message, &session->second, &part);
        emit_on_pod(context_.events, stored, part, kube::EventType::warning, "DebugRequestDeleted", "Cancel", message);
    }
}

bool RequestReconciler::may_let_go(const Session& session, const std::vector<PartView>& parts) const {
    if (context_.clock.steady_now() - *session.cancelled >= kLongestFarewell) return true;
    if (rules_of(session.policy.name).on_expiry == OnExpiry::report) return true;
    return std::ranges::all_of(parts, [&](const PartView& view) {
        const SessionPart* const part = session.find(view.part.pod);
        return part->ending.gave_up || !part->injected || view.progress.state == "Terminated";
    });
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::finish(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    Session session = sessions_[key];
    forget_session(key);
    for (SessionPart& part : session.parts) part.ending = {};  // the next is another matter
    if (!session.has_finalizer && !stored->has_finalizer) {
        if (session.written) recorded_[key] = Recorded{.request_uid = stored->uid, .version = session.written_version};
        co_return kube::ReconcileResult();
    }
    settling_[key] = Settling{.request_uid = stored->uid,
                              .policy = session.policy.name,
                              .parts = session.parts,
                              .version = session.written ? session.written_version : stored->resource_version,
                              .since = context_.clock.steady_now()};
    auto settled = co_await settle(key, stored, stop);
    co_return settled;
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::settle_recorded(std::string key, Stored stored,
                                                                               std::stop_token stop) {
    Settling work{.request_uid = stored->uid,
                  .policy = {},
                  .parts = {},
                  .version = stored->resource_version,
                  .since = context_.clock.steady_now()};
    const bool is_known = stored->parsed && (identity_of(*stored) == IdentityCheck::valid ||
                                             identity_of(*stored) == IdentityCheck::unknown_key);
    if (is_known && stored->parsed->status.policy) {
        work.policy = stored->parsed->status.policy->name;
        for (const api::TargetStatus& row : stored->parsed->status.targets) work.parts.push_back(part_of_lost_pod(row));
    }
    settling_[key] = std::move(work);
    auto settled = co_await settle(key, stored, stop);
    co_return settled;
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::settle(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    const Settling work = settling_[key];
    // A deleted request waits for this, but not for ever.
    const bool is_late = stored->deleting && context_.clock.steady_now() - work.since >= kLongestFarewell;
    const bool evicts = rules_of(work.policy).after_session == AfterSession::evict_pod && !is_late;
    for (std::size_t i = 0; i < work.parts.size() && evicts; ++i) {
        const SessionPart& part = work.parts[i];
        if (!part.injected || !part.ending.done.empty()) continue;
        auto pod = co_await context_.cluster.get_pod(stored->ns, part.pod, stop);
        if (!pod && pod.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(pod.error());
        if (!pod || pod->deleting || !shows(*pod, part, key)) continue;
        auto evicted = co_await context_.cluster.evict(stored->ns, part.pod, part.pod_uid, stop);
        SessionPart& mine = settling_[key].parts[i];
        if (evicted) {
            mine.ending.done = "afterSession";
            announce_eviction(*stored, part, nullptr);
            continue;
        }
        const kube::ErrorKind kind = evicted.error().kind;
        if (kind == kube::ErrorKind::not_found || kind == kube::ErrorKind::conflict) continue;
        if (mine.ending.attempts++ == 0)
            emit(*stored, kube::EventType::warning, "EvictionRefused", "Evict",
                 "Pod " + part.pod + " is not evicted after the session: " + evicted.error().message);
        if (kind == kube::ErrorKind::forbidden) continue;
        co_return in(pause_after(mine.ending.attempts, false));
    }
    auto released =
        co_await context_.cluster.set_finalizer(stored, settling_[key].version, stored->finalizers, false, stop);
    const bool is_gone = !released && released.error().kind == kube::ErrorKind::not_found;
    if (!released && !is_gone) {
        settling_[key].version = stored->resource_version;
        co_return std::unexpected(released.error());
    }
    settling_.erase(key);
    if (released) recorded_[key] = Recorded{.request_uid = stored->uid, .version = *released};
    co_return kube::ReconcileResult();
}

}  // namespace endoscope::controller
