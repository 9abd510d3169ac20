#include "kube/runtime/metrics.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

bool has(const Registry& registry, const std::string& line) {
    return render_metrics(registry).contains(line + "\n");
}

asio::awaitable<void> queue_metrics() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    const Registry registry = make_registry();
    const auto observer = make_queue_metrics(registry, "q");
    {
        WorkQueue queue(executor, clock, observer.get());
        EXPECT_TRUE(has(registry, R"(workqueue_depth{controller="q",name="q",priority="0"} 0)"));
        EXPECT_TRUE(has(registry, R"(workqueue_depth{controller="q",name="q",priority="-100"} 0)"));
        queue.add("a");
        queue.add("a");
        queue.add("b", kLowPriority);
        EXPECT_TRUE(has(registry, R"(workqueue_adds_total{controller="q",name="q"} 2)"));
        EXPECT_TRUE(has(registry, R"(workqueue_depth{controller="q",name="q",priority="-100"} 1)"));
        clock.advance(seconds(2));
        co_await queue.get({});
        clock.advance(seconds(3));
        co_await queue.get({});
        clock.advance(seconds(4));
        EXPECT_TRUE(has(registry, R"(workqueue_depth{controller="q",name="q",priority="0"} 0)"));
        EXPECT_TRUE(has(registry, R"(workqueue_queue_duration_seconds_sum{controller="q",name="q"} 7)"));
        EXPECT_TRUE(has(registry, R"(workqueue_unfinished_work_seconds{controller="q",name="q"} 11)"));
        EXPECT_TRUE(has(registry, R"(workqueue_longest_running_processor_seconds{controller="q",name="q"} 7)"));
        queue.done("a");
        queue.done("b");
        EXPECT_TRUE(has(registry, R"(workqueue_work_duration_seconds_count{controller="q",name="q"} 2)"));
        EXPECT_TRUE(has(registry, R"(workqueue_unfinished_work_seconds{controller="q",name="q"} 0)"));
        queue.add_rate_limited("a");
        EXPECT_TRUE(has(registry, R"(workqueue_retries_total{controller="q",name="q"} 1)"));
    }
    EXPECT_TRUE(has(registry, R"(workqueue_unfinished_work_seconds{controller="q",name="q"} 0)"))
        << "a queue that is gone is not asked";
}
TEST(QueueMetrics, NamesAndLabelsAreThoseOfControllerRuntime) {
    test::run_coro(queue_metrics());
}

TEST(QueueMetrics, ManyPrioritiesDoNotMakeManySeries) {
    const Registry registry = make_registry();
    const auto observer = make_queue_metrics(registry, "q");
    for (int priority = 1; priority <= 1000; ++priority) observer->on_depth(priority, 1);
    const std::string text = render_metrics(registry);
    std::size_t series = 0;
    for (std::size_t at = 0; (at = text.find("workqueue_depth{", at)) != std::string::npos; ++at) ++series;
    EXPECT_EQ(series, 26U);
    EXPECT_TRUE(text.contains("priority=\"exceeded_cardinality_limit\""));
}

TEST(ReflectorMetrics, TellTheHealthOfACache) {
    test::ManualClock clock;
    const Registry registry = make_registry();
    auto observer = make_reflector_metrics(registry, clock, "op", "things");
    EXPECT_TRUE(has(registry, R"(op_reflector_synced{resource="things"} 0)"));
    observer->on_list_begin();
    observer->on_contact();
    observer->on_synced();
    observer->on_error("gone");
    observer->on_error("gone");
    observer->on_sink_error();
    clock.advance(seconds(90));
    EXPECT_TRUE(has(registry, R"(op_reflector_synced{resource="things"} 1)"));
    EXPECT_TRUE(has(registry, R"(op_reflector_seconds_since_event{resource="things"} 90)"));
    EXPECT_TRUE(has(registry, R"(op_reflector_relists_total{resource="things"} 1)"));
    EXPECT_TRUE(has(registry, R"(op_reflector_watch_errors_total{reason="gone",resource="things"} 2)"));
    EXPECT_TRUE(has(registry, R"(op_reflector_handler_errors_total{resource="things"} 1)"));
    observer.reset();
    clock.advance(seconds(90));
    EXPECT_TRUE(has(registry, R"(op_reflector_seconds_since_event{resource="things"} 90)"))
        << "one that is gone is not asked";
}

}  // namespace
}  // namespace kube
