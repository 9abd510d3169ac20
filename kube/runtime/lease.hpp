#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <variant>

namespace kube {

/// How long a lease holds and how hard its holder tries to keep it. The defaults are client-go's.
struct LeaseTimes {
    Duration lease = std::chrono::seconds(15);           ///< Others wait this long after the last change they saw.
    Duration renew_deadline = std::chrono::seconds(10);  ///< The holder stops after this long without a renewal.
    Duration retry_period = std::chrono::seconds(2);     ///< Between two attempts.
};

/// Refuses times under which two could lead or nobody could: lease > renew deadline > 1.2 x retry period, all positive,
/// lease of at least a second because the Lease object counts in whole ones (client-go leaderelection.go).
Result<void> validate(const LeaseTimes& times);

/// What a Lease says about who leads (coordination.k8s.io/v1 LeaseSpec). The times are text and are never read: they
/// come from somebody else's wall clock and serve only to tell one renewal from the next.
struct LeaseRecord {
    std::string holder;        ///< Empty: nobody.
    int duration_seconds = 0;  ///< 0: not given.
    std::string acquire_time;
    std::string renew_time;
    int transitions = 0;

    bool operator==(const LeaseRecord&) const = default;
};

struct Lease {
    LeaseRecord record;
    std::string resource_version;
};

/// Reads a Lease object. Missing fields are empty; a field of another type is malformed.
Result<Lease> parse_lease(std::string_view body);
/// The object to create.
std::string lease_object(const std::string& ns, const std::string& name, const LeaseRecord& record);
/// A merge patch that applies only to the object as it was at `resource_version`. A patch and not an update, because it
/// leaves labels and fields of newer servers alone, and because a Lease that was deleted answers 404 to it (409 to an
/// update).
std::string lease_patch(const LeaseRecord& record, const std::string& resource_version);

/// How an election ended for this process.
enum class LeaseEnd {
    lost,      ///< It led and may no longer. Final: nothing proves that all of its work has stopped, so it must end.
    released,  ///< The lease was given back; another takes it at once.
    stopped,   ///< It did not hold the lease, or could not give it back in time.
};

/// Whether this process holds a Lease and what it does next to get, keep or return it: client-go's
/// tools/leaderelection without I/O. The driver performs an action and reports how it ended; every report returns the
/// next action.
///
/// Two never lead at once, whatever the wall clocks say: the holder counts from the moment it *decided* on its last
/// successful renewal, the others from the moment they *received* the last change, both on their own steady clock, and
/// the lease is longer than the renew deadline. Every write names the resourceVersion it was decided on, so one that
/// arrives late changes nothing.
class LeaseFsm {
  public:
    /// Both clocks at one moment.
    struct Instant {
        SteadyTime steady;
        WallTime wall;
    };
    struct Read {
        Duration timeout{};
    };
    struct Write {
        LeaseRecord record;
        std::string resource_version;  ///< "": create the Lease.
        Duration timeout{};
    };
    struct Wait {
        Duration delay{};
    };
    struct End {
        LeaseEnd how{};
    };
    using Action = std::variant<Read, Write, Wait, End>;

    /// `identity` names this process and no other, not even its predecessor. `times` are valid.
    LeaseFsm(std::string identity, LeaseTimes times, std::uint64_t seed);

    Action start(Instant now);
    Action on_read(const Result<Lease>& answer, Instant now);
    Action on_written(const Result<Lease>& answer, Instant now);
    Action on_waited(Instant now);
    /// Ends the leadership, once all work that needed it has ended, and returns the lease if it is still ours.
    /// To be called between two actions; what was under way has been reported as cancelled.
    Action release(Instant now);

    /// Whether a write that only the leader may make may be sent at this moment. False as soon as the renew deadline
    /// has passed, also if nothing has run since: a process that was frozen finds out by asking.
    bool is_leader(SteadyTime now) const;
    /// It acquired the lease and has neither been told that it lost it nor been asked to release it.
    bool leading() const { return phase_ == Phase::leading; }
    /// When the leadership ends unless it is renewed; only while `leading()`. A deadline for the leader's own writes.
    SteadyTime leading_until() const { return renewed_ + times_.renew_deadline; }
    /// The holder last seen; empty when there was none.
    std::string_view holder() const { return seen_ ? std::string_view(seen_->record.holder) : std::string_view(); }

  private:
    enum class Phase { candidate, leading, releasing, ended };

    bool expired(SteadyTime now) const;
    bool ours() const { return seen_ && seen_->record.holder == identity_; }
    Duration bounded(Duration wanted, SteadyTime now) const;
    Action end(LeaseEnd how);
    Action read(Instant now);
    Action renew(Instant now);
    Action give_back(Instant now);
    Action write(LeaseRecord record, Instant now);
    Action decide(Instant now);
    Action read_at_once(Instant now);
    Action retry_later(Instant now);
    std::string next_renew_time(WallTime now);

    std::string identity_;
    LeaseTimes times_;
    std::mt19937_64 random_;
    Phase phase_ = Phase::candidate;
    LeaseEnd how_{};
    std::optional<Lease> seen_;
    SteadyTime seen_since_{};     ///< When `seen_->record` was first received.
    SteadyTime writing_since_{};  ///< When the write under way was decided on.
    SteadyTime renewed_{};        ///< `writing_since_` of the last success.
    SteadyTime release_by_{};
    WallTime last_renew_time_{};
    bool contradicted_ = false;  ///< The server knows another Lease than the one we renewed.
    bool current_ = false;       ///< `seen_` is the answer to our own last write, and nothing has failed since.
    bool unsure_ = false;        ///< A write of ours may have happened without our knowing.
    bool hurried_ = false;       ///< The last read followed a failure at once; the next one waits.
};

}  // namespace kube
