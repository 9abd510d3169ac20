#pragma once

#include "kube/base/signal.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/lease.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

namespace kube {

/// The outside view of an election: the source of `leader_election_*` metrics and of Events on the Lease.
class LeaderObserver {
  public:
    virtual ~LeaderObserver() = default;
    /// Told once at the start (false) and at every change.
    virtual void on_status(bool leading) = 0;
    /// A leader could not renew with one write and had to read the Lease first.
    virtual void on_slow_path() = 0;
};

struct LeaderElectionOptions {
    std::string ns;        ///< Of the Lease.
    std::string name;      ///< Of the Lease.
    std::string identity;  ///< Unique to this process: host name and something random.
    LeaseTimes times;      ///< Valid, see `validate`.
    std::uint64_t seed = 0;
    LeaderObserver* observer = nullptr;  ///< Must outlive the election.
};

/// Holds a Lease for this process. It needs get, create and patch on that Lease, and a `Client` of its own, so that no
/// queue of slow requests stands before a renewal.
class LeaderElection {
  public:
    LeaderElection(boost::asio::any_io_executor executor, Client& client, Clock& clock, LeaderElectionOptions options);
    LeaderElection(const LeaderElection&) = delete;
    LeaderElection& operator=(const LeaderElection&) = delete;

    /// Acquires and renews until the leadership is lost, which is final, or until `stop`; then it returns the lease,
    /// trying for the renew deadline at most. Request `stop` only after everything that needs the leadership has ended.
    boost::asio::awaitable<LeaseEnd> run(std::stop_token stop);

    /// Suspends until this process leads (true), or the election has ended or `stop` was requested (false).
    boost::asio::awaitable<bool> wait_until_leading(std::stop_token stop);

    /// To be asked right before every write that only the leader may make. It looks at the clock, so it also tells a
    /// process that was frozen and thawed.
    bool is_leader() const { return fsm_.is_leader(clock_.steady_now()); }
    /// Requested once, when the leadership is lost; not when it is given back.
    std::stop_token lost() const { return lost_.get_token(); }
    /// Empty, or what is wrong: it should have given up long ago. For a liveness probe.
    std::string health() const;
    /// The holder last seen; empty when there was none.
    std::string_view holder() const { return fsm_.holder(); }

  private:
    boost::asio::awaitable<LeaseFsm::Action> perform(LeaseFsm::Action action, std::stop_token stop);
    boost::asio::awaitable<Result<Lease>> send(ApiRequest request, Duration timeout, std::stop_token stop);
    LeaseFsm::Instant now() const { return {clock_.steady_now(), clock_.now()}; }
    void note(const Result<Lease>& answer);
    void announce();

    Client& client_;
    Clock& clock_;
    LeaderElectionOptions options_;
    std::string collection_path_;
    LeaseFsm fsm_;
    Signal changed_;
    std::stop_source lost_;
    std::string known_holder_;
    bool announced_ = false;  ///< What the observer was last told.
    bool failing_ = false;    ///< The last request failed: the next failure is no news.
    bool ended_ = false;
};

}  // namespace kube
