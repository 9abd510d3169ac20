// What a server does with callers who are too many, too slow, too large or not allowed: genuine ones still get in.
#include "kube/net/certificates.hpp"
#include "kube/net/http.hpp"
#include "kube/net/tls.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::MemoryStream;

struct CountRefusals final : HttpServerObserver {
    void on_refused(std::string_view why) override { ++count[std::string(why)]; }
    std::map<std::string, int> count;
};

asio::awaitable<void> echo_length(const HttpExchange& exchange, HttpResponseWriter& writer) {
    HttpResponse response;
    response.body = std::to_string(exchange.request.body.size());
    co_await writer.respond(std::move(response));
}

/// A server over memory whose handler waits at "/slow".
struct Limited {
    Limited(asio::any_io_executor executor, HttpServerOptions options) : gate(executor), executor_(executor) {
        options.observer = &refusals;
        auto made = std::make_unique<test::MemoryListener>(executor);
        listener = made.get();
        server = std::make_unique<HttpServer>(
            executor, clock, std::move(made),
            [this](const HttpExchange& exchange, HttpResponseWriter& writer) {
                return answer(*this, exchange, writer);
            },
            options);
        test::spawn(executor, server->run(stop.get_token()));
    }
    static asio::awaitable<void> answer(Limited& self, const HttpExchange& exchange, HttpResponseWriter& writer) {
        if (exchange.request.target == "/slow") co_await self.gate.wait();
        co_await echo_length(exchange, writer);
    }
    asio::awaitable<std::unique_ptr<MemoryStream>> connect(std::string bytes = "") {
        auto stream = listener->connect();
        co_await stream->write(bytes);
        co_await test::settle();
        co_return stream;
    }
    asio::awaitable<void> end() {
        stop.request_stop();
        gate.notify_all();
        co_await test::settle();
        clock.advance(std::chrono::seconds(5));
        co_await test::settle();
    }

    test::ManualClock clock;
    CountRefusals refusals;
    test::MemoryListener* listener = nullptr;
    Signal gate;
    std::unique_ptr<HttpServer> server;
    std::stop_source stop;

  private:
    asio::any_io_executor executor_;
};

const std::string kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kSlow = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";

std::string post(std::size_t announced, std::size_t sent) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(announced) + "\r\n\r\n" +
           std::string(sent, 'x');
}

asio::awaitable<void> makes_room() {
    HttpServerOptions options;
    options.max_connections = 3;
    Limited server(co_await asio::this_coro::executor, options);
    const auto busy = co_await server.connect(kSlow);
    const auto genuine = co_await server.connect(kGet);
    const auto answered = co_await genuine->read_until("\r\n\r\n0");
    EXPECT_TRUE(answered.starts_with("HTTP/1.1 200 ")) << answered;
    const auto silent = co_await server.connect();
    // Whoever has never sent a request goes before one that has, though that has been idle for longer.
    const auto unfinished = co_await server.connect("GET / HT");
    const auto nothing = co_await silent->read_to_end();
    EXPECT_EQ(nothing, "");
    const auto fourth = co_await server.connect(kSlow);
    const auto none = co_await unfinished->read_to_end();
    EXPECT_EQ(none, "");
    co_await genuine->write(kGet);
    const auto again = co_await genuine->read_until("\r\n\r\n0");
    EXPECT_TRUE(again.starts_with("HTTP/1.1 200 ")) << again;
    // Then the idle one; those that are being answered never.
    const auto fifth = co_await server.connect(kSlow);
    const auto end = co_await genuine->read_to_end();
    EXPECT_EQ(end, "");
    EXPECT_EQ(server.refusals.count["connections"], 3);
    const auto refused = co_await server.connect(kGet);
    const auto no_answer = co_await refused->read_to_end();
    EXPECT_EQ(no_answer, "") << "every connection is busy";
    server.gate.notify_all();
    for (const auto* const stream : {&busy, &fourth, &fifth}) {
        const auto late = co_await (*stream)->read_until("\r\n\r\n0");
        EXPECT_TRUE(late.starts_with("HTTP/1.1 200 ")) << late;
    }
    co_await server.end();
}

TEST(HttpLimits, TheConnectionLeastLikelyToBeGenuineGoesFirst) {
    test::run_coro(makes_room());
}

asio::awaitable<void> bounds_bodies() {
    HttpServerOptions options;
    options.max_body_bytes = 1000;
    options.max_total_body_bytes = 2600;
    Limited server(co_await asio::this_coro::executor, options);
    std::vector<std::unique_ptr<MemoryStream>> slow;
    for (int i = 0; i < 3; ++i) slow.push_back(co_await server.connect(post(1000, 800)));
    EXPECT_EQ(server.refusals.count["memory"], 0) << "2400 bytes are allowed";
    const auto genuine = co_await server.connect(post(1000, 1000));
    const auto answered = co_await genuine->read_until("\r\n\r\n1000");
    EXPECT_TRUE(answered.starts_with("HTTP/1.1 200 ")) << answered;
    EXPECT_EQ(server.refusals.count["memory"], 1);
    const auto oldest = co_await slow[0]->read_to_end();
    EXPECT_EQ(oldest, "") << "the one that is unfinished for longest";
    // What was answered is held no more.
    for (int i = 0; i < 20; ++i) {
        const auto next = co_await server.connect(post(900, 900));
        const auto answer = co_await next->read_until("\r\n\r\n900");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    }
    EXPECT_EQ(server.refusals.count["memory"], 1);
    co_await slow[1]->write(std::string(200, 'x'));
    const auto finished = co_await slow[1]->read_until("\r\n\r\n1000");
    EXPECT_TRUE(finished.starts_with("HTTP/1.1 200 ")) << finished;
    co_await server.end();
}

TEST(HttpLimits, BodiesOfAllConnectionsTogetherAreBounded) {
    test::run_coro(bounds_bodies());
}

asio::awaitable<void> ends_after(std::string& answers) {
    HttpServerOptions options;
    options.max_requests = 2;
    Limited server(co_await asio::this_coro::executor, options);
    const auto stream = co_await server.connect(kGet + kGet + kGet);
    answers = co_await stream->read_to_end();
    co_await server.end();
}

TEST(HttpLimits, AConnectionEndsAfterSoManyRequests) {
    std::string answers;
    test::run_coro(ends_after(answers));
    const std::size_t second = answers.find("HTTP/1.1 200", 1);
    ASSERT_NE(second, std::string::npos) << answers;
    EXPECT_FALSE(answers.substr(0, second).contains("Connection: close")) << answers;
    EXPECT_TRUE(answers.substr(second).contains("Connection: close")) << "the client is told: " << answers;
    EXPECT_EQ(answers.find("HTTP/1.1 200", second + 1), std::string::npos) << answers;
}

asio::awaitable<void> asks_who() {
    HttpServerOptions options;
    options.check_peer = [](const std::optional<PeerCertificate>& peer) {
        return peer && peer->common_name == "api-server" ? std::string() : std::string("who are you?");
    };
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    CountRefusals refusals;
    options.observer = &refusals;
    for (const std::string name : {"", "somebody", "api-server"}) {
        auto [client, server] = test::make_memory_stream_pair(executor);
        if (!name.empty()) server->peer = PeerCertificate{.common_name = name, .organizations = {}};
        // The body is not waited for: a stranger sends none of it into our memory.
        co_await client->write(post(1000, name == "api-server" ? 1000 : 0));
        client->shut_down_write();
        co_await serve_http(clock, *server, echo_length, options, {});
        const auto answer = co_await client->read_to_end();
        EXPECT_TRUE(answer.starts_with(name == "api-server" ? "HTTP/1.1 200 " : "HTTP/1.1 403 ")) << answer;
    }
    EXPECT_EQ(refusals.count["client_certificate"], 2);
}

TEST(HttpLimits, WhoMayNotCallIsRefusedBeforeTheBody) {
    test::run_coro(asks_who());
}

/// A TLS server on loopback, and what a caller needs to verify it.
struct TlsServer {
    explicit TlsServer(asio::any_io_executor executor, HttpServerOptions options) : clock(make_system_clock(executor)) {
        const auto now = clock->now();
        const auto ca = make_certificate_authority("ca", now, std::chrono::hours(1));
        LeafOptions leaf;
        leaf.ip_addresses = {"127.0.0.1"};
        const auto pair = issue_certificate(*ca, leaf, now, std::chrono::hours(1));
        trust.ca_pem = ca->certificate_pem;
        auto context = *make_tls_server_context(
            {.certificate_pem = pair->certificate_pem, .key_pem = pair->key_pem, .client_ca_pem = {}});
        auto listener = *make_tcp_listener(executor, *clock, "127.0.0.1", 0, [context] { return context; });
        port = listener->port();
        server = std::make_unique<HttpServer>(executor, *clock, std::move(listener), echo_length, options);
        test::spawn(executor, server->run(stop.get_token()));
    }
    std::unique_ptr<Clock> clock;
    TlsClientConfig trust;
    std::unique_ptr<HttpServer> server;
    unsigned short port = 0;
    std::stop_source stop;
};

asio::awaitable<void> hold_out() {
    const auto executor = co_await asio::this_coro::executor;
    HttpServerOptions options;
    options.max_connections = 50;
    options.max_body_bytes = 500'000;
    options.max_total_body_bytes = 1'000'000;
    CountRefusals refusals;
    options.observer = &refusals;
    TlsServer server(executor, options);
    const auto plain = *make_tcp_transport(executor, *server.clock, "127.0.0.1", server.port, std::nullopt);
    const auto tls = *make_tcp_transport(executor, *server.clock, "127.0.0.1", server.port, server.trust);
    std::vector<std::unique_ptr<ByteStream>> callers;
    Duration slowest{};
    for (int i = 0; i < 1000; ++i) {
        // A quarter each: silent before the handshake, garbage instead of one, half a header, most of a large body.
        auto stream = i % 4 < 2 ? co_await plain->connect({}) : co_await tls->connect({});
        EXPECT_TRUE(stream) << stream.error().message;
        if (!stream) continue;
        if (i % 4 == 1) co_await (*stream)->write("GET / HTTP/1.1\r\n\r\n");
        if (i % 4 == 2) co_await (*stream)->write("POST / HTTP/1.1\r\nHost: h\r\nX: ");
        if (i % 4 == 3) co_await (*stream)->write(post(500'000, 100'000));
        callers.push_back(std::move(*stream));
        if (i % 20 != 19) continue;
        const SteadyTime begun = server.clock->steady_now();
        auto genuine = co_await tls->connect({});
        EXPECT_TRUE(genuine) << "after " << i << ": " << genuine.error().message;
        if (!genuine) continue;
        HttpClientConnection connection(std::move(*genuine));
        HttpRequest review;
        review.method = "POST";
        review.body = std::string(10'000, 'x');
        const auto sent = co_await connection.send(review, "h");
        EXPECT_TRUE(sent) << "after " << i << ": " << sent.error().message;
        const auto answer = co_await connection.read_whole_body(100);
        EXPECT_TRUE(answer && *answer == "10000") << "after " << i;
        connection.close();
        slowest = std::max(slowest, server.clock->steady_now() - begun);
    }
    EXPECT_LT(slowest, std::chrono::seconds(1));
    EXPECT_GE(refusals.count["connections"], 100);
    EXPECT_GT(refusals.count["handshake"], 100);
    EXPECT_GT(refusals.count["memory"], 0);
    for (const auto& caller : callers) caller->close();
    server.stop.request_stop();
    co_await test::settle();
}

TEST(HttpLimits, GenuineCallersAreAnsweredAmongAThousandHostileOnes) {
    test::run_coro(hold_out());
}

}  // namespace
}  // namespace kube
