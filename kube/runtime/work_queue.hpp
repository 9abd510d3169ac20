#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/signal.hpp"
#include "kube/base/token_bucket.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>

namespace kube {

/// The priority of keys of an initial list or a resync; changes are at 0. As in controller-runtime
/// (pkg/handler/eventhandler.go).
inline constexpr int kLowPriority = -100;

class WorkQueue;

/// The outside view of a queue: the source of `workqueue_*` metrics. `depth` is that of the keys with this priority.
class QueueObserver {
  public:
    virtual ~QueueObserver() = default;
    /// The queue that will be told about; it may be asked until `on_detach`.
    virtual void on_attach(const WorkQueue& queue) = 0;
    virtual void on_detach() = 0;
    virtual void on_add() = 0;
    virtual void on_depth(int priority, std::size_t depth) = 0;
    virtual void on_get(Duration queued) = 0;
    virtual void on_done(Duration worked) = 0;
    virtual void on_retry() = 0;
};

struct WorkQueueOptions {
    /// A bound on rate-limited adds of all keys together, as client-go has by default (10 a second, 100 at once);
    /// 0 = none, as in controller-runtime's priority queue.
    double retries_per_second = 0;
    int retry_burst = 100;
};

/// The de-duplicating, rate-limited queue of keys that controllers work from (client-go util/workqueue, with the
/// priorities of controller-runtime pkg/controller/priorityqueue).
/// One key is never handled by two workers; any number of adds while it is handled gives exactly one more run.
/// Keys of a higher priority come first; those of one priority in the order of their adds. Adding a key again with a
/// higher priority moves it up, with a lower one changes nothing.
/// All calls on the I/O thread.
class WorkQueue {
  public:
    WorkQueue(boost::asio::any_io_executor executor, Clock& clock, QueueObserver* observer = nullptr,
              WorkQueueOptions options = {});
    ~WorkQueue();
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    void add(const std::string& key, int priority = 0);
    /// Adds once `delay` has passed. Of two pending times for a key the earlier stays, of two priorities the higher.
    void add_after(const std::string& key, Duration delay, int priority = 0);
    /// Adds after the key's own back-off: 5 ms doubling with every call since the last `forget`, at most 1000 s; and
    /// not before the overall rate allows, if there is one.
    void add_rate_limited(const std::string& key, int priority = 0);
    /// The key succeeded: its back-off starts anew.
    void forget(const std::string& key);
    /// How often the key was added with a back-off since the last `forget`.
    int requeues(const std::string& key) const;

    /// The next key, waiting for one; nothing once `stop` is requested, or the queue was shut down and is empty. Call
    /// `done` with it afterwards.
    boost::asio::awaitable<std::optional<std::string>> get(std::stop_token stop);
    void done(const std::string& key);
    /// With which priority the key that is being handled was taken.
    int priority(const std::string& key) const;

    /// From here on adds are ignored; `get` hands out what is queued and then nothing. Ends a running
    /// `shut_down_with_drain`.
    void shut_down();
    /// Likewise, and waits until no key is being handled.
    boost::asio::awaitable<void> shut_down_with_drain();
    bool shutting_down() const { return shutting_down_; }

    std::size_t depth() const { return ready_.size(); }
    std::size_t waiting() const { return due_.size(); }
    std::size_t processing() const { return processing_.size(); }
    /// For how long the keys being handled have been so: all of them together, and the longest.
    Duration unfinished_work() const;
    Duration longest_running() const;

    static Duration backoff(int failures);

  private:
    using Place = std::pair<int, std::uint64_t>;  ///< Negated priority, then order of adds.
    struct Dirty {
        SteadyTime added;
        Place place;
    };
    struct Processing {
        SteadyTime started;
        int priority = 0;
    };
    struct Due {
        SteadyTime when;
        int priority = 0;
    };

    void push(const std::string& key, Place place);
    void tell_depth(int priority, int change);
    void arm();
    void release_due();

    Clock& clock_;
    QueueObserver* observer_;
    std::optional<TokenBucket> bucket_;
    Signal changed_;
    std::map<Place, std::string> ready_;
    std::unordered_map<std::string, Dirty> dirty_;  ///< Keys that need work; those being handled are not in `ready_`.
    std::unordered_map<std::string, Processing> processing_;
    std::unordered_map<std::string, Due> due_;
    std::set<std::pair<SteadyTime, std::string>> schedule_;
    std::unordered_map<std::string, int> failures_;
    std::map<int, std::size_t> depths_;  ///< By priority.
    std::uint64_t adds_ = 0;
    bool shutting_down_ = false;
    bool draining_ = false;
    std::unique_ptr<Timer> timer_;
    SteadyTime armed_for_{};
};

}  // namespace kube
