#include "kube/base/log.hpp"
#include "kube/client/client.hpp"
#include "kube/client/connection.hpp"
#include "tests/model/kubelet_driver.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <iostream>
#include <memory>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace asio = boost::asio;

namespace {

struct Options {
    std::string kubeconfig;
    int run_time_ms = 2000;
    int start_delay_ms = 100;
};

int run(const Options& options) {
    asio::io_context io(1);
    const auto clock = kube::make_system_clock(io.get_executor());
    const auto config = kube::load_config(options.kubeconfig, "", kube::ConfigSources::process());
    if (!config) {
        std::cerr << "test-kubelet: " << config.error().message << '\n';
        return 1;
    }
    auto connection = kube::make_connection(io.get_executor(), *clock, *config, kube::ConfigSources::process());
    if (!connection) {
        std::cerr << "test-kubelet: " << connection.error().message << '\n';
        return 1;
    }
    kube::ClientOptions client_options;
    client_options.user_agent = "pretend-kubelet";
    client_options.field_manager = "pretend-kubelet";
    kube::Client client(connection->transport, *clock, client_options, connection->credentials);
    model::KubeletSettings settings;
    settings.default_run_time = std::chrono::milliseconds(options.run_time_ms);
    settings.start_delay = std::chrono::milliseconds(options.start_delay_ms);
    model::KubeletDriver kubelet(io.get_executor(), *clock, client, settings);
    std::stop_source stop;
    asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&stop](const boost::system::error_code& code, int) {
        if (!code) stop.request_stop();
    });
    asio::co_spawn(io, kubelet.run(stop.get_token()), [&io](const std::exception_ptr&) { io.stop(); });
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    bool exit_with_parent = false;
    CLI::App app{
        "Pretends to be the kubelet of an API server that has none: Pods run, debug containers start and end."};
    app.add_option("--kubeconfig", options.kubeconfig, "the API server")->required();
    app.add_flag("--exit-with-parent", exit_with_parent, "end when the process that started this one ends");
    app.add_option("--run-time-ms", options.run_time_ms,
                   "how long a debug container runs when its command does not say")
        ->capture_default_str();
    app.add_option("--start-delay-ms", options.start_delay_ms, "from seen to running")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    if (exit_with_parent) prctl(PR_SET_PDEATHSIG, SIGTERM);
    kube::log::configure(kube::log::Format::text, kube::log::Level::warn);
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::cerr << "test-kubelet: " << error.what() << '\n';
        return 1;
    }
}
