#include "kube/runtime/endpoints.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <utility>

namespace kube {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> get(HttpHandler handler, std::string target, std::string& answer) {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    auto [client, server] = test::make_memory_stream_pair(executor);
    co_await client->write("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
    client->shut_down_write();
    co_await serve_http(clock, *server, handler, {}, {});
    answer = co_await client->read_to_end();
}

/// Status and body.
using Answer = std::pair<std::string, std::string>;

Answer ask(const HttpHandler& handler, const std::string& target) {
    std::string answer;
    test::run_coro(get(handler, target, answer));
    return {answer.substr(9, 3), answer.substr(answer.find("\r\n\r\n") + 4)};
}

HealthCheck is_well() {
    return [] { return std::string(); };
}
HealthCheck is_ill() {
    return [] { return std::string("secret reason"); };
}

TEST(HealthEndpoints, AnswerAsControllerRuntimeDoes) {
    const auto handler = make_health_handler({{"loop", is_well()}, {"leader", is_well()}},
                                             {{"caches", is_ill()}, {"webhooks", is_well()}});
    EXPECT_EQ(ask(handler, "/healthz"), Answer("200", "ok"));
    EXPECT_EQ(ask(handler, "/livez"), Answer("200", "ok"));
    EXPECT_EQ(ask(handler, "/healthz?verbose"), Answer("200", "[+]leader ok\n[+]loop ok\nhealthz check passed\n"));
    EXPECT_EQ(ask(handler, "/healthz/leader"), Answer("200", "ok"));
    EXPECT_EQ(ask(handler, "/readyz"),
              Answer("503", "[-]caches failed: reason withheld\n[+]webhooks ok\nreadyz check failed\n"));
    EXPECT_EQ(ask(handler, "/readyz?exclude=caches"), Answer("200", "ok"));
    EXPECT_EQ(ask(handler, "/readyz?verbose=1&exclude=caches&exclude=nothing"),
              Answer("200", "[+]caches excluded: ok\n[+]webhooks ok\nreadyz check passed\n"));
    EXPECT_EQ(ask(handler, "/readyz/webhooks"), Answer("200", "ok"));
    EXPECT_EQ(ask(handler, "/readyz/caches").first, "503");
    EXPECT_EQ(ask(handler, "/readyz/nothing").first, "404");
    EXPECT_EQ(ask(handler, "/healthzz").first, "404");
}

TEST(HealthEndpoints, AFailedLivenessCheckIs500AndKeepsItsReason) {
    const auto handler = make_health_handler({{"leader", is_ill()}}, {});
    for (const char* path : {"/healthz", "/healthz?verbose", "/healthz/leader"}) {
        const auto answer = ask(handler, path);
        EXPECT_EQ(answer.first, "500");
        EXPECT_FALSE(answer.second.contains("secret")) << answer.second;
    }
    EXPECT_EQ(ask(handler, "/readyz?verbose"), Answer("200", "[+]ping ok\nreadyz check passed\n"));
}

TEST(HealthEndpoints, ClocksThatDriftApartFailTheirCheck) {
    test::ManualClock clock;
    const auto check = make_clock_check(clock);
    clock.advance(std::chrono::hours(1000));
    EXPECT_EQ(check(), "") << "both clocks moved";
    clock.set_wall(clock.now() + std::chrono::minutes(4));
    EXPECT_EQ(check(), "");
    clock.set_wall(clock.now() + std::chrono::minutes(1));
    EXPECT_NE(check(), "");
    clock.set_wall(clock.now() - std::chrono::minutes(11));
    EXPECT_NE(check(), "") << "in the other direction";
    clock.set_wall(clock.now() + std::chrono::minutes(6));
    EXPECT_EQ(check(), "");
}

TEST(MetricsEndpoint, ServesOnePathOnly) {
    const auto handler = make_metrics_handler(make_registry(), nullptr);
    const auto [status, body] = ask(handler, "/metrics");
    EXPECT_EQ(status, "200");
    for (const char* name :
         {"process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes",
          "process_virtual_memory_bytes", "process_virtual_memory_max_bytes", "process_start_time_seconds",
          "process_network_receive_bytes_total", "process_network_transmit_bytes_total"}) {
        EXPECT_TRUE(body.contains("\n" + std::string(name) + " ")) << name;
    }
    EXPECT_EQ(ask(handler, "/").first, "404");
}

}  // namespace
}  // namespace kube
