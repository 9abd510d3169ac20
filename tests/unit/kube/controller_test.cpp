#include "kube/runtime/controller.hpp"

#include "tests/support/captured_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Does what a test says, call by call.
class Scripted final : public Reconciler {
  public:
    using Step = std::function<asio::awaitable<Result<ReconcileResult>>(std::string key, std::stop_token stop)>;

    asio::awaitable<Result<ReconcileResult>> reconcile(std::string key, std::stop_token stop) override {
        ++calls;
        const Step now = step;
        co_return co_await now(std::move(key), stop);
    }
    /// Every call ends with `result`.
    void answer(Result<ReconcileResult> result) {
        step = [result](std::string, std::stop_token) { return ready(result); };
    }
    Step step;
    int calls = 0;

  private:
    static asio::awaitable<Result<ReconcileResult>> ready(Result<ReconcileResult> result) { co_return result; }
};

struct Fixture {
    explicit Fixture(asio::any_io_executor executor_in, ControllerOptions options = {})
        : executor(executor_in),
          observer(make_controller_metrics(registry, "things", 3)),
          queue(executor, clock),
          controller("things", queue, reconciler, clock, *observer, options) {}

    /// A worker beside the caller.
    void start() { test::spawn(executor, controller.work(stop.get_token())); }
    asio::awaitable<void> finish() {
        stop.request_stop();
        co_await test::settle();
    }
    bool has(const std::string& line) const { return render_metrics(registry).contains(line + "\n"); }

    asio::any_io_executor executor;
    test::ManualClock clock;
    Registry registry = make_registry();
    std::unique_ptr<ControllerObserver> observer;
    WorkQueue queue;
    Scripted reconciler;
    Controller controller;
    std::stop_source stop;
};

TEST(ControllerMetrics, EverySeriesExistsAtZeroFromTheStart) {
    const Registry registry = make_registry();
    const auto observer = make_controller_metrics(registry, "things", 3);
    const std::string text = render_metrics(registry);
    for (const char* line : {R"(controller_runtime_reconcile_total{controller="things",result="success"} 0)",
                             R"(controller_runtime_reconcile_total{controller="things",result="error"} 0)",
                             R"(controller_runtime_reconcile_total{controller="things",result="requeue"} 0)",
                             R"(controller_runtime_reconcile_total{controller="things",result="requeue_after"} 0)",
                             R"(controller_runtime_reconcile_errors_total{controller="things"} 0)",
                             R"(controller_runtime_terminal_reconcile_errors_total{controller="things"} 0)",
                             R"(controller_runtime_reconcile_panics_total{controller="things"} 0)",
                             R"(controller_runtime_reconcile_timeouts_total{controller="things"} 0)",
                             R"(controller_runtime_active_workers{controller="things"} 0)",
                             R"(controller_runtime_max_concurrent_reconciles{controller="things"} 3)",
                             R"(controller_runtime_reconcile_time_seconds_count{controller="things"} 0)"}) {
        EXPECT_TRUE(text.contains(line)) << line;
    }
}

asio::awaitable<void> outcomes() {
    Fixture f(co_await asio::this_coro::executor);
    f.start();
    f.reconciler.answer(fail(ErrorKind::server, "boom"));
    f.queue.add("ns/a");
    co_await test::settle();
    f.clock.advance(milliseconds(5));
    co_await test::settle();
    EXPECT_EQ(f.reconciler.calls, 2);
    EXPECT_EQ(f.queue.requeues("ns/a"), 2);
    f.reconciler.answer(ReconcileResult{.requeue_after = {}, .requeue = true, .terminal_error = {}});
    f.clock.advance(milliseconds(10));
    co_await test::settle();
    EXPECT_EQ(f.queue.requeues("ns/a"), 3) << "as after an error";
    f.reconciler.answer(ReconcileResult{.requeue_after = seconds(7), .requeue = false, .terminal_error = {}});
    f.clock.advance(milliseconds(20));
    co_await test::settle();
    EXPECT_EQ(f.queue.requeues("ns/a"), 0) << "forgotten";
    f.reconciler.answer(ReconcileResult{});
    f.clock.advance(seconds(7));
    co_await test::settle();
    EXPECT_EQ(f.reconciler.calls, 5);
    EXPECT_EQ(f.queue.waiting(), 0U);
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_total{controller="things",result="error"} 2)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_total{controller="things",result="requeue"} 1)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_total{controller="things",result="requeue_after"} 1)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_total{controller="things",result="success"} 1)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_active_workers{controller="things"} 0)"));
    co_await f.finish();
}
TEST(Controller, EachOutcomeIsCountedAndLeadsToItsRequeue) {
    test::run_coro(outcomes());
}

asio::awaitable<void> terminal() {
    Fixture f(co_await asio::this_coro::executor);
    f.start();
    f.reconciler.answer(fail(ErrorKind::server, "boom"));
    f.queue.add("ns/a");
    co_await test::settle();
    f.reconciler.answer(ReconcileResult{
        .requeue_after = seconds(1), .requeue = true, .terminal_error = fail(ErrorKind::invalid, "never").error()});
    test::CapturedLog captured(log::Level::info);
    f.clock.advance(milliseconds(5));
    co_await test::settle();
    const std::string text = captured.text();
    EXPECT_TRUE(text.contains("warn things: reconcile failed for good request=ns/a reconcileID=")) << text;
    EXPECT_EQ(f.queue.waiting() + f.queue.depth(), 0U);
    EXPECT_EQ(f.queue.requeues("ns/a"), 0);
    EXPECT_TRUE(f.has(R"(controller_runtime_terminal_reconcile_errors_total{controller="things"} 1)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_errors_total{controller="things"} 2)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_total{controller="things",result="error"} 2)"));
    co_await f.finish();
}
TEST(Controller, ATerminalErrorIsCountedAndNotRetried) {
    test::run_coro(terminal());
}

asio::awaitable<Result<ReconcileResult>> throw_for_bad(std::string key, std::stop_token) {
    if (key == "bad") throw std::logic_error("bug");
    if (key == "worse") throw 7;
    co_return ReconcileResult{};
}

asio::awaitable<void> exceptions() {
    Fixture f(co_await asio::this_coro::executor);
    f.reconciler.step = throw_for_bad;
    f.start();
    for (const char* key : {"bad", "worse", "good"}) f.queue.add(key);
    co_await test::settle();
    EXPECT_EQ(f.reconciler.calls, 3) << "the worker goes on";
    EXPECT_EQ(f.queue.waiting(), 2U);
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_panics_total{controller="things"} 2)"));
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_total{controller="things",result="success"} 1)"));
    co_await f.finish();
}
TEST(Controller, AnExceptionIsAnErrorOfItsKeyOnly) {
    test::run_coro(exceptions());
}

/// Hangs until it is told to stop, as a call does.
asio::awaitable<Result<ReconcileResult>> hang(Clock& clock, std::stop_token stop) {
    co_await sleep_for(clock, std::chrono::hours(1), stop);
    co_return fail(ErrorKind::cancelled, "stopped");
}

asio::awaitable<void> deadline() {
    Fixture f(co_await asio::this_coro::executor, {.reconcile_timeout = seconds(60), .seed = 1});
    f.reconciler.step = [&f](std::string, std::stop_token stop) { return hang(f.clock, stop); };
    f.start();
    f.queue.add("ns/a");
    co_await test::settle();
    f.clock.advance(seconds(59));
    co_await test::settle();
    EXPECT_EQ(f.queue.processing(), 1U);
    f.clock.advance(seconds(1));
    co_await test::settle();
    EXPECT_EQ(f.queue.processing(), 0U);
    EXPECT_EQ(f.queue.waiting(), 1U);
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_timeouts_total{controller="things"} 1)"));
    f.clock.advance(seconds(1));
    co_await test::settle();
    EXPECT_EQ(f.queue.processing(), 1U);
    co_await f.finish();
    EXPECT_EQ(f.queue.processing(), 0U) << "a stop reaches it as well";
    EXPECT_TRUE(f.has(R"(controller_runtime_reconcile_timeouts_total{controller="things"} 1)"))
        << "only the guard counts";
}
TEST(Controller, AHungReconcileIsToldToStopAtItsDeadline) {
    test::run_coro(deadline());
}

asio::awaitable<void> quiet_conflicts() {
    Fixture f(co_await asio::this_coro::executor);
    f.reconciler.answer(fail(ErrorKind::conflict, "changed"));
    test::CapturedLog captured(log::Level::info);
    f.start();
    f.queue.add("ns/a", kLowPriority);
    co_await test::settle();
    EXPECT_EQ(captured.text(), "");
    f.clock.advance(milliseconds(5));
    EXPECT_EQ(f.queue.depth(), 1U);
    f.queue.add("ns/b");
    const auto next = co_await f.queue.get({});
    EXPECT_EQ(next, "ns/b") << "a retry keeps the priority of its key";
    co_await f.finish();
}
TEST(Controller, AConflictIsRetriedQuietly) {
    test::run_coro(quiet_conflicts());
}

}  // namespace
}  // namespace kube
