#include "kube/runtime/controller.hpp"

#include "kube/base/log.hpp"

namespace kube {
namespace asio = boost::asio;

Controller::Controller(std::string name, WorkQueue& queue, Reconciler& reconciler, Clock& clock,
                       ControllerObserver& observer)
    : name_(std::move(name)), queue_(queue), reconciler_(reconciler), clock_(clock), observer_(observer) {}

/// One item's bug must not end the others' work.
asio::awaitable<Result<ReconcileResult>> Controller::guarded(std::string key, std::stop_token stop) {
    try {
        co_return co_await reconciler_.reconcile(std::move(key), stop);
    } catch (const std::exception& error) {
        observer_.on_exception();
        co_return fail(ErrorKind::server, std::string("exception in reconcile: ") + error.what());
    }
}

asio::awaitable<void> Controller::work(std::stop_token stop, std::stop_token abandon) {
    for (;;) {
        const auto key = co_await queue_.get(stop);
        if (!key) co_return;
        const SteadyTime started = clock_.steady_now();
        observer_.on_start();
        const auto result = co_await guarded(*key, abandon);
        ReconcileOutcome outcome = ReconcileOutcome::success;
        if (!result) {
            outcome = ReconcileOutcome::error;
            const bool quiet =
                result.error().kind == ErrorKind::conflict || result.error().kind == ErrorKind::cancelled;
            const auto level = quiet ? log::Level::debug : log::Level::warn;
            if (log::enabled(level))
                log::write(
                    level, name_, "reconcile failed; retrying with back-off",
                    {{"request", *key}, {"kind", to_string(result.error().kind)}, {"error", result.error().message}});
            queue_.add_rate_limited(*key);
        } else {
            queue_.forget(*key);
            if (result->requeue_after) {
                outcome = ReconcileOutcome::requeue_after;
                queue_.add_after(*key, *result->requeue_after);
            }
        }
        observer_.on_end(outcome, clock_.steady_now() - started);
        queue_.done(*key);
    }
}

}  // namespace kube
