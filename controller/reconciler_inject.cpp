// The second part of the reconciler: from the verdict to the containers in the Pods.

#include "controller/injection.hpp"
#include "controller/reconciler.hpp"
#include "controller/status.hpp"
#include "controller/target_selection.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace endoscope::controller {
namespace asio = boost::asio;

using api::Phase;
using api::Reason;

namespace {

/// The container of ours that stands in the Pod with other content, if one does.
const PodView::EphemeralContainer* foreign_container(const PodView& pod, const ContainerPlan& plan,
                                                     const nlohmann::json& container) {
    const auto* const existing = pod.find_ephemeral(plan.name);
    return existing != nullptr && !is_same_container(*existing, container) ? existing : nullptr;
}

std::string foreign_container_message(const PodView& pod, const std::string& name) {
    return "Pod " + pod.name + " already has a container " + name +
           " with other content, and it cannot be changed; choose another spec.containerName in a new request";
}

}  // namespace

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::begin_session(std::string key, Stored stored,
                                                                             Verdict verdict, Pods pods,
                                                                             std::stop_token stop) {
    const api::DebugRequest& request = *stored->parsed;
    const Session planned = session_of(request, verdict, pods);
    // On record before anything is done: whatever happens next, it is known which policy allowed it.
    audit(*stored, "verdict", "", to_string(verdict.reason), "allowed by policy " + verdict.policy->name, &planned);
    std::vector<nlohmann::json> containers;
    for (std::size_t i = 0; i < pods.size(); ++i) {
        containers.push_back(build_ephemeral_container(request, verdict.containers[i]));
        const auto* const foreign = foreign_container(pods[i], verdict.containers[i], containers[i]);
        if (foreign == nullptr) continue;
        const auto status = failed_status(request.status, request.generation, planned, Reason::injection_rejected,
                                          foreign_container_message(pods[i], foreign->name), now());
        auto ended = co_await record_end(key, stored, status, stop);
        co_return ended;
    }
    // From here on the request holds its places, so that a burst cannot overbook what the verdict counted.
    adopt(key, stored, planned, pods);
    for (std::size_t i = 0; i < pods.size(); ++i) {
        if (sessions_[key].parts[i].injected) continue;
        auto rehearsed =
            co_await context_.cluster.inject(stored->ns, pods[i].name, pods[i].uid, containers[i], true, stop);
        if (!rehearsed && !is_dry_run_unsupported(rehearsed.error())) {
            auto failed = co_await fail_injection(key, stored, std::move(rehearsed.error()), true, stop);
            co_return failed;
        }
    }
    const auto latest = context_.requests.get(key);
    if (!latest || latest->uid != stored->uid || latest->deleting) {
        forget(key);
        co_return kube::ReconcileResult();
    }
    if (!sessions_[key].is_injected()) {
        if (is_for_several(request)) {
            const auto chosen = co_await record_choice(key, stored, stop);
            if (!chosen) {
                sessions_.erase(key);
                co_return std::unexpected(chosen.error());
            }
        }
        auto injected = co_await add_finalizer(key, stored, stop);
        if (injected) injected = co_await inject(key, stored, pods.front().name, containers.front(), stop);
        if (!injected) {
            auto failed = co_await fail_injection(key, stored, std::move(injected.error()), false, stop);
            co_return failed;
        }
    }
    auto followed = co_await follow(key, stored, stop);
    co_return followed;
}

asio::awaitable<kube::Result<void>> RequestReconciler::record_choice(std::string key, Stored stored,
                                                                     std::stop_token stop) {
    const api::DebugRequest& request = *stored->parsed;
    const auto parts = look(key, request);
    const auto status = session_status(request, request.status, sessions_[key], combine(parts), parts, now());
    auto written = co_await context_.cluster.write_status(stored, stored->resource_version, status, stop);
    if (!written) co_return std::unexpected(written.error());
    Session& session = sessions_[key];
    session.written = status;
    session.written_version = *written;
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> RequestReconciler::add_finalizer(std::string key, Stored stored,
                                                                     std::stop_token stop) {
    const Session session = sessions_[key];
    if (session.has_finalizer || !rules_of(session.policy.name).needs_finalizer()) co_return kube::Result<void>();
    auto version = co_await context_.cluster.set_finalizer(
        stored, session.written ? session.written_version : stored->resource_version, stored->finalizers, true, stop);
    if (!version && version.error().kind == kube::ErrorKind::forbidden) {
        // Without the right to end sessions, none is begun that its policy wants ended.
        kube::Error error = version.error();
        error.message += "; policy " + session.policy.name +
                         " sets onExpiry or afterSession, for which Endoscope needs the rights of the components "
                         "manifests/terminate or manifests/evict";
        co_return std::unexpected(std::move(error));
    }
    if (!version) co_return std::unexpected(version.error());
    Session& mine = sessions_[key];
    mine.has_finalizer = true;
    if (!mine.written) mine.written = stored->parsed->status;
    mine.written_version = *version;
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> RequestReconciler::inject(std::string key, Stored stored, std::string pod,
                                                              nlohmann::json container, std::stop_token stop) {
    const SessionPart planned = *sessions_[key].find(pod);
    auto injected = co_await context_.cluster.inject(stored->ns, planned.pod, planned.pod_uid, container, false, stop);
    if (!injected) co_return std::unexpected(injected.error());
    if (injected->find_ephemeral(planned.container) == nullptr)
        co_return kube::fail(kube::ErrorKind::malformed, "the API server accepted the container but does not show it");
    Session& session = sessions_[key];
    SessionPart& part = *session.find(pod);
    part.injected = true;
    part.injected_at = now();
    part.injected_steady = context_.clock.steady_now();
    const auto seen = first_seen_.find(key);
    if (seen != first_seen_.end()) context_.metrics.injected(part.injected_steady - seen->second);
    first_seen_.erase(key);
    kube::log::info("reconciler", "injected",
                    {{"request", key}, {"pod", part.pod}, {"container", part.container}, {"image", session.image}});
    audit(*stored, "injected", to_string(Phase::starting), to_string(Reason::injecting), "", &session, &part);
    emit(*stored, kube::EventType::normal, "Injected", "Inject",
         "debug container " + part.container + " was added to Pod " + part.pod + " (policy " + session.policy.name +
             ")");
    const api::DebugRequestSpec& spec = stored->parsed->spec;
    emit_on_pod(context_.events, *stored, part, kube::EventType::normal, "DebugContainerInjected", "Inject",
                "debug container " + part.container + " was added for DebugRequest " + stored->name + " of " +
                    spec.requester->username +
                    (spec.on_behalf_of_username ? " on behalf of " + *spec.on_behalf_of_username : ""));
    context_.follower.follow(part_key(key, pod), std::move(*injected));
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> RequestReconciler::inject_pending(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    const Session session = sessions_[key];
    const auto refuse = [&](const std::string& pod, Reason reason, std::string message) {
        kube::log::info("reconciler", "a Pod of the request gets no container",
                        {{"request", key}, {"pod", pod}, {"reason", to_string(reason)}, {"message", message}});
        sessions_[key].find(pod)->refused = SessionPart::Refused{.reason = reason, .message = std::move(message)};
    };
    Pods pods;
    for (const SessionPart& part : session.parts) {
        if (part.injected || part.refused) continue;
        auto pod = co_await context_.cluster.get_pod(stored->ns, part.pod, stop);
        if (!pod && pod.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(pod.error());
        if (!pod || pod->uid != part.pod_uid) {
            refuse(part.pod, Reason::target_gone, "the Pod was gone before its container was added");
        } else if (is_injected(*pod, *stored->parsed)) {
            adopt(key, stored, sessions_[key], {std::move(*pod)});  // a PATCH whose answer was lost
        } else {
            pods.push_back(std::move(*pod));
            if (!session.is_injected()) break;  // slow start: one first
        }
    }
    if (pods.empty()) co_return kube::Result<void>();
    Facts facts = facts_of(*stored);
    facts.pods = pods;
    auto verdict = co_await judge_request(facts, stop);
    if (!verdict) co_return std::unexpected(verdict.error());
    for (std::size_t i = 0; i < pods.size(); ++i) {
        if (!verdict->allowed) {
            refuse(pods[i].name, verdict->reason, verdict->message);
            continue;
        }
        const nlohmann::json container = build_ephemeral_container(*stored->parsed, verdict->containers[i]);
        if (const auto* const foreign = foreign_container(pods[i], verdict->containers[i], container)) {
            refuse(pods[i].name, Reason::injection_rejected, foreign_container_message(pods[i], foreign->name));
            continue;
        }
        auto injected = co_await add_finalizer(key, stored, stop);
        if (injected) injected = co_await inject(key, stored, pods[i].name, container, stop);
        if (injected) continue;
        const auto refusal = classify_refusal(injected.error());
        if (!refusal) co_return std::unexpected(injected.error());
        refuse(pods[i].name, refusal->reason, refusal->message);
    }
    co_return kube::Result<void>();
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::fail_injection(std::string key, Stored stored,
                                                                              kube::Error error, bool dry_run,
                                                                              std::stop_token stop) {
    const Session session = sessions_[key];
    const auto refusal = classify_refusal(error);
    if (!refusal && session.written && is_for_several(*stored->parsed))
        co_return std::unexpected(std::move(error));  // `follow` goes on from the choice that is on record
    forget_session(key);                              // its places are free again
    if (!refusal) {
        // Judged anew after the back-off. The PATCH may have been carried out all the same.
        if (!dry_run) unseen_[key] = session;
        co_return std::unexpected(std::move(error));
    }
    kube::log::info("reconciler", "injection refused",
                    {{"request", key}, {"dryRun", dry_run}, {"error", error.message}});
    if (refusal->denied) {
        Verdict verdict;
        verdict.reason = refusal->reason;
        verdict.message = refusal->message;
        verdict.policy = session.policy;
        verdict.image = session.image;
        auto denied = co_await deny(key, stored, std::move(verdict), stop);
        co_return denied;
    }
    const auto status = failed_status(stored->parsed->status, stored->parsed->generation, session, refusal->reason,
                                      refusal->message, now());
    auto ended = co_await record_end(key, stored, status, stop);
    co_return ended;
}

asio::awaitable<kube::Result<RequestReconciler::Pods>> RequestReconciler::find_pods(Stored stored,
                                                                                    std::stop_token stop) {
    std::vector<std::string> names;
    for (const api::TargetStatus& row : stored->parsed->status.targets) names.push_back(row.pod_name);
    if (names.empty() && !is_for_several(*stored->parsed)) names.push_back(stored->parsed->spec.target.pod_name);
    Pods pods;
    for (const std::string& name : names) {
        auto pod = co_await context_.cluster.get_pod(stored->ns, name, stop);
        if (pod) pods.push_back(std::move(*pod));
        if (!pod && pod.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(pod.error());
    }
    co_return pods;
}

void RequestReconciler::adopt(const std::string& key, const Stored& stored, Session session, Pods pods) {
    session.request_uid = stored->uid;
    session.has_finalizer = session.has_finalizer || stored->has_finalizer;
    for (PodView& pod : pods) {
        SessionPart* const part = session.find(pod.name);
        if (part == nullptr || part->injected || part->pod_uid != pod.uid) continue;
        const auto* const container = pod.find_ephemeral(part->container);
        if (container == nullptr || container->request != key) continue;
        const auto* const row = find_row(stored->parsed->status, pod.uid);
        part->adopted = true;
        part->injected = true;
        part->refused.reset();
        part->start_observed = row != nullptr && !row->started_at.empty();
        // The moment of the injection is not on record: a restart gives a slow start a new deadline, never a shorter.
        part->injected_at = now();
        part->injected_steady = context_.clock.steady_now();
        kube::log::info("reconciler", "found our container in the Pod; nothing is injected again",
                        {{"request", key}, {"pod", part->pod}, {"container", part->container}});
        context_.follower.follow(part_key(key, part->pod), std::move(pod));
    }
    sessions_[key] = std::move(session);
}

asio::awaitable<kube::Result<bool>> RequestReconciler::resume(std::string key, Stored stored, std::stop_token stop) {
    if (!stored->parsed) co_return false;
    const api::DebugRequest& request = *stored->parsed;
    // Where the key was lost since, the record of the session stands for the seal: nobody else may write a status.
    const IdentityCheck identity = identity_of(*stored);
    const bool is_known =
        identity == IdentityCheck::valid || (identity == IdentityCheck::unknown_key && !request.status.targets.empty());
    if (!is_known) co_return false;
    auto seen = co_await find_pods(stored, stop);
    if (!seen) co_return std::unexpected(seen.error());
    const bool is_overdue = api::is_terminal(stored->phase);
    const bool several = is_for_several(request);
    Pods pods;
    for (PodView& pod : *seen) {
        const auto* const row = find_row(request.status, pod.uid);
        // A Pod that was chosen, and has no container yet, is one of the request only where the target says so too.
        const bool is_chosen = several && row != nullptr && !is_overdue && matches(pod, request.spec.target);
        if (is_injected(pod, request) || is_chosen) pods.push_back(std::move(pod));
    }
    // A Pod that went while nobody looked took its container with it: `follow` records that.
    std::vector<SessionPart> lost;
    for (const api::TargetStatus& row : request.status.targets) {
        const bool is_there = std::ranges::find(pods, row.pod_uid, &PodView::uid) != pods.end();
        if (!is_there && (is_overdue || several)) lost.push_back(part_of_lost_pod(row));
    }
    if (pods.empty() && lost.empty()) co_return false;
    Session session = session_of(request, Verdict(), pods);
    const auto unseen = unseen_.extract(key);
    const bool was_planned = !unseen.empty() && unseen.mapped() && unseen.mapped()->request_uid == stored->uid &&
                             pods.size() == 1 && unseen.mapped()->parts.size() == 1 &&
                             unseen.mapped()->parts.front().pod_uid == pods.front().uid;
    if (was_planned) session = *unseen.mapped();
    if (several && !request.spec.deadline_seconds) {
        if (const auto policy = context_.policies.get(session.policy.name)) {
            const api::PolicyLimits& limits = policy->policy->spec().limits;
            session.deadline_seconds = std::min(limits.default_deadline_seconds, limits.max_deadline_seconds);
        }
    }
    for (SessionPart& part : session.parts) {
        if (const auto* const row = find_row(request.status, part.pod_uid)) part.refused = recorded_refusal(*row);
    }
    std::ranges::move(lost, std::back_inserter(session.parts));
    session.finished = api::is_terminal(stored->phase);
    adopt(key, stored, std::move(session), std::move(pods));
    co_return true;
}

}  // namespace endoscope::controller
