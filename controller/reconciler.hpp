#pragma once

#include "api/debug_request.hpp"
#include "controller/audit.hpp"
#include "controller/cluster.hpp"
#include "controller/ending.hpp"
#include "controller/metrics.hpp"
#include "controller/overall.hpp"
#include "controller/pod_follower.hpp"
#include "controller/policy_reconciler.hpp"
#include "controller/progress.hpp"
#include "controller/seal_keys.hpp"
#include "controller/session.hpp"
#include "controller/stored_request.hpp"
#include "controller/verdict.hpp"
#include "kube/client/remote_command.hpp"
#include "kube/runtime/controller.hpp"
#include "kube/runtime/events.hpp"
#include "kube/runtime/store.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

namespace endoscope::controller {

/// What the reconciler reads and tells. Everything outlives it.
struct ReconcilerContext {
    kube::Clock& clock;
    Cluster& cluster;
    kube::CommandRunner& commands;  ///< For `onExpiry: Terminate`.
    const kube::Store<CachedRequest>& requests;
    const kube::Store<CachedPolicy>& policies;
    const kube::Store<api::Labels>& namespaces;
    /// Whether `policies` and `namespaces` show what is there now. An allowance must not rest on them otherwise.
    std::function<bool()> rules_are_current;
    PodFollower& follower;
    kube::EventRecorder& events;
    Metrics& metrics;
    AuditLog& audit;
    SealKeys& keys;
    std::string operator_namespace;
};

/// Carries one DebugRequest from its verdict to its recorded end (design: life cycle), in four parts, each in a file:
/// `decide` judges, `begin_session` and `inject_pending` add the containers, `follow` reads the Pods and records, and
/// `end_containers` and `settle` do what the policy wants at the end. All may be repeated at any point: the name of a
/// container depends only on request and Pod, so nothing is injected twice.
class RequestReconciler final : public kube::Reconciler {
  public:
    explicit RequestReconciler(ReconcilerContext context);

    /// Call once the caches are complete and before the first `reconcile`. Remembers which requests an earlier run may
    /// have injected without having written a word: their Pods are looked at before any new place is given away.
    void begin();

    boost::asio::awaitable<kube::Result<kube::ReconcileResult>> reconcile(std::string key,
                                                                          std::stop_token stop) override;

    /// Whether a container of that request ("namespace/name") has not been seen to end, whatever its status says.
    bool follows(const std::string& key) const { return sessions_.contains(key); }
    /// What Pods are followed by: one key for each Pod of a request. The request's key is what stands before the '#'.
    static std::string part_key(const std::string& key, const std::string& pod) { return key + "#" + pod; }
    static std::string request_key(const std::string& part_key) { return part_key.substr(0, part_key.find('#')); }

  private:
    using Outcome = kube::Result<kube::ReconcileResult>;
    using Stored = std::shared_ptr<const StoredRequest>;
    using Pods = std::vector<PodView>;

    // reconciler.cpp: the judgement.
    boost::asio::awaitable<Outcome> decide(std::string key, Stored stored, std::stop_token stop);
    /// Judges until a verdict stands that does not rest on an old cache. Leaves in `facts` what it was reached by. The
    /// Pods are those of `facts`, or chosen by the request's target.
    boost::asio::awaitable<kube::Result<Verdict>> judge_request(Facts& facts, std::stop_token stop);
    /// Adds to `facts` what `need` names. `chosen`: the Pods, once they are known.
    boost::asio::awaitable<kube::Result<void>> look_up(Facts& facts, std::optional<Pods>& chosen, Need need,
                                                       std::stop_token stop);
    boost::asio::awaitable<kube::Result<Pods>> choose_pods(const api::DebugRequest& request, std::stop_token stop);
    /// May the requester patch all of these? Without any: Pods of the namespace in general.
    boost::asio::awaitable<Authorization> may_patch_pods(const api::DebugRequest& request, const Pods& pods,
                                                         std::stop_token stop);
    /// Replaces what came from caches by what the API server says now.
    boost::asio::awaitable<kube::Result<void>> refresh(Facts& facts, std::stop_token stop);
    boost::asio::awaitable<Outcome> deny(std::string key, Stored stored, Verdict verdict, std::stop_token stop);
    boost::asio::awaitable<Outcome> record_end(std::string key, Stored stored, api::DebugRequestStatus status,
                                               std::stop_token stop);
    /// Tells and counts an end that is on record.
    void announce_end(const std::string& key, const StoredRequest& stored, const api::DebugRequestStatus& status);
    IdentityCheck identity_of(const StoredRequest& stored) const;
    Facts facts_of(const StoredRequest& stored) const;
    /// Whether the key that sealed this request, and is not known, may still turn up. Asks for it.
    bool may_learn_key(const std::string& key);
    Sessions count_sessions(const api::DebugRequest& request) const;
    /// Whether the places that an earlier run gave away are all known by now.
    bool places_are_known() const;

    // reconciler_inject.cpp: from the verdict to the containers.
    boost::asio::awaitable<Outcome> begin_session(std::string key, Stored stored, Verdict verdict, Pods pods,
                                                  std::stop_token stop);
    /// Puts on record which Pods were chosen, before the first of several gets its container.
    boost::asio::awaitable<kube::Result<void>> record_choice(std::string key, Stored stored, std::stop_token stop);
    /// Sees to it that the request cannot vanish while work is left that its policy wants done at the end.
    boost::asio::awaitable<kube::Result<void>> add_finalizer(std::string key, Stored stored, std::stop_token stop);
    /// Adds its container to one Pod of the session.
    boost::asio::awaitable<kube::Result<void>> inject(std::string key, Stored stored, std::string pod,
                                                      nlohmann::json container, std::stop_token stop);
    /// Judges the Pods that have no container yet once more, and adds theirs.
    boost::asio::awaitable<kube::Result<void>> inject_pending(std::string key, Stored stored, std::stop_token stop);
    boost::asio::awaitable<Outcome> fail_injection(std::string key, Stored stored, kube::Error error, bool dry_run,
                                                   std::stop_token stop);
    /// The Pods in which an earlier run may have put a container, as they are now: those on record, or the one that the
    /// spec names.
    boost::asio::awaitable<kube::Result<Pods>> find_pods(Stored stored, std::stop_token stop);
    /// Goes on with a session that was begun, in the Pods that show its container.
    void adopt(const std::string& key, const Stored& stored, Session session, Pods pods);
    /// A session that is on record or shows in the Pods, without a judgement; false when there is none.
    boost::asio::awaitable<kube::Result<bool>> resume(std::string key, Stored stored, std::stop_token stop);

    // reconciler_follow.cpp: from the containers to the record.
    boost::asio::awaitable<Outcome> follow(std::string key, Stored stored, std::stop_token stop);
    /// What the Pods show of the session at this moment.
    std::vector<PartView> look(const std::string& key, const api::DebugRequest& request);
    Progress look_at(const SessionPart& part, const Session& session, const api::DebugRequest& request,
                     const PodView* pod);
    /// Asks for a Pod as it is now.
    boost::asio::awaitable<kube::Result<void>> look_live(std::string key, std::string pod, std::stop_token stop);
    boost::asio::awaitable<void> read_output(std::string key, const StoredRequest& stored, std::vector<PartView>& parts,
                                             std::stop_token stop);
    void announce(const StoredRequest& stored, const Session& session, const Progress& whole,
                  const std::vector<PartView>& parts, const api::DebugRequestStatus& before);
    void announce_start(const StoredRequest& stored, const Session& session, const PartView& view);

    // reconciler_end.cpp: what the policy wants at the end.
    struct Settling {
        std::string request_uid;
        std::string policy;
        std::vector<SessionPart> parts;
        std::string version;  ///< Of the request after our last write; empty: as cached.
        kube::SteadyTime since;
    };
    /// Does to the containers that are to end what the policy says. Returns when to look again.
    boost::asio::awaitable<std::optional<kube::Duration>> end_containers(std::string key, Stored stored,
                                                                         std::vector<PartView> parts,
                                                                         std::stop_token stop);
    boost::asio::awaitable<void> terminate(std::string key, Stored stored, SessionPart part, std::stop_token stop);
    boost::asio::awaitable<void> evict(std::string key, Stored stored, SessionPart part, std::stop_token stop);
    /// The request is being deleted: what has not begun does not begin any more.
    void cancel(const std::string& key);
    void announce_eviction(const StoredRequest& stored, const SessionPart& part, const Session* session);
    /// Tells that a request was deleted while its containers may still run.
    void announce_loss(const std::string& key);
    /// Whether a deleted request need not be kept any longer for a container that still runs.
    bool may_let_go(const Session& session, const std::vector<PartView>& parts) const;
    /// The session is over, or nobody waits for its end any more.
    boost::asio::awaitable<Outcome> finish(std::string key, Stored stored, std::stop_token stop);
    /// Evicts Pods after the session where the policy says so, and lets the request go.
    boost::asio::awaitable<Outcome> settle(std::string key, Stored stored, std::stop_token stop);
    boost::asio::awaitable<Outcome> settle_recorded(std::string key, Stored stored, std::stop_token stop);
    /// What the policy that accepted wants done, as it is now; nothing where it has gone.
    EndingRules rules_of(const std::string& policy) const;

    void forget(const std::string& key);
    void forget_session(const std::string& key);
    void emit(const StoredRequest& stored, kube::EventType type, std::string_view reason, std::string_view action,
              const std::string& note);
    void audit(const StoredRequest& stored, std::string event, std::string_view phase, std::string_view reason,
               const std::string& message, const Session* session = nullptr, const SessionPart* part = nullptr);
    api::TimePoint now() const { return context_.clock.now(); }

    ReconcilerContext context_;
    std::unordered_map<std::string, Session> sessions_;  ///< By request key.
    /// Requests that are done with, while their cached copy does not show our last write yet.
    struct Recorded {
        std::string request_uid;
        std::string version;  ///< The resourceVersion of that write.
    };
    std::unordered_map<std::string, Recorded> recorded_;  ///< By request key.
    /// Ends without a container whose write was sent and not answered. They may be on record, so they stand.
    struct Ending {
        std::string request_uid;
        api::DebugRequestStatus status;
    };
    std::unordered_map<std::string, Ending> endings_;     ///< By request key.
    std::unordered_map<std::string, Settling> settling_;  ///< By request key: over, and something is left to do.
    std::unordered_map<std::string, kube::SteadyTime> first_seen_;
    /// Requests that may be injected without a word in their status, since an earlier run was (see `begin`) or since
    /// the PATCH was not answered; then with the session that was meant to begin.
    std::unordered_map<std::string, std::optional<Session>> unseen_;  ///< By request key.
    kube::SteadyTime begun_;
};

}  // namespace endoscope::controller
