#include "kube/runtime/controller.hpp"

#include "kube/base/log.hpp"

#include <cstdio>

namespace kube {
namespace asio = boost::asio;

Controller::Controller(std::string name, WorkQueue& queue, Reconciler& reconciler, Clock& clock,
                       ControllerObserver& observer, ControllerOptions options)
    : name_(std::move(name)),
      queue_(queue),
      reconciler_(reconciler),
      clock_(clock),
      observer_(observer),
      options_(options),
      random_(options.seed) {}

/// One item's bug must not end the others' work.
asio::awaitable<Result<ReconcileResult>> Controller::guarded(std::string key, std::stop_token stop) {
    try {
        co_return co_await reconciler_.reconcile(std::move(key), stop);
    } catch (const std::exception& error) {
        observer_.on_exception();
        co_return fail(ErrorKind::server, std::string("exception in reconcile: ") + error.what());
    } catch (...) {
        observer_.on_exception();
        co_return fail(ErrorKind::server, "exception in reconcile");
    }
}

asio::awaitable<Result<ReconcileResult>> Controller::within_limit(std::string key, std::stop_token stop) {
    if (options_.reconcile_timeout <= Duration::zero()) co_return co_await guarded(std::move(key), stop);
    std::stop_source limited;
    bool timed_out = false;
    const std::stop_callback on_stop(stop, [&limited] { limited.request_stop(); });
    const auto limit = clock_.call_after(options_.reconcile_timeout, [&] {
        timed_out = true;
        limited.request_stop();
    });
    auto result = co_await guarded(std::move(key), limited.get_token());
    if (!timed_out) co_return result;
    observer_.on_timeout();
    if (result) co_return result;
    co_return fail(ErrorKind::timeout, "reconcile took too long: " + result.error().message);
}

/// A random UUID, version 4 (RFC 9562).
std::string Controller::next_id() {
    const auto bits = [this](unsigned count) { return static_cast<unsigned>(random_() >> (64U - count)); };
    char text[40];
    const int length = std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%06x%06x", bits(32), bits(16), bits(12),
                                     0x8000U | bits(14), bits(24), bits(24));
    return {text, static_cast<std::size_t>(length)};
}

asio::awaitable<void> Controller::work(std::stop_token stop, std::stop_token abort) {
    for (;;) {
        const auto key = co_await queue_.get(stop);
        if (!key) co_return;
        const SteadyTime started = clock_.steady_now();
        const std::string id = next_id();
        observer_.on_start();
        const auto result = co_await within_limit(*key, abort);
        const ReconcileOutcome outcome = conclude(*key, id, result);
        observer_.on_end(outcome, clock_.steady_now() - started);
        queue_.done(*key);
    }
}

ReconcileOutcome Controller::conclude(const std::string& key, const std::string& id,
                                      const Result<ReconcileResult>& result) {
    const int priority = queue_.priority(key);
    const Error* error = !result ? &result.error() : result->terminal_error ? &*result->terminal_error : nullptr;
    if (error != nullptr) {
        const bool quiet = error->kind == ErrorKind::conflict || error->kind == ErrorKind::cancelled;
        const auto level = quiet ? log::Level::debug : log::Level::warn;
        if (log::enabled(level)) {
            log::write(
                level, name_, result ? "reconcile failed for good" : "reconcile failed; retrying with back-off",
                {{"request", key}, {"reconcileID", id}, {"kind", to_string(error->kind)}, {"error", error->message}});
        }
    }
    if (!result) {
        queue_.add_rate_limited(key, priority);
        return ReconcileOutcome::error;
    }
    if (!result->terminal_error && result->requeue && !result->requeue_after) {
        queue_.add_rate_limited(key, priority);
        return ReconcileOutcome::requeue;
    }
    queue_.forget(key);
    if (result->terminal_error) return ReconcileOutcome::terminal_error;
    if (!result->requeue_after) return ReconcileOutcome::success;
    queue_.add_after(key, *result->requeue_after, priority);
    return ReconcileOutcome::requeue_after;
}

}  // namespace kube
