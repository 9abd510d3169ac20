#include "kube/runtime/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace kube {

namespace {

/// A registry that has values refreshed before it is read.
class RefreshedRegistry final : public prometheus::Registry {
  public:
    using prometheus::Registry::Registry;
    void add(const std::shared_ptr<std::function<void()>>& refresh) { refreshers_.push_back(refresh); }
    void refresh() {
        std::erase_if(refreshers_, [](const auto& refresher) { return refresher.expired(); });
        for (const auto& refresher : refreshers_) {
            if (const auto call = refresher.lock()) (*call)();
        }
    }

  private:
    std::vector<std::weak_ptr<std::function<void()>>> refreshers_;
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

/// Of the network namespace, loopback and all, as client_golang counts them.
void append_network_metrics(std::string& out) {
    std::ifstream netstat("/proc/self/net/netstat");
    std::string names;
    std::string values;
    while (std::getline(netstat, names) && std::getline(netstat, values)) {
        if (!names.starts_with("IpExt:")) continue;
        std::istringstream columns(names);
        std::istringstream fields(values);
        std::string value;
        for (std::string column; columns >> column && fields >> value;) {
            if (column == "InOctets") {
                append(out, "process_network_receive_bytes_total", "counter",
                       "Number of bytes received by the process over the network.", std::stod(value));
            } else if (column == "OutOctets") {
                append(out, "process_network_transmit_bytes_total", "counter",
                       "Number of bytes sent by the process over the network.", std::stod(value));
            }
        }
    }
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
    rlimit address_space{};
    getrlimit(RLIMIT_AS, &address_space);
    append(out, "process_virtual_memory_max_bytes", "gauge", "Maximum amount of virtual memory available in bytes.",
           address_space.rlim_cur == RLIM_INFINITY ? -1 : static_cast<double>(address_space.rlim_cur));
    append(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
           resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
    append(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
           boot + start / ticks);
    append_network_metrics(out);
}

}  // namespace

Registry make_registry() {
    return std::make_shared<RefreshedRegistry>(prometheus::Registry::InsertBehavior::Merge);
}

std::shared_ptr<void> before_rendering(const Registry& registry, std::function<void()> refresh) {
    auto handle = std::make_shared<std::function<void()>>(std::move(refresh));
    if (auto* refreshed = dynamic_cast<RefreshedRegistry*>(registry.get())) refreshed->add(handle);
    return handle;
}

std::string render_metrics(const Registry& registry) {
    if (auto* refreshed = dynamic_cast<RefreshedRegistry*>(registry.get())) refreshed->refresh();
    std::string text = prometheus::TextSerializer().Serialize(registry->Collect());
    append_process_metrics(text);
    return text;
}

std::unique_ptr<ConnectionObserver> make_connection_metrics(const Registry& registry) {
    return std::make_unique<ConnectionMetrics>(*registry);
}

std::unique_ptr<LeaderObserver> make_leader_metrics(const Registry& registry, const std::string& name) {
    return std::make_unique<LeaderMetrics>(*registry, name);
}

}  // namespace kube
