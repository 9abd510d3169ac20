#pragma once

#include "kube/base/clock.hpp"
#include "kube/client/client.hpp"
#include "kube/client/credentials.hpp"
#include "kube/client/remote_command_decoder.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace kube {

/// A command to run in a container, without stdin and without a terminal.
struct ExecRequest {
    std::string ns;
    std::string pod;
    std::string container;
    std::vector<std::string> command;             ///< Program and arguments. They stand in the URL, and in audit logs.
    Duration timeout = std::chrono::seconds(30);  ///< For the whole, connecting included.
    /// Bytes kept of stdout and of stderr each; the rest is read and dropped.
    std::size_t max_output = std::size_t{64} << 10;
    /// Asked right before the request is sent: false ends the call as cancelled. For what only a leader may do.
    std::function<bool()> may_send = {};
};

/// Runs commands in containers. The seam at which tests and the simulation put their own.
class CommandRunner {
  public:
    virtual ~CommandRunner() = default;
    /// Runs the command and waits for its end. A result means that it ran and ended, whatever its exit code. Errors:
    /// - the request was refused: by HTTP status and Status like any other call (403, 404, 400 ...);
    /// - the server or something in between does not upgrade to WebSocket: `malformed` for a success without an
    ///   upgrade, else by the HTTP status, the message says so;
    /// - the command could not be run, or how it ended is unknown to the server: the kind of the Status it sent, mostly
    ///   `server` with the reason InternalError. See `is_missing_program` and `is_container_not_running`;
    /// - `transport`, `timeout`, `cancelled` (stop, `may_send`), `malformed`: the command may have run, be running or
    ///   never have been started. Giving up does not end it: Kubernetes has no call for that.
    /// Nothing is tried twice. The right asked for is `get` on `pods/exec`; from Kubernetes 1.35 on also `create`.
    virtual boost::asio::awaitable<Result<ExecResult>> run(ExecRequest request, std::stop_token stop) = 0;
};

struct RemoteCommandOptions {
    std::string user_agent = {};
    std::string path_prefix = {};         ///< From the kubeconfig's server URL.
    RequestObserver* observer = nullptr;  ///< Told about every attempt, method GET. Must outlive the runner.
};

/// By the `exec` subresource of the API server over WebSocket, each command on a connection of its own. `credentials`
/// may be null. Runs on the I/O thread; several commands may run at once.
std::unique_ptr<CommandRunner> make_command_runner(std::shared_ptr<Transport> transport, Clock& clock,
                                                   RemoteCommandOptions options,
                                                   std::shared_ptr<Credentials> credentials);

}  // namespace kube
