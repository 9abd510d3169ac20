#include "kube/runtime/reflector_fsm.hpp"

#include <algorithm>

namespace kube {

namespace {

constexpr int kMinWatchSeconds = 300;
constexpr int kMaxWatchSeconds = 600;
constexpr Duration kVeryShortWatch = std::chrono::seconds(1);

bool resource_version_too_large(const Error& error) {
    return std::ranges::any_of(error.causes,
                               [](const StatusCause& c) { return c.reason == "ResourceVersionTooLarge"; }) ||
           error.message.contains("Too large resource version");
}

}  // namespace

ReflectorFsm::ReflectorFsm(std::uint64_t seed, std::string resume_from)
    : backoff_(seed), random_(seed), resource_version_(std::move(resume_from)) {}

ReflectorFsm::Action ReflectorFsm::start() {
    return resource_version_.empty() ? relist() : watch();
}

ReflectorFsm::Action ReflectorFsm::relist() {
    ++relists_;
    if (expired_) return List{"", ""};
    return List{resource_version_.empty() ? "0" : resource_version_, ""};
}

ReflectorFsm::Action ReflectorFsm::watch() {
    std::uniform_int_distribution<int> seconds(kMinWatchSeconds, kMaxWatchSeconds);
    events_ = 0;
    return Watch{resource_version_, std::chrono::seconds(seconds(random_))};
}

ReflectorFsm::Action ReflectorFsm::wait_then_list(SteadyTime now) {
    resume_watch_ = false;
    return Wait{backoff_.next(now)};
}

ReflectorFsm::Action ReflectorFsm::on_page(const std::string& resource_version, const std::string& continue_token) {
    if (!continue_token.empty()) return List{"", continue_token};
    resource_version_ = resource_version;
    expired_ = false;
    retried_expired_ = false;
    return watch();
}

ReflectorFsm::Action ReflectorFsm::on_list_error(const Error& error, SteadyTime now) {
    if (error.kind == ErrorKind::gone || resource_version_too_large(error)) {
        expired_ = true;
        if (!retried_expired_) {
            retried_expired_ = true;
            return relist();
        }
    }
    return wait_then_list(now);
}

ReflectorFsm::Action ReflectorFsm::on_waited() {
    return resume_watch_ ? watch() : relist();
}

void ReflectorFsm::on_event(const std::string& resource_version) {
    ++events_;
    if (!resource_version.empty()) resource_version_ = resource_version;
}

ReflectorFsm::Action ReflectorFsm::on_watch_end(const std::optional<Error>& error, Duration lived, SteadyTime now) {
    if (error && (error->kind == ErrorKind::gone || resource_version_too_large(*error))) {
        expired_ = true;
        if (!retried_expired_) {
            retried_expired_ = true;
            return relist();
        }
        return wait_then_list(now);
    }
    // A break, a refusal to connect and 429 say nothing about our resourceVersion: resume from it, by back-off.
    const bool resumable = !error || error->kind == ErrorKind::transport || error->kind == ErrorKind::tls ||
                           error->kind == ErrorKind::timeout || error->kind == ErrorKind::too_many_requests ||
                           error->kind == ErrorKind::unauthorized;
    if (!resumable) return wait_then_list(now);
    if (!error && (lived >= kVeryShortWatch || events_ > 0)) return watch();
    if (error && error->kind == ErrorKind::transport && events_ > 0) return watch();
    resume_watch_ = true;
    return Wait{backoff_.next(now)};
}

}  // namespace kube
