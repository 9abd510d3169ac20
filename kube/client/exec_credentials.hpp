#pragma once

#include "kube/base/process.hpp"
#include "kube/base/signal.hpp"
#include "kube/client/config.hpp"
#include "kube/client/connection_observer.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace kube {

/// What a credential plugin has answered: a token, a client certificate with its key, or both.
struct ExecCredential {
    std::string token;
    std::string certificate_pem;
    std::string key_pem;
    std::optional<WallTime> expires;
};

/// Reads an ExecCredential object, in JSON or YAML, that must be of `api_version`. Errors are `ErrorKind::malformed`
/// and quote nothing. Source of the rules: client-go plugin/pkg/client/auth/exec/exec.go.
Result<ExecCredential> parse_exec_credential(const std::string& output, const std::string& api_version);

/// The answers of one credential plugin, cached until they expire or the server refuses them. Runs one plugin at a
/// time, for a minute at most; callers that come meanwhile share its answer. An answer is used for five seconds even if
/// it says that it has expired already (clocks that disagree), and a failure is remembered for one second.
class ExecCredentials {
  public:
    /// `environment` is passed on to the plugin. `observer` may be null and must outlive this.
    ExecCredentials(boost::asio::any_io_executor executor, Clock& clock, ExecConfig config,
                    std::map<std::string, std::string> environment, std::shared_ptr<ProcessRunner> runner,
                    ConnectionObserver* observer = nullptr);

    /// Errors: `config` when there is no such program (with the install hint) or it wants a terminal, `unauthorized`
    /// when it failed, `malformed` when its answer cannot be used, `timeout`, `cancelled`.
    boost::asio::awaitable<Result<std::shared_ptr<const ExecCredential>>> get(std::stop_token stop);
    /// The server refused what was had at `used` or before.
    void reject(SteadyTime used);
    /// The last answer, expired or not; null before the first.
    std::shared_ptr<const ExecCredential> last() const { return last_; }

  private:
    using Answer = Result<std::shared_ptr<const ExecCredential>>;
    bool usable() const;
    boost::asio::awaitable<Answer> run(std::stop_token stop);
    ProcessOptions process() const;
    Error explain(const Error& error) const;
    void count(const Result<ProcessResult>& result);

    Clock& clock_;
    ExecConfig config_;
    std::map<std::string, std::string> environment_;
    std::shared_ptr<ProcessRunner> runner_;
    ConnectionObserver* observer_;
    Signal changed_;
    std::shared_ptr<const ExecCredential> last_;
    std::optional<Answer> answer_;  ///< Of the last run, unless that was cancelled or its answer refused.
    SteadyTime answered_;
    bool running_ = false;
    std::uint64_t runs_ = 0;
};

}  // namespace kube
