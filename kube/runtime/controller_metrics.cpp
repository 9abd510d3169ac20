#include "kube/runtime/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <limits>
#include <map>

namespace kube {

namespace {

using Labels = prometheus::Labels;
using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kQueueBuckets = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000};
const Buckets kReconcileBuckets = {.005, .01, .025, .05, .1,   .15, .2,   .25, .3,  .35, .4,  .45, .5,  .6,
                                   .7,   .8,  .9,   1,   1.25, 1.5, 1.75, 2,   2.5, 3,   3.5, 4,   4.5, 5,
                                   6,    7,   8,    9,   10,   15,  20,   25,  30,  40,  50,  60};
/// More priorities than these share one series (controller-runtime pkg/internal/metrics/workqueue.go).
constexpr std::size_t kMaxPriorities = 25;

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Families are shared by all queues and controllers: registering one again finds it.
prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help, const Labels& labels) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}
prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help, const Labels& labels) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}
prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                                 const Labels& labels, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels, buckets);
}

class QueueMetrics final : public QueueObserver {
  public:
    QueueMetrics(const Registry& registry, const std::string& name)
        : registry_(registry),
          name_(name),
          adds_(counter(*registry, "workqueue_adds_total", "Total number of adds handled by workqueue", labels())),
          retries_(
              counter(*registry, "workqueue_retries_total", "Total number of retries handled by workqueue", labels())),
          queued_(histogram(*registry, "workqueue_queue_duration_seconds",
                            "How long in seconds an item stays in workqueue before being requested", labels(),
                            kQueueBuckets)),
          worked_(histogram(*registry, "workqueue_work_duration_seconds",
                            "How long in seconds processing an item from workqueue takes.", labels(), kQueueBuckets)),
          unfinished_(gauge(*registry, "workqueue_unfinished_work_seconds",
                            "How many seconds of work has been done that is in progress and hasn't been observed by "
                            "work_duration. Large values indicate stuck threads. One can deduce the number of stuck "
                            "threads by observing the rate at which this increases.",
                            labels())),
          longest_(gauge(*registry, "workqueue_longest_running_processor_seconds",
                         "How many seconds has the longest running processor for workqueue been running.", labels())),
          refresh_(before_rendering(registry, [this] {
              if (queue_ == nullptr) return;
              unfinished_.Set(seconds(queue_->unfinished_work()));
              longest_.Set(seconds(queue_->longest_running()));
          })) {
        on_depth(0, 0);
        on_depth(kLowPriority, 0);
    }

    void on_attach(const WorkQueue& queue) override { queue_ = &queue; }
    void on_detach() override { queue_ = nullptr; }
    void on_add() override { adds_.Increment(); }
    void on_depth(int priority, std::size_t depth) override {
        auto& series = depths_[depths_.size() < kMaxPriorities || depths_.contains(priority) ? priority : kOther];
        if (series == nullptr) series = &depth_of(priority);
        series->Set(static_cast<double>(depth));
    }
    void on_get(Duration queued) override { queued_.Observe(seconds(queued)); }
    void on_done(Duration worked) override { worked_.Observe(seconds(worked)); }
    void on_retry() override { retries_.Increment(); }

  private:
    static constexpr int kOther = std::numeric_limits<int>::min();

    Labels labels() const { return {{"name", name_}, {"controller", name_}}; }
    prometheus::Gauge& depth_of(int priority) {
        Labels with_priority = labels();
        with_priority["priority"] =
            depths_.size() > kMaxPriorities ? "exceeded_cardinality_limit" : std::to_string(priority);
        return gauge(*registry_, "workqueue_depth", "Current depth of workqueue by workqueue and priority",
                     with_priority);
    }

    Registry registry_;
    std::string name_;
    const WorkQueue* queue_ = nullptr;
    std::map<int, prometheus::Gauge*> depths_;
    prometheus::Counter& adds_;
    prometheus::Counter& retries_;
    prometheus::Histogram& queued_;
    prometheus::Histogram& worked_;
    prometheus::Gauge& unfinished_;
    prometheus::Gauge& longest_;
    std::shared_ptr<void> refresh_;
};

class ControllerMetrics final : public ControllerObserver {
  public:
    ControllerMetrics(prometheus::Registry& registry, const std::string& name, int max_concurrent)
        : errors_(counter(registry, "controller_runtime_reconcile_errors_total",
                          "Total number of reconciliation errors per controller", {{"controller", name}})),
          terminal_(counter(registry, "controller_runtime_terminal_reconcile_errors_total",
                            "Total number of terminal reconciliation errors per controller", {{"controller", name}})),
          panics_(counter(registry, "controller_runtime_reconcile_panics_total",
                          "Total number of reconciliation panics per controller", {{"controller", name}})),
          timeouts_(counter(registry, "controller_runtime_reconcile_timeouts_total",
                            "Total number of reconciliation timeouts per controller", {{"controller", name}})),
          active_(gauge(registry, "controller_runtime_active_workers",
                        "Number of currently used workers per controller", {{"controller", name}})),
          time_(histogram(registry, "controller_runtime_reconcile_time_seconds",
                          "Length of time per reconciliation per controller", {{"controller", name}},
                          kReconcileBuckets)) {
        // Every label set exists from the start, so that rates are right from the first event on.
        static constexpr std::array kResults = {"success", "error", "requeue", "requeue_after"};
        for (std::size_t i = 0; i < kResults.size(); ++i) {
            total_.at(i) = &counter(registry, "controller_runtime_reconcile_total",
                                    "Total number of reconciliations per controller",
                                    {{"controller", name}, {"result", kResults.at(i)}});
        }
        gauge(registry, "controller_runtime_max_concurrent_reconciles",
              "Maximum number of concurrent reconciles per controller", {{"controller", name}})
            .Set(max_concurrent);
    }

    void on_start() override { active_.Increment(); }
    void on_end(ReconcileOutcome outcome, Duration elapsed) override {
        active_.Decrement();
        time_.Observe(seconds(elapsed));
        if (outcome == ReconcileOutcome::terminal_error) {
            terminal_.Increment();
            outcome = ReconcileOutcome::error;
        }
        if (outcome == ReconcileOutcome::error) errors_.Increment();
        total_.at(static_cast<std::size_t>(outcome))->Increment();
    }
    void on_exception() override { panics_.Increment(); }
    void on_timeout() override { timeouts_.Increment(); }

  private:
    std::array<prometheus::Counter*, 4> total_{};  ///< By outcome.
    prometheus::Counter& errors_;
    prometheus::Counter& terminal_;
    prometheus::Counter& panics_;
    prometheus::Counter& timeouts_;
    prometheus::Gauge& active_;
    prometheus::Histogram& time_;
};

class ReflectorMetrics final : public ReflectorObserver {
  public:
    ReflectorMetrics(const Registry& registry, Clock& clock, const std::string& prefix, const std::string& resource,
                     bool with_gauges)
        : registry_(registry),
          clock_(clock),
          prefix_(prefix + "_reflector_"),
          labels_{{"resource", resource}},
          last_contact_(clock.steady_now()),
          lists_(add_counter("relists_total", "Lists begun, the first included.", {})),
          handler_errors_(add_counter("handler_errors_total", "Exceptions that handlers of changes threw.", {})) {
        if (!with_gauges) return;
        synced_ = &add_gauge("synced", "Whether the cache holds a complete state.");
        idle_ = &add_gauge("seconds_since_event",
                           "Seconds since the API server last sent an event, a bookmark, a list or took a watch.");
        refresh_ = before_rendering(registry, [this] { idle_->Set(seconds(clock_.steady_now() - last_contact_)); });
    }

    void on_synced() override {
        if (synced_ != nullptr) synced_->Set(1);
    }
    void on_list_begin() override { lists_.Increment(); }
    void on_contact() override { last_contact_ = clock_.steady_now(); }
    void on_error(std::string_view reason) override {
        auto& series = errors_[std::string(reason)];
        if (series == nullptr) {
            series = &add_counter("watch_errors_total", "Lists and watches that failed, by kind of error.",
                                  {{"reason", std::string(reason)}});
        }
        series->Increment();
    }
    void on_sink_error() override { handler_errors_.Increment(); }

  private:
    prometheus::Counter& add_counter(const char* name, const char* help, const Labels& more) {
        Labels labels = labels_;
        labels.insert(more.begin(), more.end());
        return counter(*registry_, (prefix_ + name).c_str(), help, labels);
    }
    prometheus::Gauge& add_gauge(const char* name, const char* help) {
        return gauge(*registry_, (prefix_ + name).c_str(), help, labels_);
    }

    Registry registry_;
    Clock& clock_;
    std::string prefix_;
    Labels labels_;
    SteadyTime last_contact_;
    prometheus::Counter& lists_;
    prometheus::Counter& handler_errors_;
    prometheus::Gauge* synced_ = nullptr;
    prometheus::Gauge* idle_ = nullptr;
    std::map<std::string, prometheus::Counter*> errors_;
    std::shared_ptr<void> refresh_;
};

}  // namespace

std::unique_ptr<QueueObserver> make_queue_metrics(const Registry& registry, const std::string& name) {
    return std::make_unique<QueueMetrics>(registry, name);
}

std::unique_ptr<ControllerObserver> make_controller_metrics(const Registry& registry, const std::string& name,
                                                            int max_concurrent) {
    return std::make_unique<ControllerMetrics>(*registry, name, max_concurrent);
}

std::unique_ptr<ReflectorObserver> make_reflector_metrics(const Registry& registry, Clock& clock,
                                                          const std::string& prefix, const std::string& resource,
                                                          bool with_gauges) {
    return std::make_unique<ReflectorMetrics>(registry, clock, prefix, resource, with_gauges);
}

}  // namespace kube
