#include "controller/retention_worker.hpp"

#include "controller/retention.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/backoff.hpp"

#include <cstdint>
#include <memory>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

constexpr kube::Duration kBetweenRemovals = std::chrono::milliseconds(250);
constexpr kube::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr kube::Duration kLongestBackoff = std::chrono::minutes(5);

void tell(const RetentionContext& context, const StoredRequest& stored, kube::WallTime since) {
    AuditRecord record = audit_record("removed", stored);
    record.phase = to_string(stored.phase);
    if (stored.parsed && stored.parsed->status.reason) record.reason = to_string(*stored.parsed->status.reason);
    record.message = "over since " + kube::format_time(since) + "; removed by --retain-finished";
    context.audit.write(record);
    context.metrics.request_removed(stored.ns);
    kube::log::info("retention", "removed a finished request", {{"request", stored.key()}});
}

/// What became of one removal.
enum class Answer : std::uint8_t {
    removed,
    passed_over,  ///< Gone already, or changed: the cache will show it.
    forbidden,
    failed,
};

Answer classify(const kube::Result<void>& answer) {
    if (answer) return Answer::removed;
    const kube::ErrorKind kind = answer.error().kind;
    if (kind == kube::ErrorKind::not_found || kind == kube::ErrorKind::conflict) return Answer::passed_over;
    return kind == kube::ErrorKind::forbidden ? Answer::forbidden : Answer::failed;
}

/// A missing right is told when it is missed first; a write that was not sent (another may lead) is nobody's failure.
void warn(const std::string& key, const kube::Error& error, bool was_forbidden) {
    if (error.kind == kube::ErrorKind::cancelled || was_forbidden) return;
    const bool is_forbidden = error.kind == kube::ErrorKind::forbidden;
    kube::log::warn("retention",
                    is_forbidden
                        ? "cannot remove finished requests: install manifests/retention, or set retainFinished "
                          "of the chart"
                        : "cannot remove a finished request; it is tried again",
                    {{"request", key}, {"error", error.message}});
}

}  // namespace

asio::awaitable<void> run_retention(RetentionContext context, std::stop_token stop, std::stop_token abort) {
    kube::Backoff backoff(context.seed, kFirstBackoff, kLongestBackoff, 2 * kLongestBackoff);
    bool was_forbidden = false;
    for (;;) {
        const RetentionPlan plan = plan_retention(context.requests.list(), context.clock.now(), context.retain);
        kube::Duration pause = plan.next_look;
        for (const auto& due : plan.due) {
            const std::string key = due->key();
            if (context.requests.get(key) != due || context.is_followed(key)) continue;
            const auto stored = std::make_shared<const StoredRequest>(read_request(*due));
            const auto result = co_await context.cluster.remove_request(stored, abort);
            const Answer answer = classify(result);
            if (answer == Answer::removed) tell(context, *stored, *due->removable_since);
            if (answer == Answer::forbidden || answer == Answer::failed) {
                warn(key, result.error(), was_forbidden && answer == Answer::forbidden);
                was_forbidden = answer == Answer::forbidden;
                if (answer == Answer::failed) pause = backoff.next(context.clock.steady_now());
                break;
            }
            was_forbidden = false;
            const bool goes_on = co_await kube::sleep_for(context.clock, kBetweenRemovals, stop);
            if (!goes_on) co_return;
        }
        const bool goes_on = co_await kube::sleep_for(context.clock, pause, stop);
        if (!goes_on) co_return;
    }
}

}  // namespace endoscope::controller
