#pragma once

#include "tests/model/api_server.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/plan.hpp"

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace simulation {

/// One call as it reaches the API server.
struct ApiCall {
    std::string from;   ///< The calling process.
    std::string agent;  ///< Its User-Agent.
    std::string method;
    std::string target;  ///< Path and query.
};

/// POST of this path, with "<pod>/<container>" behind it, runs a command there.
inline constexpr std::string_view kExecPath = "/simulated-exec/";

/// The model API server as a process of the simulated cluster, with the faults of a real one in front of it.
class ApiProcess {
  public:
    ApiProcess(kube::test::ManualClock& world, std::uint64_t seed, model::TransportFactory webhooks);
    ~ApiProcess();
    ApiProcess(const ApiProcess&) = delete;
    ApiProcess& operator=(const ApiProcess&) = delete;

    ProcessContext& context() { return context_; }
    ProcessClock& clock() { return clock_; }
    model::ApiServer& server() { return *server_; }
    model::Cluster& cluster() { return server_->cluster(); }

    /// Where connections arrive; nothing while it is down.
    std::optional<Network::Port> port();
    void set_up(bool up) { up_ = up; }
    /// Opens a window of faults, see `Kind`.
    void fault(const Event& event);
    void forget_history() { cluster().storage.compact(cluster().storage.version()); }

    /// Told of every call when it arrives and of every answer (0: none was given).
    std::function<void(const ApiCall&)> on_call;
    std::function<void(const ApiCall&, int status)> on_answer;
    /// Runs the operator's script in a container, which ends it; false where it does not run. The model has no exec:
    /// `kExecPath` stands for it.
    std::function<bool(const std::string& pod, const std::string& container)> on_exec;

  private:
    class TellingWriter;
    boost::asio::awaitable<void> serve(std::unique_ptr<kube::ByteStream> stream, std::string from);
    boost::asio::awaitable<void> handle(std::string from, const kube::ByteStream& stream,
                                        const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer);
    boost::asio::awaitable<void> answer(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer);
    /// A fault of that kind that strikes now.
    const Event* strikes(Kind kind);

    kube::test::ManualClock& world_;
    ProcessContext context_;
    ProcessClock clock_;
    std::mt19937_64 random_;
    std::unique_ptr<model::ApiServer> server_;
    struct Window {
        Event event;
        kube::SteadyTime until;
    };
    std::vector<Window> windows_;
    bool up_ = true;
};

}  // namespace simulation
