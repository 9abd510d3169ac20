#pragma once

#include "tests/integration/subprocess.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::test {

/// The built endoscope-operator, running `dev` (or other arguments) with every listener on a port that the kernel
/// chose.
class OperatorProcess {
  public:
    /// `log` names its output files. Does not wait.
    OperatorProcess(const std::string& kubeconfig, const std::string& log,
                    std::vector<std::string> arguments = {"dev"});

    /// Whether it prints `ready` in time.
    bool wait_until_ready();
    Subprocess& process() { return process_; }
    /// SIGKILL, no clean-up of any kind.
    void crash();
    /// SIGTERM; the exit code if it ends in time.
    std::optional<int> stop(std::chrono::milliseconds limit);

    /// For metrics that are served by TLS and only to some.
    void read_metrics_as(std::string token) { token_ = std::move(token); }
    std::string metrics();
    using Labels = std::map<std::string, std::string>;
    /// Sum of the series of that name that have all these labels; 0 when there is none.
    double metric(const std::string& name, const Labels& labels = {});
    bool has_series(const std::string& name, const Labels& labels = {});
    bool healthy(const std::string& path);
    /// The audit lines of that request ("namespace/name"). Every line on stdout but `ready` must be one.
    std::vector<nlohmann::json> audit(const std::string& request);

    /// Of `health`, `metrics` or `webhooks`; 0 before it listens.
    unsigned short port_of(const std::string& listener);

  private:
    std::vector<double> series(const std::string& name, const Labels& labels);

    Subprocess process_;
    std::string token_;  ///< Empty: plain HTTP.
};

}  // namespace endoscope::test
