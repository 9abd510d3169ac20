#pragma once

#include "controller/operator.hpp"
#include "tests/model/api_server.hpp"
#include "tests/model/json_tools.hpp"
#include "tests/support/manual_clock.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::test {

using model::Json;

/// The whole operator against the model API server in one process, over memory streams and a clock that moves only when
/// told to, with namespace `shop`, a running Pod `web` and policy `shop`. Every call of the operator is on record, and
/// a test may answer instead of the API server.
class World {
  public:
    explicit World(boost::asio::any_io_executor executor, controller::OperatorOptions options = {});
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    /// Puts the cluster together. Admission is served from here on; nothing is reconciled yet.
    boost::asio::awaitable<void> furnish();
    /// Begins to reconcile.
    boost::asio::awaitable<void> start();
    boost::asio::awaitable<void> stop();

    /// Calls the API server as `user`; "admin" is in system:masters. Returns the body, null where it is no success.
    boost::asio::awaitable<Json> ask(std::string user, std::string method, std::string path, Json body = nullptr);
    /// Gives the user a Role of that name in `shop` with these rules.
    boost::asio::awaitable<void> grant(std::string user, std::string role, Json rules);
    /// A right for the whole cluster.
    boost::asio::awaitable<void> grant_everywhere(std::string user, std::string role, Json rules);
    boost::asio::awaitable<void> revoke(std::string role);
    /// A running, ready Pod of that name in `shop`.
    boost::asio::awaitable<void> make_pod(std::string name, Json labels = Json::object(), Json owner = nullptr);
    boost::asio::awaitable<Json> pod(std::string name);
    /// The kubelet reports this state of every debug container of the Pod, e.g. {"running": {"startedAt": now}}.
    boost::asio::awaitable<void> show(std::string pod, Json state);
    boost::asio::awaitable<void> show_running(std::string pod);
    boost::asio::awaitable<void> show_ended(std::string pod, int exit_code);
    /// Changes the spec of policy `shop`.
    boost::asio::awaitable<void> change_policy(Json spec);
    /// Creates DebugRequest `name` as that user, for Pod `web` unless `spec` says otherwise.
    boost::asio::awaitable<Json> create_request(std::string user, std::string name, Json spec = Json::object());
    boost::asio::awaitable<Json> request(std::string name);
    /// Lets time pass until the request has that phase; false when it has not after two minutes.
    boost::asio::awaitable<bool> reaches(std::string name, std::string phase);
    boost::asio::awaitable<void> pass(kube::Duration time);

    /// The operator's own; its calls are on record.
    kube::Client& client() { return client_; }

    /// "METHOD path?query" of the operator's calls since the last `forget_calls`, without Events and watches.
    const std::vector<std::string>& calls() const { return calls_; }
    void forget_calls() { calls_.clear(); }
    std::size_t count(const std::string& part) const;
    /// PATCHes of pods/ephemeralcontainers that are no rehearsal.
    std::size_t injections() const;
    const std::vector<std::string>& audit() const { return audit_; }

    /// What a command that the operator runs in a container answers; an error where it is not set.
    std::function<kube::Result<kube::ExecResult>(const kube::ExecRequest&)> on_exec;
    /// Answers a call of the operator instead of the API server, where it returns something. Status 0: no answer ever.
    std::function<std::optional<kube::HttpResponse>(const kube::HttpRequest&)> intercept;

  private:
    class Commands;
    boost::asio::awaitable<void> make(std::string path, Json object);
    using Stream = std::unique_ptr<kube::ByteStream>;
    kube::Result<Stream> connect(kube::HttpHandler handler);
    boost::asio::awaitable<void> serve(Stream stream, kube::HttpHandler handler);
    boost::asio::awaitable<void> handle(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer);
    model::ApiServerSettings settings();

    boost::asio::any_io_executor executor_;
    kube::test::ManualClock clock_;
    kube::TaskGroup tasks_;
    std::stop_source stop_;
    std::stop_source serving_;
    model::ApiServer api_;
    kube::Client client_;
    kube::Signal silence_;
    std::vector<std::string> calls_;
    std::vector<std::string> audit_;
    controller::AuditLog audit_log_;
    kube::EventRecorder events_;
    std::unique_ptr<kube::CommandRunner> commands_;
    controller::Operator operator_;
};

}  // namespace endoscope::test
