#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/signal.hpp"

#include <boost/asio/awaitable.hpp>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace kube {

/// The outside view of a queue: the source of `workqueue_*` metrics.
class QueueObserver {
  public:
    virtual ~QueueObserver() = default;
    virtual void on_add(std::size_t depth) = 0;
    virtual void on_get(std::size_t depth, Duration queued) = 0;
    virtual void on_done(Duration worked) = 0;
    virtual void on_retry() = 0;
};

/// The de-duplicating, rate-limited queue of keys that controllers work from (client-go util/workqueue).
/// One key is never handled by two workers; any number of adds while it is handled gives exactly one more run.
/// All calls on the I/O thread.
class WorkQueue {
  public:
    WorkQueue(boost::asio::any_io_executor executor, Clock& clock, QueueObserver* observer = nullptr);
    ~WorkQueue();
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    void add(const std::string& key);
    /// Adds once `delay` has passed. Of two pending times for a key the earlier stays.
    void add_after(const std::string& key, Duration delay);
    /// Adds after the key's own back-off: 5 ms doubling with every call since the last `forget`, at most 1000 s.
    void add_rate_limited(const std::string& key);
    /// The key succeeded: its back-off starts anew.
    void forget(const std::string& key);
    /// How often the key was added with a back-off since the last `forget`.
    int requeues(const std::string& key) const;

    /// The next key, waiting for one; nothing once `stop` is requested. Call `done` with it afterwards.
    boost::asio::awaitable<std::optional<std::string>> get(std::stop_token stop);
    void done(const std::string& key);

    std::size_t depth() const { return ready_.size(); }
    std::size_t waiting() const { return due_.size(); }
    std::size_t processing() const { return processing_.size(); }

    static Duration backoff(int failures);

  private:
    void arm();
    void release_due();

    Clock& clock_;
    QueueObserver* observer_;
    Signal changed_;
    std::deque<std::string> ready_;
    std::unordered_map<std::string, SteadyTime> dirty_;  ///< Keys that need work, with the time they were added.
    std::unordered_map<std::string, SteadyTime> processing_;
    std::unordered_map<std::string, SteadyTime> due_;
    std::set<std::pair<SteadyTime, std::string>> schedule_;
    std::unordered_map<std::string, int> failures_;
    std::unique_ptr<Timer> timer_;
    SteadyTime armed_for_{};
};

}  // namespace kube
