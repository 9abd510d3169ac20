#pragma once

#include "kube/base/clock.hpp"

#include <functional>
#include <memory>
#include <string>

namespace kube {

/// Where the bearer token comes from, asked before every request.
class TokenSource {
  public:
    virtual ~TokenSource() = default;
    /// The token, or "" for none.
    virtual std::string token() = 0;
    /// The server answered 401 to a request whose token was asked for at `used`: what is not newer is forgotten.
    virtual void reject(SteadyTime used) { static_cast<void>(used); }
};

std::unique_ptr<TokenSource> make_static_token(std::string token);

/// A projected service-account token: re-read on demand when older than 50 s (they rotate at 80 % of an hour) and after
/// a 401. An unreadable or empty file keeps the last good token, at first `fallback`. Source: client-go
/// transport/token_source.go.
std::unique_ptr<TokenSource> make_file_token(Clock& clock, std::function<Result<std::string>()> read_file,
                                             std::string fallback = {});

}  // namespace kube
