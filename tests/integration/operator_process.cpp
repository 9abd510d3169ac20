#include "tests/integration/operator_process.hpp"

#include "kube/base/json.hpp"
#include "tests/integration/user.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <sstream>

namespace endoscope::test {

namespace {

std::vector<std::string> command_line(const std::string& kubeconfig, std::vector<std::string> arguments) {
    std::vector<std::string> argv = {ENDOSCOPE_OPERATOR};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), {"--kubeconfig", kubeconfig, "--webhook-port", "0", "--metrics-bind-address", "127.0.0.1:0",
                             "--health-probe-bind-address", "127.0.0.1:0", "--log-format", "json"});
    return argv;
}

}  // namespace

OperatorProcess::OperatorProcess(const std::string& kubeconfig, const std::string& log,
                                 std::vector<std::string> arguments)
    : process_(command_line(kubeconfig, std::move(arguments)), log) {}

bool OperatorProcess::wait_until_ready() {
    return process_.wait_for_line("ready", std::chrono::seconds(60));
}

void OperatorProcess::crash() {
    process_.signal(SIGKILL);
    process_.wait(std::chrono::seconds(10));
}

std::optional<int> OperatorProcess::stop(std::chrono::milliseconds limit) {
    process_.signal(SIGTERM);
    return process_.wait(limit);
}

unsigned short OperatorProcess::port_of(const std::string& listener) {
    std::istringstream lines(process_.err());
    for (std::string line; std::getline(lines, line);) {
        const auto record = kube::parse_json(line);
        if (!record || (*record)["msg"] != "listening" || (*record)["for"] != listener) continue;
        return (*record)["port"].get<unsigned short>();
    }
    return 0;
}

std::string OperatorProcess::metrics() {
    const unsigned short port = port_of("metrics");
    std::string text = token_.empty() ? http_get(port, "/metrics") : https_get(port, "/metrics", token_).value_or("");
    // An endpoint that is down must not read as a metric that is 0.
    EXPECT_FALSE(text.empty()) << "the metrics endpoint does not answer";
    return text;
}

std::vector<double> OperatorProcess::series(const std::string& name, const Labels& labels) {
    std::vector<double> values;
    std::istringstream lines(metrics());
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
        const bool all = std::ranges::all_of(labels, [&](const auto& label) {
            const std::string pair = label.first + "=\"" + label.second + "\"";
            return line.contains("{" + pair) || line.contains("," + pair);
        });
        if (all) values.push_back(std::strtod(line.c_str() + line.rfind(' '), nullptr));
    }
    return values;
}

double OperatorProcess::metric(const std::string& name, const Labels& labels) {
    const auto values = series(name, labels);
    return std::accumulate(values.begin(), values.end(), 0.0);
}

bool OperatorProcess::has_series(const std::string& name, const Labels& labels) {
    return !series(name, labels).empty();
}

bool OperatorProcess::healthy(const std::string& path) {
    return http_get(port_of("health"), path) == "ok";
}

std::vector<nlohmann::json> OperatorProcess::audit(const std::string& request) {
    std::vector<nlohmann::json> records;
    std::istringstream lines(process_.out());
    for (std::string line; std::getline(lines, line);) {
        if (line == "ready") continue;
        auto record = kube::parse_json(line);
        EXPECT_TRUE(record) << line;
        if (!record) continue;
        EXPECT_EQ((*record)["logger"], "audit") << line;
        if ((*record)["request"] == request) records.push_back(std::move(*record));
    }
    return records;
}

}  // namespace endoscope::test
