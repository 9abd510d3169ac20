#include "kube/runtime/leader_election.hpp"

#include "kube/base/log.hpp"

namespace kube {
namespace asio = boost::asio;

namespace {

/// How long after the lease itself has run out a holder that still believes in it counts as stuck (client-go
/// tools/leaderelection/healthzadaptor.go, as controller managers set it).
constexpr Duration kStuckAfter = std::chrono::seconds(20);
/// Nothing is repeated below the state machine but what the server let fall with an idle connection.
constexpr int kAttempts = 1;

}  // namespace

LeaderElection::LeaderElection(asio::any_io_executor executor, Client& client, Clock& clock,
                               LeaderElectionOptions options)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      collection_path_("/apis/coordination.k8s.io/v1/namespaces/" + percent_encode(options_.ns) + "/leases"),
      fsm_(options_.identity, options_.times, options_.seed),
      changed_(std::move(executor)) {}

asio::awaitable<LeaseEnd> LeaderElection::run(std::stop_token stop) {
    if (options_.observer != nullptr) options_.observer->on_status(false);
    LeaseFsm::Action action = fsm_.start(now());
    while (!stop.stop_requested() && !std::holds_alternative<LeaseFsm::End>(action)) {
        action = co_await perform(std::move(action), stop);
        announce();
    }
    if (stop.stop_requested()) action = fsm_.release(now());
    announce();
    // The stop has cancelled what was under way. The way back goes without it; the state machine bounds its time.
    while (!std::holds_alternative<LeaseFsm::End>(action)) action = co_await perform(std::move(action), {});
    const LeaseEnd how = std::get<LeaseFsm::End>(action).how;
    ended_ = true;
    if (how == LeaseEnd::lost) {
        lost_.request_stop();
        log::error("leaderelection", "leadership lost", {{"lease", options_.name}, {"holder", fsm_.holder()}});
    } else {
        log::info("leaderelection", how == LeaseEnd::released ? "lease released" : "stopped",
                  {{"lease", options_.name}, {"identity", options_.identity}});
    }
    changed_.notify_all();
    co_return how;
}

asio::awaitable<LeaseFsm::Action> LeaderElection::perform(LeaseFsm::Action action, std::stop_token stop) {
    if (const auto* wait = std::get_if<LeaseFsm::Wait>(&action)) {
        co_await sleep_for(clock_, wait->delay, stop);
        co_return fsm_.on_waited(now());
    }
    ApiRequest request;
    request.path = collection_path_ + "/" + percent_encode(options_.name);
    if (const auto* read = std::get_if<LeaseFsm::Read>(&action)) {
        if (fsm_.leading() && options_.observer != nullptr) options_.observer->on_slow_path();
        const auto answer = co_await send(std::move(request), read->timeout, stop);
        note(answer);
        co_return fsm_.on_read(answer, now());
    }
    const auto& write = std::get<LeaseFsm::Write>(action);
    if (write.resource_version.empty()) {
        request.method = "POST";
        request.path = collection_path_;
        request.body = lease_object(options_.ns, options_.name, write.record);
    } else {
        request.method = "PATCH";
        request.content_type = patch::kMerge;
        request.body = lease_patch(write.record, write.resource_version);
    }
    const auto answer = co_await send(std::move(request), write.timeout, stop);
    note(answer);
    co_return fsm_.on_written(answer, now());
}

asio::awaitable<Result<Lease>> LeaderElection::send(ApiRequest request, Duration timeout, std::stop_token stop) {
    request.timeout = timeout;
    request.priority = RequestPriority::exempt;
    request.idempotent = true;  // a fixed name or a resourceVersion: sent twice it still happens once
    request.max_attempts = kAttempts;
    const std::string what = request.method + " " + request.path;
    std::stop_source cancel;
    bool timed_out = false;
    // Over all attempts, the connect included, which may take longer than a lease lasts.
    const auto deadline = clock_.call_after(timeout, [&] {
        timed_out = true;
        cancel.request_stop();
    });
    const std::stop_callback on_stop(stop, [&cancel] { cancel.request_stop(); });
    const auto body = co_await client_.call(std::move(request), cancel.get_token());
    if (body) co_return parse_lease(*body);
    if (timed_out) co_return fail(ErrorKind::timeout, what + ": no answer within the deadline");
    co_return std::unexpected(body.error());
}

void LeaderElection::note(const Result<Lease>& answer) {
    if (answer || answer.error().kind == ErrorKind::not_found || answer.error().kind == ErrorKind::cancelled) {
        failing_ = false;
        return;
    }
    const log::Level level = fsm_.leading() || !failing_ ? log::Level::warn : log::Level::debug;
    failing_ = true;
    if (!log::enabled(level)) return;
    log::write(level, "leaderelection", "request failed; retrying",
               {{"lease", options_.name},
                {"leading", fsm_.leading()},
                {"kind", to_string(answer.error().kind)},
                {"error", answer.error().message}});
}

void LeaderElection::announce() {
    changed_.notify_all();
    if (fsm_.holder() != known_holder_) {
        known_holder_ = fsm_.holder();
        if (!known_holder_.empty() && known_holder_ != options_.identity) {
            log::info("leaderelection", "another leads", {{"lease", options_.name}, {"holder", known_holder_}});
        }
    }
    if (fsm_.leading() == announced_) return;
    announced_ = fsm_.leading();
    if (announced_) {
        log::info("leaderelection", "leading", {{"lease", options_.name}, {"identity", options_.identity}});
    }
    if (options_.observer != nullptr) options_.observer->on_status(announced_);
}

asio::awaitable<bool> LeaderElection::wait_until_leading(std::stop_token stop) {
    const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
    while (!is_leader() && !ended_ && !stop.stop_requested()) co_await changed_.wait();
    co_return is_leader() && !stop.stop_requested();
}

std::string LeaderElection::health() const {
    if (!fsm_.leading()) return {};
    const Duration overdue = clock_.steady_now() - fsm_.leading_until();
    if (overdue <= options_.times.lease - options_.times.renew_deadline + kStuckAfter) return {};
    return "the lease ran out and the process still believes in it";
}

}  // namespace kube
