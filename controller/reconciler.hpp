#pragma once

#include "api/debug_request.hpp"
#include "controller/audit.hpp"
#include "controller/cluster.hpp"
#include "controller/metrics.hpp"
#include "controller/pod_follower.hpp"
#include "controller/policy_reconciler.hpp"
#include "controller/progress.hpp"
#include "controller/seal_keys.hpp"
#include "controller/session.hpp"
#include "controller/stored_request.hpp"
#include "controller/verdict.hpp"
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

namespace endoscope::controller {

/// What the reconciler reads and tells. Everything outlives it.
struct ReconcilerContext {
    kube::Clock& clock;
    Cluster& cluster;
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

/// Carries one DebugRequest from its verdict to its recorded end (design: life cycle).
/// Two parts: `decide` judges and injects, `follow` reads the Pod and records. Both may be repeated at any point: the
/// container's name depends only on request and Pod, so nothing is injected twice.
class RequestReconciler final : public kube::Reconciler {
  public:
    explicit RequestReconciler(ReconcilerContext context);

    /// Call once the caches are complete and before the first `reconcile`. Remembers which requests an earlier run may
    /// have injected without having written a word: their Pods are looked at before any new place is given away.
    void begin();

    boost::asio::awaitable<kube::Result<kube::ReconcileResult>> reconcile(std::string key,
                                                                          std::stop_token stop) override;

  private:
    using Outcome = kube::Result<kube::ReconcileResult>;
    using Stored = std::shared_ptr<const StoredRequest>;

    boost::asio::awaitable<Outcome> decide(std::string key, Stored stored, std::stop_token stop);
    /// After a restart: goes on following a container that outlived its deadline. Judges and injects nothing.
    boost::asio::awaitable<Outcome> resume_overdue(std::string key, Stored stored, std::stop_token stop);
    boost::asio::awaitable<Outcome> inject(std::string key, Stored stored, Verdict verdict, PodView pod,
                                           std::stop_token stop);
    boost::asio::awaitable<Outcome> follow(std::string key, Stored stored, std::stop_token stop);
    boost::asio::awaitable<Outcome> deny(std::string key, Stored stored, Verdict verdict, std::stop_token stop);
    boost::asio::awaitable<Outcome> fail_injection(std::string key, Stored stored, kube::Error error, bool dry_run,
                                                   std::stop_token stop);
    /// Adds to `facts` what `need` names.
    boost::asio::awaitable<kube::Result<void>> look_up(Facts& facts, Need need, std::stop_token stop);
    /// Replaces what came from caches by what the API server says now.
    boost::asio::awaitable<kube::Result<void>> refresh(Facts& facts, std::stop_token stop);
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
    void adopt(const std::string& key, const Stored& stored, const Verdict& verdict, PodView pod);
    void forget(const std::string& key);
    /// What the Pod shows of the session at this moment.
    Progress look(const std::string& key, const api::DebugRequest& request, const PodView* pod);
    void announce(const StoredRequest& stored, const Session& session, const Progress& progress,
                  const api::DebugRequestStatus& before);
    void emit(const StoredRequest& stored, kube::EventType type, std::string_view reason, std::string_view action,
              const std::string& note);
    void audit(const StoredRequest& stored, std::string event, const Session* session, std::string_view phase,
               std::string_view reason, const std::string& message);
    api::TimePoint now() const { return context_.clock.now(); }

    ReconcilerContext context_;
    std::unordered_map<std::string, Session> sessions_;  ///< By request key.
    /// Requests whose end we recorded but whose cached copy does not show it yet: key to UID.
    std::unordered_map<std::string, std::string> recorded_;
    /// Ends without a container whose write was sent and not answered. They may be on record, so they stand.
    struct Ending {
        std::string request_uid;
        api::DebugRequestStatus status;
    };
    std::unordered_map<std::string, Ending> endings_;  ///< By request key.
    std::unordered_map<std::string, kube::SteadyTime> first_seen_;
    /// Requests that may be injected without a word in their status, since an earlier run was (see `begin`) or since
    /// the PATCH was not answered; then with the session that was meant to begin.
    std::unordered_map<std::string, std::optional<Session>> unseen_;  ///< By request key.
    kube::SteadyTime begun_;
};

}  // namespace endoscope::controller
