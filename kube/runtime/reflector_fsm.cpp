#include "kube/runtime/reflector_fsm.hpp"

#include <algorithm>
#include <utility>

namespace kube {

namespace {

constexpr int kMinWatchSeconds = 300;
constexpr int kMaxWatchSeconds = 600;
constexpr Duration kVeryShortWatch = std::chrono::seconds(1);
/// Longer than this a server is not obeyed that asks us to wait.
constexpr Duration kLongestRetryAfter = std::chrono::seconds(60);

bool resource_version_too_large(const Error& error) {
    return std::ranges::any_of(error.causes,
                               [](const StatusCause& c) { return c.reason == "ResourceVersionTooLarge"; }) ||
           error.message.contains("Too large resource version");
}

}  // namespace

ReflectorFsm::ReflectorFsm(std::uint64_t seed, std::string resume_from, std::shared_ptr<WatchListSupport> watch_list,
                           bool most_recent)
    : backoff_(seed),
      random_(seed),
      resource_version_(std::move(resume_from)),
      watch_list_(std::move(watch_list)),
      most_recent_(most_recent && resource_version_.empty()) {}

ReflectorFsm::Action ReflectorFsm::start() {
    return resource_version_.empty() ? relist() : watch();
}

ReflectorFsm::Action ReflectorFsm::relist() {
    ++relists_;
    list_version_.clear();
    unpaged_ = false;
    if (watch_list_ && !watch_list_->refused) {
        auto action = std::get<Watch>(watch());
        action.resource_version.clear();  // the most recent state, so never an older one
        action.initial_events = initial_events_ = true;
        return action;
    }
    if (most_recent_) return List{.resource_version = "", .continue_token = "", .paged = true};
    if (resource_version_.empty()) return List{.resource_version = "0", .continue_token = "", .paged = true};
    // "Not older than": several API servers need not be equally far.
    return List{.resource_version = resource_version_, .continue_token = "", .paged = server_pages_};
}

ReflectorFsm::Action ReflectorFsm::watch() {
    std::uniform_int_distribution<int> seconds(kMinWatchSeconds, kMaxWatchSeconds);
    events_ = 0;
    initial_events_ = false;
    return Watch{.resource_version = resource_version_, .timeout = std::chrono::seconds(seconds(random_))};
}

ReflectorFsm::Action ReflectorFsm::wait(const Error* error, SteadyTime now, bool then_resume) {
    resume_watch_ = then_resume;
    Duration delay = backoff_.next(now);
    if (error != nullptr && error->retry_after) {
        delay = std::max<Duration>(delay, std::min<Duration>(*error->retry_after, kLongestRetryAfter));
    }
    return Wait{delay};
}

ReflectorFsm::Action ReflectorFsm::on_page(const std::string& resource_version, const std::string& continue_token) {
    if (list_version_.empty()) list_version_ = resource_version;
    if (!continue_token.empty()) {
        // The watch cache serves "0" in one piece, whatever the limit.
        if (resource_version_.empty() && !most_recent_) server_pages_ = true;
        return List{.resource_version = "", .continue_token = continue_token, .paged = true};
    }
    resource_version_ = list_version_;
    most_recent_ = false;
    retried_expired_ = false;
    return watch();
}

ReflectorFsm::Action ReflectorFsm::on_list_error(const Error& error, SteadyTime now) {
    const bool within_list = !list_version_.empty();
    if (error.kind == ErrorKind::gone && within_list && !unpaged_) {
        list_version_.clear();
        unpaged_ = true;
        return List{.resource_version = "", .continue_token = "", .paged = false};
    }
    if (error.kind == ErrorKind::gone || resource_version_too_large(error)) {
        most_recent_ = true;
        if (!retried_expired_) {
            retried_expired_ = true;
            return relist();
        }
    }
    return wait(&error, now, false);
}

ReflectorFsm::Action ReflectorFsm::on_waited() {
    return resume_watch_ ? watch() : relist();
}

void ReflectorFsm::on_event(const std::string& resource_version) {
    ++events_;
    if (!initial_events_ && !resource_version.empty()) resource_version_ = resource_version;
}

void ReflectorFsm::on_initial_events_end(const std::string& resource_version) {
    initial_events_ = false;
    most_recent_ = false;
    on_event(resource_version);
}

ReflectorFsm::Action ReflectorFsm::on_initial_events_timeout() {
    if (watch_list_) watch_list_->refused = true;
    return relist();
}

ReflectorFsm::Action ReflectorFsm::on_initial_watch_end(const std::optional<Error>& error, SteadyTime now) {
    const bool refused = error && (error->kind == ErrorKind::bad_request || error->kind == ErrorKind::invalid);
    if (!refused) return wait(error ? &*error : nullptr, now, false);
    watch_list_->refused = true;
    return relist();
}

ReflectorFsm::Action ReflectorFsm::on_watch_end(const std::optional<Error>& error, Duration lived, SteadyTime now) {
    if (initial_events_) return on_initial_watch_end(error, now);
    const bool progressed = events_ > 0 || lived >= kVeryShortWatch;
    const bool relisted_at_once = std::exchange(relisted_at_once_, relisted_at_once_ && !progressed);
    if (error && (error->kind == ErrorKind::gone || resource_version_too_large(*error))) {
        most_recent_ = true;
        if (relisted_at_once && !progressed) return wait(&*error, now, false);
        relisted_at_once_ = true;
        retried_expired_ = true;
        return relist();
    }
    // A break, a refusal to connect and 429 say nothing about our resourceVersion: resume from it, by back-off.
    const bool resumable = !error || error->kind == ErrorKind::transport || error->kind == ErrorKind::tls ||
                           error->kind == ErrorKind::timeout || error->kind == ErrorKind::too_many_requests ||
                           error->kind == ErrorKind::unauthorized;
    if (!resumable) return wait(&*error, now, false);
    if (!error && progressed) return watch();
    if (error && error->kind == ErrorKind::transport && events_ > 0) return watch();
    return wait(error ? &*error : nullptr, now, true);
}

}  // namespace kube
