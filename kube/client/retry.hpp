#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <string>

namespace kube {

/// Whether and when a failed request is sent again (client-go rest/with_retry.go):
/// - the server asks for it: 429 or 5xx with a `Retry-After` of whole seconds. It may have been any request.
/// - no response came and the request may be repeated: after a second.
/// A `Retry-After` beyond a minute is left to the caller, who has a back-off of its own.
class RetryPolicy {
  public:
    explicit RetryPolicy(std::uint64_t seed) : random_(seed) {}

    /// The delay before the next attempt, up to a tenth longer than asked for so that clients spread; nothing when
    /// `error` is final.
    std::optional<Duration> delay(const Error& error, bool may_repeat);

  private:
    std::mt19937_64 random_;
};

/// `error` with the message of the attempt before it, as far as that says something else.
Error with_previous_attempt(Error error, const std::string& previous);

}  // namespace kube
