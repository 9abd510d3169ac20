#include "kube/net/http.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::ManualClock;
using test::MemoryListener;
using test::MemoryStream;

/// A running `HttpServer`. Its handler answers "/" at once; other paths wait until the server cuts the connection.
struct Fixture {
    explicit Fixture(asio::any_io_executor executor, HttpServerOptions options = {})
        : gate(executor), executor_(executor) {
        auto made = std::make_unique<MemoryListener>(executor);
        listener = made.get();
        server = std::make_unique<HttpServer>(
            executor, clock, std::move(made),
            [this](const HttpExchange& exchange, HttpResponseWriter& writer) {
                return answer(*this, exchange, writer);
            },
            options);
    }
    void start() { test::spawn(executor_, run(*this)); }
    static asio::awaitable<void> run(Fixture& self) {
        co_await self.server->run(self.stop.get_token());
        self.ended = true;
    }
    static asio::awaitable<void> answer(Fixture& self, const HttpExchange& exchange, HttpResponseWriter& writer) {
        ++self.exchanges;
        if (exchange.request.target != "/") co_await self.gate.wait();
        HttpResponse response;
        response.body = "done";
        co_await writer.respond(std::move(response));
    }

    ManualClock clock;
    MemoryListener* listener = nullptr;
    Signal gate;
    std::unique_ptr<HttpServer> server;
    std::stop_source stop;
    int exchanges = 0;
    bool ended = false;

  private:
    asio::any_io_executor executor_;
};

asio::awaitable<std::string> get(MemoryStream& stream, std::string target) {
    co_await stream.write("GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    auto answer = co_await stream.read_to_end();
    co_return answer;
}

asio::awaitable<void> too_many() {
    const auto executor = co_await asio::this_coro::executor;
    HttpServerOptions options;
    options.max_connections = 2;
    Fixture fixture(executor, options);
    fixture.start();
    const auto first = fixture.listener->connect();
    auto second = fixture.listener->connect();
    const auto third = fixture.listener->connect();
    const auto closed = co_await first->read_to_end();
    EXPECT_EQ(closed, "") << "the oldest makes room";
    const auto served = co_await get(*second, "/");
    EXPECT_TRUE(served.ends_with("done"));
    co_await test::settle();
    const auto fourth = fixture.listener->connect();
    const auto again = co_await get(*fourth, "/");
    EXPECT_TRUE(again.ends_with("done")) << "a place that became free is given away again";
    const auto last = co_await get(*third, "/");
    EXPECT_TRUE(last.ends_with("done")) << "nobody had to make room for that";
    fixture.stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(fixture.ended);
}

TEST(HttpServerRun, LimitsConnections) {
    test::run_coro(too_many());
}

asio::awaitable<void> thousand() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture fixture(executor);
    fixture.start();
    // Half of them never send a whole header, and nobody waits for them.
    std::vector<std::unique_ptr<MemoryStream>> clients;
    for (int i = 0; i < 1000; ++i) clients.push_back(fixture.listener->connect());
    for (std::size_t i = 0; i < clients.size(); ++i) {
        const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n";
        co_await clients[i]->write(i % 2 == 0 ? request + "\r\n" : request);
    }
    co_await test::settle();
    EXPECT_EQ(fixture.exchanges, 500);
    for (std::size_t i = 0; i < clients.size(); i += 2) {
        const auto answer = co_await clients[i]->read_until("done");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    }
    fixture.clock.advance(std::chrono::seconds(10));
    for (std::size_t i = 1; i < clients.size(); i += 2) {
        const auto answer = co_await clients[i]->read_to_end();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
    }
    fixture.stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(fixture.ended);
}

TEST(HttpServerRun, ServesAThousandConnectionsOfWhichHalfAreSlow) {
    test::run_coro(thousand());
}

asio::awaitable<void> drains(bool finishes) {
    const auto executor = co_await asio::this_coro::executor;
    Fixture fixture(executor);
    fixture.start();
    const auto idle = fixture.listener->connect();
    const auto busy = fixture.listener->connect();
    co_await busy->write("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    co_await test::settle();
    EXPECT_EQ(fixture.exchanges, 1);
    fixture.stop.request_stop();
    co_await test::settle();
    const auto nothing = co_await idle->read_to_end();
    EXPECT_EQ(nothing, "");
    EXPECT_FALSE(fixture.ended) << "an exchange still runs";
    if (!finishes) fixture.clock.advance(std::chrono::seconds(5));
    fixture.gate.notify_all();
    const auto answer = co_await busy->read_to_end();
    EXPECT_EQ(answer.ends_with("done"), finishes);
    EXPECT_EQ(answer.contains("Connection: close"), finishes);
    co_await test::settle();
    EXPECT_TRUE(fixture.ended);
}

TEST(HttpServerRun, LetsExchangesFinishForAWhileAndThenCutsThem) {
    test::run_coro(drains(true));
    test::run_coro(drains(false));
}

asio::awaitable<void> cannot_accept() {
    const auto executor = co_await asio::this_coro::executor;
    Fixture fixture(executor);
    Error error;
    error.message = "accept: too many open files";
    fixture.listener->fail_next(error);
    fixture.start();
    const auto client = fixture.listener->connect();
    co_await test::settle();
    EXPECT_EQ(fixture.clock.pending(), 1U) << "it pauses instead of spinning";
    fixture.clock.advance(std::chrono::milliseconds(100));
    const auto answer = co_await get(*client, "/");
    EXPECT_TRUE(answer.ends_with("done"));
    fixture.stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(fixture.ended);
}

TEST(HttpServerRun, SurvivesAcceptErrors) {
    test::run_coro(cannot_accept());
}

}  // namespace
}  // namespace kube
