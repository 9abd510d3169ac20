#pragma once

#include "controller/policy.hpp"
#include "controller/seal_secret.hpp"
#include "kube/base/log.hpp"
#include "tests/model/cluster.hpp"
#include "tests/simulation/api_process.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace simulation {

/// A broken invariant.
struct Violation {
    std::string invariant;  ///< A few words, the same for every instance.
    std::string details;
};

/// Watches what happens in the API server's storage and on its doorstep, and holds it against what Endoscope promises.
/// It never looks into the operator.
class Checks {
  public:
    /// `clocks_jump`: keys may be dropped before their time.
    Checks(kube::test::ManualClock& clock, model::Cluster& cluster, bool several_replicas, bool clocks_jump);
    Checks(const Checks&) = delete;
    Checks& operator=(const Checks&) = delete;

    /// The first violation.
    const std::optional<Violation>& violation() const { return violation_; }
    void violated(std::string invariant, std::string details);

    /// `connections` of the caller at that moment.
    void on_call(const ApiCall& call, std::size_t connections);
    void on_answer(const ApiCall& call, int status);
    /// A line of a process's log, warnings and errors.
    void on_log(const std::string& process, kube::log::Level level, std::string_view line);
    /// A line of the audit log.
    void on_audit(std::string_view line);
    /// A status that somebody else than the operator is about to write.
    void on_tamper(const std::string& key) { tampered_.insert(key); }
    /// A replica's counter of ended requests, at the end of its life; `whole` when it ended by itself.
    void on_counted(double ended, bool whole);

    /// Whether every request that exists has reached an end.
    bool is_settled() const;
    /// The requests that have not, for people.
    std::string unsettled() const;
    /// What must hold once everything has come to rest.
    void at_rest();
    /// Likewise of one process.
    void at_rest(const std::string& process, double queued, std::size_t connections);
    /// What the leader's gauges show at the end of a run.
    void on_shown(const std::string& process, double requests, double active);

  private:
    struct Request {
        std::string key;
        model::Object object;  ///< As last seen.
        kube::SteadyTime created;
        bool deleted = false;
        /// How often its recorded end was overwritten by somebody: nothing more is asked of it.
        std::size_t overwritten = 0;
        std::string terminal_phase;
    };
    struct Container {
        bool was_running = false;
        std::set<std::int64_t> exit_codes;
        bool ended = false;
        bool was_looked_at = false;  ///< Somebody read the Pod while it was there and had not ended.
        std::string request_uid;     ///< Of the request it was injected for.
        kube::SteadyTime since;
    };
    struct Pod {
        std::string name;
        bool gone = false;
        std::map<std::string, Container> containers;
    };
    using Policies = std::vector<std::shared_ptr<const endoscope::controller::CompiledPolicy>>;

    void on_change(const model::Change& change);
    void on_pod(const model::Change& change);
    void on_request(const model::Change& change);
    /// Whether its record is what it must come to be.
    bool is_settled(const std::string& uid, const Request& request) const;
    /// Whether what a policy wants ended at the deadline has ended.
    bool is_overdue_session_ended(const std::string& uid) const;
    void check_injection(const model::Json& before, const model::Json& pod, const model::Json& container);
    void check_status(Request& request, const model::Json& status, bool tampered);
    /// Somebody was shown the Pod at `path` as it is.
    void on_look(const std::string& path);
    bool was_ever_allowed(const model::Json& request, const model::Json& pod, const model::Json& container) const;
    void on_secret(const model::Change& change);
    void check_rotation(const endoscope::controller::SealSecret& content);
    /// Holds the denial of a request for its seal against the keys that there are.
    void check_identity_denial(const Request& request, const std::string& reason);

    kube::test::ManualClock& clock_;
    model::Cluster& cluster_;
    std::optional<Violation> violation_;
    endoscope::controller::SealKeyRing ever_;  ///< Every key that there ever was.
    /// Those since the keys were last lost: what is sealed with them must be verified.
    struct Key {
        endoscope::controller::SealKey key;
        kube::SteadyTime since;                   ///< First seen.
        std::optional<kube::SteadyTime> retired;  ///< Ceased to seal.
    };
    std::map<std::string, Key> kept_;  ///< By id.
    std::string sealing_;              ///< Id of the key in use; empty: there is none.
    bool clocks_jump_;
    bool keys_were_lost_ = false;
    std::map<std::string, Request> requests_;        ///< By UID.
    std::map<std::string, Pod> pods_;                ///< By UID.
    std::vector<Policies> policies_;                 ///< Every state there ever was.
    std::set<std::string> tampered_;                 ///< Keys whose next status change is not the operator's.
    std::map<std::string, std::string> allowed_by_;  ///< Request UID to policy, by the audit log.
    double counted_ = 0;
    bool counts_may_be_lost_ = false;
    bool changed_hands_ = false;  ///< Who follows a session may be another process than the one that began it.
    struct Recent {
        std::deque<kube::SteadyTime> times;
    };
    std::map<std::string, Recent> calls_;     ///< By process.
    std::map<std::string, Recent> failures_;  ///< By process and key.
    Recent changes_;
};

}  // namespace simulation
