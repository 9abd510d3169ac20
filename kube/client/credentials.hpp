#pragma once

#include "kube/client/config.hpp"
#include "kube/client/exec_credentials.hpp"
#include "kube/client/token_source.hpp"
#include "kube/net/http.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <stop_token>

namespace kube {

/// Says who we are to the API server. Asked before every request; several clients may share one.
class Credentials {
  public:
    virtual ~Credentials() = default;
    /// The headers that identify us. Takes as long as a plugin runs that has to be asked.
    virtual boost::asio::awaitable<Result<HttpHeaders>> headers(std::stop_token stop) = 0;
    /// The server answered 401 to a request whose headers were had at `used`: what is not newer is forgotten.
    virtual void reject(SteadyTime used) = 0;
};

/// A bearer token alone.
std::shared_ptr<Credentials> make_token_credentials(std::unique_ptr<TokenSource> token);

/// What `config` says: token (file) before basic authentication before `exec`, which is null where `config` has no
/// plugin; impersonation on top. `read_file` re-reads the token file. Source: client-go transport/round_trippers.go.
std::shared_ptr<Credentials> make_credentials(Clock& clock, const Config& config,
                                              std::function<Result<std::string>(const std::string& path)> read_file,
                                              std::shared_ptr<ExecCredentials> exec);

}  // namespace kube
