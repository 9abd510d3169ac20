#include "kube/client/retry.hpp"

namespace kube {

namespace {
constexpr Duration kTransportRetryDelay = std::chrono::seconds(1);
constexpr auto kLongestRetryAfter = std::chrono::seconds(60);
}  // namespace

std::optional<Duration> RetryPolicy::delay(const Error& error, bool may_repeat) {
    if (error.http_status == 429 || error.http_status >= 500) {
        if (!error.retry_after || *error.retry_after > kLongestRetryAfter) return std::nullopt;
        const Duration asked = *error.retry_after;
        std::uniform_int_distribution<Duration::rep> jitter(0, asked.count() / 10);
        return asked + Duration(jitter(random_));
    }
    if (may_repeat && error.kind == ErrorKind::transport && error.http_status == 0) return kTransportRetryDelay;
    return std::nullopt;
}

Error with_previous_attempt(Error error, const std::string& previous) {
    if (!previous.empty() && previous != error.message) error.message += "; the attempt before: " + previous;
    return error;
}

}  // namespace kube
