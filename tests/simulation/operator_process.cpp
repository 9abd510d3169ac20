#include "tests/simulation/operator_process.hpp"

#include "controller/installer.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/metrics.hpp"
#include "tests/simulation/api_process.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <cstdlib>
#include <utility>

namespace simulation {
namespace asio = boost::asio;
namespace controller = endoscope::controller;
using kube::Result;

namespace {

constexpr kube::Duration kRetryDelay = std::chrono::seconds(2);

kube::ClientOptions client_options(std::uint64_t seed) {
    kube::ClientOptions options;
    options.user_agent = "endoscope-operator/simulated";
    options.field_manager = "endoscope";
    options.seed = seed;
    return options;
}

/// Sends commands over the simulated network, so that what befalls a request befalls them too.
class Commands final : public kube::CommandRunner {
  public:
    explicit Commands(kube::Client& client) : client_(client) {}
    asio::awaitable<Result<kube::ExecResult>> run(kube::ExecRequest command, std::stop_token stop) override {
        kube::ApiRequest request;
        request.method = "POST";
        request.path = std::string(kExecPath) + command.pod + "/" + command.container;
        request.timeout = command.timeout;
        request.max_attempts = 1;
        request.may_send = std::move(command.may_send);
        auto output = co_await client_.call(std::move(request), stop);
        if (!output) co_return std::unexpected(output.error());
        kube::ExecResult result;
        result.output = std::move(*output);
        co_return result;
    }

  private:
    kube::Client& client_;
};

}  // namespace

OperatorProcess::OperatorProcess(kube::test::ManualClock& world, Network& network, std::string name, Settings settings)
    : name_(std::move(name)),
      most_pod_watches_(settings.most_pod_watches),
      clock_(world, context_),
      registry_(kube::make_registry()),
      audit_(clock_, std::move(settings.on_audit)),
      client_(network.transport(context_, name_, "api"), clock_, client_options(std::hash<std::string>()(name_))),
      commands_(std::make_unique<Commands>(client_)),
      election_client_(network.transport(context_, name_, "api"), clock_,
                       client_options(std::hash<std::string>()(name_))),
      events_(context_.get_executor(), client_, clock_,
              {.controller = "endoscope.dev/operator", .instance = name_, .seed = std::hash<std::string>()(name_)}) {
    clock_.offset = settings.wall_offset;
    if (settings.elects) {
        kube::LeaderElectionOptions options;
        options.ns = "endoscope-system";
        options.name = "endoscope";
        options.identity = name_;
        options.seed = std::hash<std::string>()(name_);
        election_ = std::make_unique<kube::LeaderElection>(context_.get_executor(), election_client_, clock_, options);
    }
    asio::co_spawn(context_, main(), [this](const std::exception_ptr& failure) {
        if (!failure) return;
        exit_code_ = 1;
        kube::log::error("operator", "the process ended with an exception");
    });
}

OperatorProcess::~OperatorProcess() {
    context_.kill();
}

std::optional<Network::Port> OperatorProcess::webhook_port() {
    if (!serving_) return std::nullopt;
    return Network::Port{.context = &context_,
                         .accept = [this](std::unique_ptr<kube::ByteStream> stream, const std::string&) {
                             asio::co_spawn(context_, serve_webhook(std::move(stream)), asio::detached);
                             return true;
                         }};
}

asio::awaitable<void> OperatorProcess::serve_webhook(std::unique_ptr<kube::ByteStream> stream) {
    const kube::HttpHandler handler = operator_->admission_handler();
    co_await kube::serve_http(clock_, *stream, handler, kube::HttpServerOptions(), stop_.get_token());
    stream->close();
}

asio::awaitable<void> OperatorProcess::hold_lease() {
    const std::stop_callback on_lost(election_->lost(), [this] {
        exit_code_ = 1;
        stop_.request_stop();
    });
    const auto how = co_await election_->run(election_stop_.get_token());
    if (how == kube::LeaseEnd::lost) stop_.request_stop();
}

asio::awaitable<void> OperatorProcess::reconcile() {
    const auto ended = co_await operator_->run(stop_.get_token());
    if (ended) co_return;
    exit_code_ = 1;
    stop_.request_stop();
}

asio::awaitable<Result<void>> OperatorProcess::run() {
    const std::stop_token stop = stop_.get_token();
    for (;;) {
        const auto version = co_await controller::check_server(client_, stop);
        if (version) break;
        if (!kube::is_retryable(version.error()) || stop.stop_requested()) co_return std::unexpected(version.error());
        co_await kube::sleep_for(clock_, kRetryDelay, stop);
    }
    for (;;) {
        const auto present = co_await controller::require_crds(client_, stop);
        if (present) break;
        if (stop.stop_requested()) co_return present;
        co_await kube::sleep_for(clock_, kRetryDelay, stop);
    }
    controller::OperatorOptions options;
    options.seed = std::hash<std::string>()(name_);
    options.most_pod_watches = most_pod_watches_;
    options.seal_keys = kSealKeys;
    if (election_) {
        const kube::LeaseTimes times;
        options.election = election_.get();
        options.write_timeout = times.lease - times.renew_deadline;
    }
    operator_ = std::make_unique<controller::Operator>(context_.get_executor(), client_, *commands_, clock_, registry_,
                                                       audit_, events_, options);
    serving_ = true;
    kube::TaskGroup running(context_.get_executor());
    kube::TaskGroup electing(context_.get_executor());
    if (election_) electing.spawn("leader election", hold_lease());
    running.spawn("operator", reconcile());
    co_await running.join();
    serving_ = false;
    election_stop_.request_stop();
    co_await electing.join();
    co_return Result<void>();
}

asio::awaitable<void> OperatorProcess::main() {
    kube::TaskGroup recording(context_.get_executor());
    recording.spawn("events", events_.run(event_stop_.get_token()));
    const auto ended = co_await run();
    serving_ = false;
    event_stop_.request_stop();
    co_await recording.join();
    if (!ended) {
        kube::log::warn("operator", "cannot run", {{"error", ended.error().message}});
        exit_code_ = 1;
    }
    if (!exit_code_) exit_code_ = 0;
}

double OperatorProcess::counter(const std::string& family) const {
    const std::string text = kube::render_metrics(registry_);
    double sum = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line(text.data() + at, end - at);
        if (line.starts_with(family) && (line[family.size()] == '{' || line[family.size()] == ' ')) {
            sum += std::strtod(line.data() + line.rfind(' '), nullptr);
        }
        at = end + 1;
    }
    return sum;
}

}  // namespace simulation
