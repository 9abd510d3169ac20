#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace kube {

/// A program to run without a terminal: its standard input is empty.
struct ProcessOptions {
    std::vector<std::string> command;      ///< Program and arguments. A program without '/' is looked up in $PATH.
    std::vector<std::string> environment;  ///< "NAME=value"; nothing else is passed on.
    Duration timeout = std::chrono::seconds(60);
    std::size_t max_output = std::size_t{1} << 20;
    /// Gets every line of the standard error, without its end and cut at 1 KiB; at most a hundred of them.
    std::function<void(std::string_view line)> on_error_line;
};

struct ProcessResult {
    int exit_code = 0;   ///< 128 + the signal's number when one ended it, as shells say.
    std::string output;  ///< What it wrote to standard output.
};

/// Runs other programs. The seam at which tests and the simulation put answers of their own.
class ProcessRunner {
  public:
    virtual ~ProcessRunner() = default;
    /// Runs until the program has ended and its standard output is closed. Errors: `config` when it cannot be started
    /// (the message names it), `timeout`, `malformed` when it writes too much, `cancelled`. In the last three the
    /// program and what it started are killed. Never blocks the I/O thread, and leaves no zombie.
    virtual boost::asio::awaitable<Result<ProcessResult>> run(ProcessOptions options, std::stop_token stop) = 0;
};

/// Real processes.
std::shared_ptr<ProcessRunner> make_process_runner(Clock& clock);

}  // namespace kube
