#include "controller/reconciler.hpp"

#include "controller/injection.hpp"
#include "controller/not_yet.hpp"
#include "controller/status.hpp"
#include "controller/subject.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace asio = boost::asio;

using api::Phase;
using api::Reason;

namespace {

/// How long new sessions wait, after a start, for a Pod that cannot be read. Then exactness gives way to service.
constexpr kube::Duration kUnseenGrace = std::chrono::seconds(30);
constexpr kube::Duration kUnseenPause = std::chrono::milliseconds(20);
/// How long a request waits for the key that sealed it where the keys cannot be read.
constexpr kube::Duration kLongestKeyWait = std::chrono::minutes(5);
constexpr kube::Duration kKeyPause = std::chrono::milliseconds(500);
/// Look-ups a judgement can ask for: labels, a review for each policy, the Pod. More would be a loop.
constexpr int kMaxLookUps = 600;

/// Whether a denial with this reason rests on objects that a cache may show too late.
bool rests_on_cache(Reason reason) {
    switch (reason) {
        case Reason::invalid_spec:
        case Reason::invalid_image_reference:
        case Reason::identity_missing:
        case Reason::identity_invalid:
            return false;
        default:
            return true;
    }
}

}  // namespace

RequestReconciler::RequestReconciler(ReconcilerContext context) : context_(std::move(context)) {}

void RequestReconciler::begin() {
    begun_ = context_.clock.steady_now();
    for (const auto& request : context_.requests.list()) {
        const bool may_be_injected = request->is_readable && !request->has_targets && !request->deleting;
        if (may_be_injected && !api::is_terminal(request->phase)) unseen_.try_emplace(request->key());
    }
}

bool RequestReconciler::places_are_known() const {
    return unseen_.empty() || context_.clock.steady_now() - begun_ > kUnseenGrace;
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::reconcile(std::string key, std::stop_token stop) {
    // What is recorded by now may be the work of the next leader, and is counted by that one.
    if (!context_.cluster.may_write()) co_return kube::fail(kube::ErrorKind::cancelled, "this replica does not lead");
    const auto cached = context_.requests.get(key);
    if (!cached || cached->deleting) {
        forget(key);
        co_return kube::ReconcileResult();
    }
    const auto session = sessions_.find(key);
    if (session != sessions_.end() && session->second.request_uid != cached->uid) forget(key);
    const auto recorded = recorded_.find(key);
    if (recorded != recorded_.end()) {
        if (recorded->second == cached->uid && !api::is_terminal(cached->phase)) co_return kube::ReconcileResult();
        recorded_.erase(recorded);
    }
    const auto stored = std::make_shared<const StoredRequest>(read_request(*cached));
    if (sessions_.contains(key)) {
        auto followed = co_await follow(key, stored, stop);
        co_return followed;
    }
    if (const auto ending = endings_.find(key); ending != endings_.end()) {
        // Judging again could contradict what is on record by now.
        if (ending->second.request_uid == stored->uid) {
            auto ended = co_await record_end(key, stored, ending->second.status, stop);
            co_return ended;
        }
        endings_.erase(ending);
    }
    if (stored->phase == Phase::expired && stored->parsed && is_still_running(stored->parsed->status)) {
        auto resumed = co_await resume_overdue(key, stored, stop);
        co_return resumed;
    }
    if (api::is_terminal(stored->phase)) co_return kube::ReconcileResult();
    first_seen_.try_emplace(key, context_.clock.steady_now());
    auto decided = co_await decide(key, stored, stop);
    co_return decided;
}

IdentityCheck RequestReconciler::identity_of(const StoredRequest& stored) const {
    const auto object = kube::parse_json(stored.text);
    if (!object) return IdentityCheck::missing;
    const auto keys = context_.keys.ring();
    return check_identity(keys ? *keys : SealKeyRing(), "DebugRequest", *object);
}

Facts RequestReconciler::facts_of(const StoredRequest& stored) const {
    Facts facts{.request = *stored.parsed, .operator_namespace = context_.operator_namespace};
    facts.identity = identity_of(stored);
    if (const auto labels = context_.namespaces.get(stored.ns)) facts.namespace_labels = *labels;
    for (const auto& cached : context_.policies.list()) facts.policies.push_back(cached->policy);
    return facts;
}

bool RequestReconciler::may_learn_key(const std::string& key) {
    const auto seen = first_seen_.find(key);
    if (seen == first_seen_.end() || context_.keys.has_read_since(seen->second)) return false;
    context_.keys.read_soon();
    return context_.clock.steady_now() - seen->second < kLongestKeyWait;
}

/// Places that other requests hold: what the cache shows, and what we reserved or finished since.
Sessions RequestReconciler::count_sessions(const api::DebugRequest& request) const {
    Sessions sessions;
    const std::string own_key = request.namespace_name + "/" + request.name;
    const std::string subject = subject_name(request.spec);
    for (const auto& other : context_.requests.list()) {
        const std::string key = other->key();
        if (key == own_key || !other->is_readable) continue;
        const auto session = sessions_.find(key);
        const bool ours = session != sessions_.end() && session->second.request_uid == other->uid;
        const auto recorded = recorded_.find(key);
        if (recorded != recorded_.end() && recorded->second == other->uid) continue;
        if (!ours && !(api::holds_a_place(other->phase) && other->has_targets)) continue;
        if (ours && session->second.finished) continue;
        if (other->subject == subject) ++sessions.by_requester;
        if (other->ns != request.namespace_name) continue;
        ++sessions.in_namespace;
        if (other->pod != request.spec.target.pod_name) continue;
        sessions.in_pod[key] = ours ? session->second.target_container : other->container;
    }
    return sessions;
}

asio::awaitable<kube::Result<void>> RequestReconciler::look_up(Facts& facts, Need need, std::stop_token stop) {
    const api::DebugRequest& request = facts.request;
    switch (need.what) {
        case Need::What::namespace_labels: {
            auto labels = co_await context_.cluster.get_namespace_labels(request.namespace_name, stop);
            if (!labels) co_return std::unexpected(labels.error());
            facts.namespace_labels = std::move(*labels);
            break;
        }
        case Need::What::impersonation: {
            const auto answer =
                co_await context_.cluster.may_impersonate(author_of(request.spec), subject_name(request.spec), stop);
            facts.impersonation = answer;
            break;
        }
        case Need::What::pod_permission: {
            const auto answer = co_await context_.cluster.may_patch_pod(
                subject_of(request.spec), request.namespace_name, request.spec.target.pod_name, stop);
            facts.pod_permission = answer;
            break;
        }
        case Need::What::use_policy: {
            const auto answer = co_await context_.cluster.may_use_policy(subject_of(request.spec),
                                                                         request.namespace_name, need.policy, stop);
            facts.use_policy[need.policy] = answer;
            break;
        }
        case Need::What::pod: {
            auto pod = co_await context_.cluster.get_pod(request.namespace_name, request.spec.target.pod_name, stop);
            if (pod) {
                facts.pod = std::move(*pod);
            } else if (pod.error().kind == kube::ErrorKind::not_found) {
                facts.pod = PodAbsent();
            } else {
                co_return std::unexpected(pod.error());
            }
            break;
        }
    }
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> RequestReconciler::refresh(Facts& facts, std::stop_token stop) {
    auto policies = co_await context_.cluster.list_policies(stop);
    if (!policies) co_return std::unexpected(policies.error());
    auto labels = co_await context_.cluster.get_namespace_labels(facts.request.namespace_name, stop);
    if (!labels) co_return std::unexpected(labels.error());
    facts.policies = std::move(*policies);
    facts.namespace_labels = std::move(*labels);
    co_return kube::Result<void>();
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::decide(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    if (!stored->parsed) {
        auto denied = co_await deny(key, stored, invalid_spec(stored->parsed.error()), stop);
        co_return denied;
    }
    if (const auto missing = not_yet(*stored->parsed)) {
        auto denied = co_await deny(key, stored, invalid_spec(*missing), stop);
        co_return denied;
    }
    Facts facts = facts_of(*stored);
    bool fresh = false;
    std::optional<Verdict> verdict;
    for (int step = 0; step < kMaxLookUps && !verdict; ++step) {
        facts.sessions = count_sessions(facts.request);
        auto judged = judge(facts);
        if (const auto* need = std::get_if<Need>(&judged)) {
            const auto looked_up = co_await look_up(facts, *need, stop);
            if (!looked_up) co_return std::unexpected(looked_up.error());
            continue;
        }
        auto& decided = std::get<Verdict>(judged);
        const bool is_doubtful = decided.allowed ? !context_.rules_are_current() : rests_on_cache(decided.reason);
        if (is_doubtful && !fresh) {
            // A denial is final, so it must not come from a cache that has not seen the policy just applied; nor an
            // injection from one that was cut off and does not know that the policy has gone.
            const auto refreshed = co_await refresh(facts, stop);
            if (!refreshed) co_return std::unexpected(refreshed.error());
            fresh = true;
            continue;
        }
        verdict = as_carried_out(std::move(decided));
    }
    if (!verdict) co_return kube::fail(kube::ErrorKind::server, "the verdict asked for too many look-ups");
    if (verdict->reason == Reason::authorization_failed) {
        co_return kube::fail(kube::ErrorKind::server, verdict->message);  // judged again later, never allowed
    }
    // What was injected before a restart is followed to its end, whatever the policy says by now.
    const auto* pod = std::get_if<PodView>(&facts.pod);
    const auto& recorded = stored->parsed->status.targets;
    if (!verdict->allowed && (!recorded.empty() || unseen_.contains(key))) {
        const std::string& name = recorded.empty() ? facts.request.spec.target.pod_name : recorded.front().pod_name;
        auto seen = co_await context_.cluster.get_pod(stored->ns, name, stop);
        if (!seen && seen.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(seen.error());
        // Where the key was lost since, the record of the session stands for the seal: nobody else may write a status.
        const bool is_known = facts.identity == IdentityCheck::valid ||
                              (facts.identity == IdentityCheck::unknown_key && !recorded.empty());
        if (seen && is_known && is_injected(*seen, *stored->parsed)) {
            adopt(key, stored, *verdict, std::move(*seen));
            auto followed = co_await follow(key, stored, stop);
            co_return followed;
        }
    }
    // The key may have become known while the Pod was looked at, or still may.
    if (!verdict->allowed && facts.identity == IdentityCheck::unknown_key &&
        (identity_of(*stored) != IdentityCheck::unknown_key || may_learn_key(key))) {
        kube::ReconcileResult soon;
        soon.requeue_after = kKeyPause;
        co_return soon;
    }
    unseen_.erase(key);
    const bool is_there = pod != nullptr && verdict->container && pod->find_ephemeral(verdict->container->name);
    if (verdict->allowed && !is_there && !places_are_known()) {
        kube::ReconcileResult soon;
        soon.requeue_after = kUnseenPause;
        co_return soon;
    }
    const std::string policy = verdict->policy ? verdict->policy->name : "";
    context_.metrics.verdict(policy, verdict->allowed, std::string(to_string(verdict->reason)));
    if (!verdict->allowed || pod == nullptr) {
        auto denied = co_await deny(key, stored, *verdict, stop);
        co_return denied;
    }
    auto injected = co_await inject(key, stored, *verdict, *pod, stop);
    co_return injected;
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::inject(std::string key, Stored stored, Verdict verdict,
                                                                      PodView pod, std::stop_token stop) {
    const api::DebugRequest& request = *stored->parsed;
    const nlohmann::json container = build_ephemeral_container(request, *verdict.container);
    const std::string name = verdict.container->name;
    // On record before anything is done: whatever happens next, it is known which policy allowed it.
    const Session planned = session_of(request, verdict, pod);
    audit(*stored, "verdict", &planned, "", to_string(verdict.reason), "allowed by policy " + verdict.policy->name);
    if (const auto* existing = pod.find_ephemeral(name)) {
        if (!is_same_container(*existing, container)) {
            const auto status = failed_status(request.status, request.generation, planned, Reason::injection_rejected,
                                              "Pod " + pod.name + " already has a container " + name +
                                                  " with other content, and it cannot be changed; choose another "
                                                  "spec.containerName in a new request",
                                              now());
            auto ended = co_await record_end(key, stored, status, stop);
            co_return ended;
        }
        adopt(key, stored, verdict, std::move(pod));
        auto followed = co_await follow(key, stored, stop);
        co_return followed;
    }
    // From here on the request holds its place, so that a burst cannot overbook what the verdict counted.
    Session& session = sessions_[key];
    session = planned;
    session.request_uid = stored->uid;
    auto rehearsed = co_await context_.cluster.inject(stored->ns, session.pod, session.pod_uid, container, true, stop);
    if (!rehearsed && !is_dry_run_unsupported(rehearsed.error())) {
        auto failed = co_await fail_injection(key, stored, std::move(rehearsed.error()), true, stop);
        co_return failed;
    }
    const auto latest = context_.requests.get(key);
    if (!latest || latest->uid != stored->uid || latest->deleting) {
        forget(key);
        co_return kube::ReconcileResult();
    }
    auto injected = co_await context_.cluster.inject(stored->ns, pod.name, pod.uid, container, false, stop);
    if (!injected) {
        auto failed = co_await fail_injection(key, stored, std::move(injected.error()), false, stop);
        co_return failed;
    }
    Session& placed = sessions_[key];
    if (injected->find_ephemeral(name) == nullptr) {
        sessions_.erase(key);
        co_return kube::fail(kube::ErrorKind::malformed, "the API server accepted the container but does not show it");
    }
    placed.injected = true;
    placed.injected_at = now();
    placed.injected_steady = context_.clock.steady_now();
    const auto seen = first_seen_.find(key);
    if (seen != first_seen_.end()) context_.metrics.injected(placed.injected_steady - seen->second);
    first_seen_.erase(key);
    kube::log::info("reconciler", "injected",
                    {{"request", key}, {"pod", placed.pod}, {"container", placed.container}, {"image", placed.image}});
    audit(*stored, "injected", &placed, to_string(Phase::starting), to_string(Reason::injecting), "");
    emit(*stored, kube::EventType::normal, "Injected", "Inject",
         "debug container " + placed.container + " was added to Pod " + placed.pod + " (policy " + placed.policy.name +
             ")");
    emit_on_pod(context_.events, *stored, placed, kube::EventType::normal, "DebugContainerInjected", "Inject",
                "debug container " + placed.container + " was added for DebugRequest " + stored->name + " of " +
                    request.spec.requester->username +
                    (request.spec.on_behalf_of_username ? " on behalf of " + *request.spec.on_behalf_of_username : ""));
    context_.follower.follow(key, std::move(*injected));
    auto followed = co_await follow(key, stored, stop);
    co_return followed;
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::fail_injection(std::string key, Stored stored,
                                                                              kube::Error error, bool dry_run,
                                                                              std::stop_token stop) {
    const Session session = sessions_[key];
    sessions_.erase(key);  // the place is free again
    const auto refusal = classify_refusal(error);
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

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::deny(std::string key, Stored stored, Verdict verdict,
                                                                    std::stop_token stop) {
    const api::DebugRequestStatus before = stored->parsed ? stored->parsed->status : api::DebugRequestStatus();
    const std::int64_t generation = stored->parsed ? stored->parsed->generation : 0;
    auto ended = co_await record_end(key, stored, denied_status(before, generation, verdict, now()), stop);
    co_return ended;
}

/// Records the end of a request that has no container.
asio::awaitable<RequestReconciler::Outcome> RequestReconciler::record_end(std::string key, Stored stored,
                                                                          api::DebugRequestStatus status,
                                                                          std::stop_token stop) {
    const bool was_sent_before = !endings_.try_emplace(key, Ending{stored->uid, status}).second;
    if (!is_recorded(*stored, status)) {
        const auto written = co_await context_.cluster.write_status(stored, stored->resource_version, status, stop);
        if (!written) {
            const kube::ErrorKind kind = written.error().kind;
            const bool was_never_sent = kind == kube::ErrorKind::cancelled && !was_sent_before;
            if (kind == kube::ErrorKind::not_found || was_never_sent) endings_.erase(key);
            if (kind == kube::ErrorKind::not_found) co_return kube::ReconcileResult();
            co_return std::unexpected(written.error());
        }
        recorded_[key] = stored->uid;
    }
    endings_.erase(key);
    announce_end(key, *stored, status);
    co_return kube::ReconcileResult();
}

void RequestReconciler::announce_end(const std::string& key, const StoredRequest& stored,
                                     const api::DebugRequestStatus& status) {
    const std::string phase(to_string(*status.phase));
    const std::string reason(to_string(*status.reason));
    first_seen_.erase(key);
    context_.metrics.request_finished(stored.ns, phase, reason);
    kube::log::info("reconciler", "request ended",
                    {{"request", key}, {"phase", phase}, {"reason", reason}, {"message", status.message}});
    audit(stored, *status.phase == Phase::denied ? "verdict" : "ended", nullptr, phase, reason, status.message);
    emit(stored, kube::EventType::warning, reason, *status.phase == Phase::denied ? "Judge" : "Inject", status.message);
}

void RequestReconciler::forget(const std::string& key) {
    context_.follower.unfollow(key);
    context_.metrics.session_over(key);
    context_.metrics.session_not_overdue(key);
    sessions_.erase(key);
    recorded_.erase(key);
    endings_.erase(key);
    first_seen_.erase(key);
    unseen_.erase(key);
}

void RequestReconciler::emit(const StoredRequest& stored, kube::EventType type, std::string_view reason,
                             std::string_view action, const std::string& note) {
    context_.events.record({.regarding = {.api_version = std::string(api::kApiVersion),
                                          .kind = "DebugRequest",
                                          .ns = stored.ns,
                                          .name = stored.name,
                                          .uid = stored.uid,
                                          .resource_version = stored.resource_version,
                                          .field_path = {}},
                            .related = std::nullopt,
                            .type = type,
                            .reason = std::string(reason),
                            .action = std::string(action),
                            .note = note});
}

void RequestReconciler::audit(const StoredRequest& stored, std::string event, const Session* session,
                              std::string_view phase, std::string_view reason, const std::string& message) {
    AuditRecord record;
    record.event = std::move(event);
    record.request = stored.key();
    record.request_uid = stored.uid;
    if (stored.parsed && stored.parsed->spec.requester) {
        record.requester = stored.parsed->spec.requester->username;
        record.groups = stored.parsed->spec.requester->groups;
    }
    if (stored.parsed) record.on_behalf_of = stored.parsed->spec.on_behalf_of_username.value_or("");
    if (session != nullptr) {
        record.pod = session->pod;
        record.container = session->container;
        record.image = session->image;
        record.policy = session->policy.name;
    } else if (stored.parsed) {
        record.pod = stored.parsed->spec.target.pod_name;
        record.image = stored.parsed->spec.image;
    }
    record.phase = phase;
    record.reason = reason;
    record.message = message;
    context_.audit.write(record);
}

}  // namespace endoscope::controller
