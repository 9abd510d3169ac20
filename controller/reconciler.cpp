#include "controller/reconciler.hpp"

#include "controller/injection.hpp"
#include "controller/not_yet.hpp"
#include "controller/status.hpp"
#include "controller/subject.hpp"
#include "controller/target_selection.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/resource_version.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

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
        // The choice among several Pods is on record before anything is injected.
        const bool may_be_injected = request->is_readable && !request->has_targets && !request->pods.empty() &&
                                     (!request->deleting || request->has_finalizer);
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
    if (!cached || (cached->deleting && !cached->has_finalizer)) {
        announce_loss(key);
        forget(key);
        co_return kube::ReconcileResult();
    }
    const auto session = sessions_.find(key);
    if (session != sessions_.end() && session->second.request_uid != cached->uid) {
        announce_loss(key);
        forget(key);
    }
    const auto stored = std::make_shared<const StoredRequest>(read_request(*cached));
    if (const auto work = settling_.find(key); work != settling_.end()) {
        if (work->second.request_uid == stored->uid) {
            auto settled = co_await settle(key, stored, stop);
            co_return settled;
        }
        settling_.erase(work);
    }
    const auto recorded = recorded_.find(key);
    if (recorded != recorded_.end()) {
        const bool is_behind = recorded->second.request_uid == cached->uid &&
                               kube::is_older(stored->resource_version, recorded->second.version);
        if (is_behind) co_return kube::ReconcileResult();
        recorded_.erase(recorded);
    }
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
    const bool is_overdue =
        api::is_terminal(stored->phase) && stored->parsed && is_still_running(stored->parsed->status);
    const bool is_over = api::is_terminal(stored->phase) && !is_overdue;
    // After a restart: goes on following what outlived its deadline, or is to be ended. Judges and injects nothing.
    if (is_overdue || (stored->deleting && !is_over)) {
        const auto resumed = co_await resume(key, stored, stop);
        if (!resumed) co_return std::unexpected(resumed.error());
        if (*resumed) {
            auto followed = co_await follow(key, stored, stop);
            co_return followed;
        }
    }
    if (is_over || stored->deleting) {
        if (!stored->has_finalizer) co_return kube::ReconcileResult();
        auto settled = co_await settle_recorded(key, stored, stop);
        co_return settled;
    }
    if (is_overdue) co_return kube::ReconcileResult();
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
    const auto add = [&](const CachedRequest& other, const std::string& pod, const std::string& container) {
        if (other.subject == subject) ++sessions.by_requester;
        if (other.ns != request.namespace_name) return;
        ++sessions.in_namespace;
        if (other.key() != own_key) sessions.in_pod[pod][other.key()] = container;
    };
    for (const auto& other : context_.requests.list()) {
        const std::string key = other->key();
        if (!other->is_readable) continue;
        const auto session = sessions_.find(key);
        const bool ours = session != sessions_.end() && session->second.request_uid == other->uid;
        const auto recorded = recorded_.find(key);
        if (recorded != recorded_.end() && recorded->second.request_uid == other->uid) continue;
        if (ours) {
            if (session->second.finished) continue;
            for (const SessionPart& part : session->second.parts) {
                // Its own place is counted by the verdict, once for each Pod that is judged.
                if (!part.refused && (key != own_key || part.injected)) add(*other, part.pod, part.target_container);
            }
        } else if (key != own_key && api::holds_a_place(other->phase) && other->has_targets) {
            for (const std::string& pod : other->pod_names()) add(*other, pod, other->container);
        }
    }
    return sessions;
}

asio::awaitable<kube::Result<RequestReconciler::Pods>> RequestReconciler::choose_pods(const api::DebugRequest& request,
                                                                                      std::stop_token stop) {
    Pods chosen;
    const api::Target& target = request.spec.target;
    const std::string& ns = request.namespace_name;
    if (!is_for_several(request)) {
        auto pod = co_await context_.cluster.get_pod(ns, target.pod_name, stop);
        if (!pod && pod.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(pod.error());
        if (pod) chosen.push_back(std::move(*pod));
        co_return chosen;
    }
    // Chosen once. A record that somebody tampered with chooses nothing that the target would not.
    for (const api::TargetStatus& row : request.status.targets) {
        auto pod = co_await context_.cluster.get_pod(ns, row.pod_name, stop);
        if (!pod && pod.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(pod.error());
        const bool is_full = std::ssize(chosen) >= target.max_pods.value_or(1);
        if (pod && pod->uid == row.pod_uid && matches(*pod, target) && !is_full) chosen.push_back(std::move(*pod));
    }
    if (!chosen.empty()) co_return chosen;
    auto found = co_await context_.cluster.find_pods(ns, target, stop);
    co_return found;
}

asio::awaitable<Authorization> RequestReconciler::may_patch_pods(const api::DebugRequest& request, const Pods& pods,
                                                                 std::stop_token stop) {
    std::vector<std::string> names;
    for (const PodView& pod : pods) names.push_back(pod.name);
    // The name is asked for whether there is such a Pod or not: a missing one and a forbidden one read the same.
    if (!is_for_several(request)) names = {request.spec.target.pod_name};
    if (names.empty()) names.emplace_back();
    Authorization all = Authorization::allowed;
    for (const std::string& name : names) {
        const auto answer =
            co_await context_.cluster.may_patch_pod(subject_of(request.spec), request.namespace_name, name, stop);
        if (answer == Authorization::denied) co_return Authorization::denied;
        if (answer == Authorization::failed) all = Authorization::failed;
    }
    co_return all;
}

asio::awaitable<kube::Result<void>> RequestReconciler::look_up(Facts& facts, std::optional<Pods>& chosen, Need need,
                                                               std::stop_token stop) {
    const api::DebugRequest& request = facts.request;
    const bool needs_choice =
        need.what == Need::What::pods || (need.what == Need::What::pod_permission && is_for_several(request));
    if (needs_choice && !chosen) {
        auto pods = co_await choose_pods(request, stop);
        if (!pods) co_return std::unexpected(pods.error());
        chosen = std::move(*pods);
    }
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
            const auto answer = co_await may_patch_pods(request, chosen.value_or(Pods()), stop);
            facts.pod_permission = answer;
            break;
        }
        case Need::What::use_policy: {
            const auto answer = co_await context_.cluster.may_use_policy(subject_of(request.spec),
                                                                         request.namespace_name, need.policy, stop);
            facts.use_policy[need.policy] = answer;
            break;
        }
        case Need::What::pods:
            facts.pods = *chosen;
            break;
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

asio::awaitable<kube::Result<Verdict>> RequestReconciler::judge_request(Facts& facts, std::stop_token stop) {
    bool fresh = false;
    std::optional<Pods> chosen = facts.pods;
    for (int step = 0; step < kMaxLookUps; ++step) {
        facts.sessions = count_sessions(facts.request);
        auto judged = judge(facts);
        if (const auto* need = std::get_if<Need>(&judged)) {
            const auto looked_up = co_await look_up(facts, chosen, *need, stop);
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
        auto verdict = as_carried_out(std::move(decided));
        // Judged again later, never allowed.
        if (verdict.reason == Reason::authorization_failed)
            co_return kube::fail(kube::ErrorKind::server, verdict.message);
        co_return verdict;
    }
    co_return kube::fail(kube::ErrorKind::server, "the verdict asked for too many look-ups");
}

asio::awaitable<RequestReconciler::Outcome> RequestReconciler::decide(std::string key, Stored stored,
                                                                      std::stop_token stop) {
    if (!stored->parsed) {
        auto denied = co_await deny(key, stored, invalid_spec(stored->parsed.error()), stop);
        co_return denied;
    }
    // Which Pods were chosen is on record, and maybe some have their container: that is where it goes on.
    if (is_for_several(*stored->parsed) && !stored->parsed->status.targets.empty()) {
        const auto resumed = co_await resume(key, stored, stop);
        if (!resumed) co_return std::unexpected(resumed.error());
        if (*resumed) {
            auto followed = co_await follow(key, stored, stop);
            co_return followed;
        }
    }
    Facts facts = facts_of(*stored);
    auto verdict = co_await judge_request(facts, stop);
    if (!verdict) co_return std::unexpected(verdict.error());
    // What was injected before a restart is followed to its end, whatever the policy says by now.
    if (!verdict->allowed && (!stored->parsed->status.targets.empty() || unseen_.contains(key))) {
        const auto resumed = co_await resume(key, stored, stop);
        if (!resumed) co_return std::unexpected(resumed.error());
        if (*resumed) {
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
    const Pods pods = facts.pods.value_or(Pods());
    bool is_there = false;
    for (std::size_t i = 0; i < std::min(pods.size(), verdict->containers.size()); ++i)
        is_there = is_there || pods[i].find_ephemeral(verdict->containers[i].name) != nullptr;
    if (verdict->allowed && !is_there && !places_are_known()) {
        kube::ReconcileResult soon;
        soon.requeue_after = kUnseenPause;
        co_return soon;
    }
    const std::string policy = verdict->policy ? verdict->policy->name : "";
    context_.metrics.verdict(policy, verdict->allowed, std::string(to_string(verdict->reason)));
    if (!verdict->allowed || pods.empty()) {
        auto denied = co_await deny(key, stored, *verdict, stop);
        co_return denied;
    }
    auto begun = co_await begin_session(key, stored, std::move(*verdict), pods, stop);
    co_return begun;
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
        recorded_[key] = Recorded{.request_uid = stored->uid, .version = *written};
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
    audit(stored, *status.phase == Phase::denied ? "verdict" : "ended", phase, reason, status.message);
    emit(stored, kube::EventType::warning, reason, *status.phase == Phase::denied ? "Judge" : "Inject", status.message);
}

void RequestReconciler::forget_session(const std::string& key) {
    const auto session = sessions_.extract(key);
    if (session.empty()) return;
    for (const SessionPart& part : session.mapped().parts) {
        const std::string followed = part_key(key, part.pod);
        context_.follower.unfollow(followed);
        context_.metrics.session_over(followed);
        context_.metrics.session_not_overdue(followed);
    }
}

void RequestReconciler::forget(const std::string& key) {
    forget_session(key);
    recorded_.erase(key);
    endings_.erase(key);
    settling_.erase(key);
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

void RequestReconciler::audit(const StoredRequest& stored, std::string event, std::string_view phase,
                              std::string_view reason, const std::string& message, const Session* session,
                              const SessionPart* part) {
    AuditRecord record = audit_record(std::move(event), stored);
    if (session != nullptr) {
        record.image = session->image;
        record.policy = session->policy.name;
        if (part == nullptr && session->parts.size() == 1) part = &session->parts.front();
        std::string pods;
        for (const SessionPart& each : session->parts) pods += (pods.empty() ? "" : ",") + each.pod;
        record.pod = std::move(pods);
    }
    if (part != nullptr) {
        record.pod = part->pod;
        record.container = part->container;
    }
    record.phase = phase;
    record.reason = reason;
    record.message = message;
    context_.audit.write(record);
}

}  // namespace endoscope::controller
