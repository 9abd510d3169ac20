#include "kube/base/log.hpp"
#include "kube/client/config.hpp"
#include "kube/client/connection.hpp"
#include "tests/bench/cluster.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

// What the benches do to a cluster: fill it with Pods, or measure how long requests and reviews take.

namespace {

using namespace endoscope::bench;
namespace asio = boost::asio;

asio::awaitable<void> run(kube::Client& client, kube::Clock& clock, std::string command, std::int64_t count,
                          bool& succeeded) {
    if (command == "pods") {
        succeeded = co_await create_pods(client, "crowd", count);
    } else if (command == "admission") {
        AdmissionOptions options;
        options.reviews = count;
        succeeded = co_await measure_admission(client, clock, options);
    } else {
        LatencyOptions options;
        options.requests = count;
        succeeded = co_await measure_latency(client, clock, options);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string command = argc == 4 ? argv[2] : "";
    const long long count = argc == 4 ? std::atoll(argv[3]) : -1;
    if (count < 0 || (command != "pods" && command != "latency" && command != "admission")) {
        std::fputs("usage: endoscope-bench-cluster KUBECONFIG pods|latency|admission COUNT\n", stderr);
        return 2;
    }
    kube::log::configure(kube::log::Format::text, kube::log::Level::warn);
    asio::io_context context(1);
    const auto clock = kube::make_system_clock(context.get_executor());
    const auto sources = kube::ConfigSources::process();
    const auto config = kube::load_config(argv[1], "", sources);
    if (!config) {
        std::fprintf(stderr, "endoscope-bench-cluster: %s\n", config.error().message.c_str());
        return 1;
    }
    const auto connection = kube::make_connection(context.get_executor(), *clock, *config, sources);
    if (!connection) {
        std::fprintf(stderr, "endoscope-bench-cluster: %s\n", connection.error().message.c_str());
        return 1;
    }
    kube::Client client(connection->transport, *clock, {}, connection->credentials);
    bool succeeded = false;
    asio::co_spawn(context, run(client, *clock, command, count, succeeded), [&](const std::exception_ptr& failure) {
        context.stop();
        if (failure) std::rethrow_exception(failure);
    });
    context.run();
    return succeeded ? 0 : 1;
}
