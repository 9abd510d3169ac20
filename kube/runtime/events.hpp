#pragma once

#include "kube/base/signal.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/event_series.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>

namespace kube {

/// Told about every Event that will not be stored; `why` is one of `queue_full`, `spam`, `refused`, `unreachable`,
/// `shutdown`.
class EventObserver {
  public:
    virtual ~EventObserver() = default;
    virtual void on_dropped(std::string_view why) = 0;
};

struct EventRecorderOptions {
    std::string controller;             ///< `reportingController`, e.g. "example.dev/operator".
    std::string instance;               ///< `reportingInstance`: host name and process; cut to 128 bytes.
    std::uint64_t seed = 0;             ///< Of the delay before a retry.
    EventObserver* observer = nullptr;  ///< Must outlive the recorder.
};

/// Writes Events (events.k8s.io/v1) without ever holding up a reconcile: a bounded queue, one writer, equal Events
/// folded into a series (see `EventCorrelator`). An API server that cannot be reached is tried 12 times, 10 seconds
/// apart, for each write; what it refuses is dropped. One recorder for a process: each folds only what it sees itself.
/// Needs create and patch on `events`. Source of the rules: client-go tools/events/event_broadcaster.go.
class EventRecorder {
  public:
    EventRecorder(boost::asio::any_io_executor executor, Client& client, Clock& clock, EventRecorderOptions options);

    /// Never blocks. Beyond 1000 unwritten Events the newest are dropped and counted.
    void record(Event event);
    std::uint64_t dropped() const { return dropped_; }

    /// Writes until `stop`, then flushes what is queued, and the counts of series, for at most five seconds. Stop it
    /// after everything that records and before the client is gone.
    boost::asio::awaitable<void> run(std::stop_token stop);

  private:
    using Series = EventCorrelator::Series;
    boost::asio::awaitable<void> write(Series series, std::stop_token stop);
    ApiRequest request_for(const EventSeries& series) const;
    void enqueue(Series series);
    void sweep();
    void arm_sweep();
    void drop(const EventSeries& series, std::string_view why);
    Duration retry_delay(int attempt);

    Client& client_;
    Clock& clock_;
    EventRecorderOptions options_;
    Signal queued_;
    std::deque<Series> queue_;
    EventCorrelator correlator_;
    std::mt19937_64 random_;
    std::uint64_t dropped_ = 0;
    std::unique_ptr<Timer> next_sweep_;
};

}  // namespace kube
