#include "kube/runtime/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace kube {

namespace {

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

const prometheus::Histogram::BucketBoundaries kRequestBuckets = {.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60};
const prometheus::Histogram::BucketBoundaries kQueueBuckets = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
                                                               1e-2, 1e-1, 1,    10,   100,  1000};
const prometheus::Histogram::BucketBoundaries kReconcileBuckets = {
    .005, .01, .025, .05, .1,  .15, .2,  .25, .3, .35, .4, .45, .5, .6, .7, .8, .9, 1,  1.25, 1.5,
    1.75, 2,   2.5,  3,   3.5, 4,   4.5, 5,   6,  7,   8,  9,   10, 15, 20, 25, 30, 40, 50,   60};

class RequestMetrics final : public RequestObserver {
  public:
    explicit RequestMetrics(prometheus::Registry& registry)
        : total_(prometheus::BuildCounter()
                     .Name("rest_client_requests_total")
                     .Help("Number of HTTP requests, partitioned by status code, method, and host.")
                     .Register(registry)),
          duration_(prometheus::BuildHistogram()
                        .Name("rest_client_request_duration_seconds")
                        .Help("Request latency in seconds. Broken down by verb, and host.")
                        .Register(registry)) {}

    void on_request(std::string_view method, std::string_view host, std::string_view code, Duration elapsed) override {
        total_.Add({{"code", std::string(code)}, {"method", std::string(method)}, {"host", std::string(host)}})
            .Increment();
        duration_.Add({{"verb", std::string(method)}, {"host", std::string(host)}}, kRequestBuckets)
            .Observe(seconds(elapsed));
    }

  private:
    prometheus::Family<prometheus::Counter>& total_;
    prometheus::Family<prometheus::Histogram>& duration_;
};

class ConnectionMetrics final : public ConnectionObserver {
  public:
    explicit ConnectionMetrics(prometheus::Registry& registry)
        : ca_reloads_(prometheus::BuildCounter()
                          .Name("rest_client_transport_ca_reload_total")
                          .Help("Number of times a CA reload is attempted, partitioned by the result and reason for "
                                "the reload attempt")
                          .Register(registry)),
          exec_calls_(prometheus::BuildCounter()
                          .Name("rest_client_exec_plugin_call_total")
                          .Help("Number of calls to an exec plugin, partitioned by the type of event encountered and "
                                "an optional exit code")
                          .Register(registry)) {}

    void on_ca_reload(std::string_view result, std::string_view reason) override {
        ca_reloads_.Add({{"result", std::string(result)}, {"reason", std::string(reason)}}).Increment();
    }
    void on_exec_call(int exit_code, std::string_view status) override {
        exec_calls_.Add({{"code", std::to_string(exit_code)}, {"call_status", std::string(status)}}).Increment();
    }

  private:
    prometheus::Family<prometheus::Counter>& ca_reloads_;
    prometheus::Family<prometheus::Counter>& exec_calls_;
};

class QueueMetrics final : public QueueObserver {
  public:
    QueueMetrics(prometheus::Registry& registry, const std::string& name)
        : depth_(prometheus::BuildGauge()
                     .Name("workqueue_depth")
                     .Help("Current depth of workqueue")
                     .Register(registry)
                     .Add({{"name", name}, {"controller", name}, {"priority", ""}})),
          adds_(prometheus::BuildCounter()
                    .Name("workqueue_adds_total")
                    .Help("Total number of adds handled by workqueue")
                    .Register(registry)
                    .Add(labels(name))),
          retries_(prometheus::BuildCounter()
                       .Name("workqueue_retries_total")
                       .Help("Total number of retries handled by workqueue")
                       .Register(registry)
                       .Add(labels(name))),
          queued_(prometheus::BuildHistogram()
                      .Name("workqueue_queue_duration_seconds")
                      .Help("How long in seconds an item stays in workqueue before being requested")
                      .Register(registry)
                      .Add(labels(name), kQueueBuckets)),
          worked_(prometheus::BuildHistogram()
                      .Name("workqueue_work_duration_seconds")
                      .Help("How long in seconds processing an item from workqueue takes.")
                      .Register(registry)
                      .Add(labels(name), kQueueBuckets)) {}

    void on_add(std::size_t depth) override {
        adds_.Increment();
        depth_.Set(static_cast<double>(depth));
    }
    void on_get(std::size_t depth, Duration queued) override {
        depth_.Set(static_cast<double>(depth));
        queued_.Observe(seconds(queued));
    }
    void on_done(Duration worked) override { worked_.Observe(seconds(worked)); }
    void on_retry() override { retries_.Increment(); }

  private:
    static prometheus::Labels labels(const std::string& name) { return {{"name", name}, {"controller", name}}; }
    prometheus::Gauge& depth_;
    prometheus::Counter& adds_;
    prometheus::Counter& retries_;
    prometheus::Histogram& queued_;
    prometheus::Histogram& worked_;
};

class ControllerMetrics final : public ControllerObserver {
  public:
    ControllerMetrics(prometheus::Registry& registry, const std::string& name, int max_concurrent)
        : errors_(prometheus::BuildCounter()
                      .Name("controller_runtime_reconcile_errors_total")
                      .Help("Total number of reconciliation errors per controller")
                      .Register(registry)
                      .Add({{"controller", name}})),
          panics_(prometheus::BuildCounter()
                      .Name("controller_runtime_reconcile_panics_total")
                      .Help("Total number of reconciliation panics per controller")
                      .Register(registry)
                      .Add({{"controller", name}})),
          active_(prometheus::BuildGauge()
                      .Name("controller_runtime_active_workers")
                      .Help("Number of currently used workers per controller")
                      .Register(registry)
                      .Add({{"controller", name}})),
          time_(prometheus::BuildHistogram()
                    .Name("controller_runtime_reconcile_time_seconds")
                    .Help("Length of time per reconciliation per controller")
                    .Register(registry)
                    .Add({{"controller", name}}, kReconcileBuckets)) {
        auto& total = prometheus::BuildCounter()
                          .Name("controller_runtime_reconcile_total")
                          .Help("Total number of reconciliations per controller")
                          .Register(registry);
        // Every label set exists from the start, so that rates are right from the first event on.
        total_ = {&total.Add({{"controller", name}, {"result", "success"}}),
                  &total.Add({{"controller", name}, {"result", "error"}}),
                  &total.Add({{"controller", name}, {"result", "requeue_after"}})};
        prometheus::BuildGauge()
            .Name("controller_runtime_max_concurrent_reconciles")
            .Help("Maximum number of concurrent reconciles per controller")
            .Register(registry)
            .Add({{"controller", name}})
            .Set(max_concurrent);
    }

    void on_start() override { active_.Increment(); }
    void on_end(ReconcileOutcome outcome, Duration elapsed) override {
        active_.Decrement();
        time_.Observe(seconds(elapsed));
        total_.at(static_cast<std::size_t>(outcome))->Increment();
        if (outcome == ReconcileOutcome::error) errors_.Increment();
    }
    void on_exception() override { panics_.Increment(); }

  private:
    std::array<prometheus::Counter*, 3> total_{};
    prometheus::Counter& errors_;
    prometheus::Counter& panics_;
    prometheus::Gauge& active_;
    prometheus::Histogram& time_;
};

class LeaderMetrics final : public LeaderObserver {
  public:
    LeaderMetrics(prometheus::Registry& registry, const std::string& name)
        : status_(prometheus::BuildGauge()
                      .Name("leader_election_master_status")
                      .Help("Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 "
                            "indicates master. 'name' is the string used to identify the lease. Please make sure to "
                            "group by name.")
                      .Register(registry)
                      .Add({{"name", name}})),
          slow_path_(prometheus::BuildCounter()
                         .Name("leader_election_slowpath_total")
                         .Help("Total number of slow path exercised in renewing leader leases. 'name' is the string "
                               "used to identify the lease. Please make sure to group by name.")
                         .Register(registry)
                         .Add({{"name", name}})) {}

    void on_status(bool leading) override { status_.Set(leading ? 1 : 0); }
    void on_slow_path() override { slow_path_.Increment(); }

  private:
    prometheus::Gauge& status_;
    prometheus::Counter& slow_path_;
};

void append(std::string& out, std::string_view name, std::string_view type, std::string_view help, double value) {
    std::ostringstream number;
    number.precision(17);
    number << value;
    out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ");
    out.append(type).append("\n").append(name).append(" ").append(number.str()).append("\n");
}

/// prometheus-cpp has no process collector, and dashboards expect one.
void append_process_metrics(std::string& out) {
    std::ifstream file("/proc/self/stat");
    std::string stat;
    std::getline(file, stat);
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return;
    std::istringstream fields(stat.substr(name_end + 2));
    std::string skipped;
    double user = 0;
    double system = 0;
    double start = 0;
    double virtual_bytes = 0;
    double resident_pages = 0;
    // proc(5), counted from field 3 (state).
    for (int i = 3; i < 14; ++i) fields >> skipped;
    fields >> user >> system;
    for (int i = 16; i < 22; ++i) fields >> skipped;
    fields >> start >> virtual_bytes >> resident_pages;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    double boot = 0;
    std::ifstream system_stat("/proc/stat");
    for (std::string key; system_stat >> key;) {
        if (key == "btime") {
            system_stat >> boot;
            break;
        }
        std::getline(system_stat, skipped);
    }
    double open_files = 0;
    std::error_code ignored;
    for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", ignored);
         entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
        ++open_files;
    }
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    append(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
           (user + system) / ticks);
    append(out, "process_open_fds", "gauge", "Number of open file descriptors.", open_files);
    append(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
           static_cast<double>(limit.rlim_cur));
    append(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", virtual_bytes);
    append(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
           resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
    append(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
           boot + start / ticks);
}

}  // namespace

Registry make_registry() {
    return std::make_shared<prometheus::Registry>(prometheus::Registry::InsertBehavior::Merge);
}

std::string render_metrics(const Registry& registry) {
    std::string text = prometheus::TextSerializer().Serialize(registry->Collect());
    append_process_metrics(text);
    return text;
}

std::unique_ptr<RequestObserver> make_request_metrics(const Registry& registry) {
    return std::make_unique<RequestMetrics>(*registry);
}

std::unique_ptr<ConnectionObserver> make_connection_metrics(const Registry& registry) {
    return std::make_unique<ConnectionMetrics>(*registry);
}

std::unique_ptr<QueueObserver> make_queue_metrics(const Registry& registry, const std::string& name) {
    return std::make_unique<QueueMetrics>(*registry, name);
}

std::unique_ptr<ControllerObserver> make_controller_metrics(const Registry& registry, const std::string& name,
                                                            int max_concurrent) {
    return std::make_unique<ControllerMetrics>(*registry, name, max_concurrent);
}

std::unique_ptr<LeaderObserver> make_leader_metrics(const Registry& registry, const std::string& name) {
    return std::make_unique<LeaderMetrics>(*registry, name);
}

}  // namespace kube
