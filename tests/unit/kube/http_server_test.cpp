#include "kube/net/http.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <stdexcept>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::ManualClock;
using test::MemoryStream;
using test::MemoryStreamOptions;

const std::string kDate = "Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n";

/// Answers "METHOD target body".
asio::awaitable<void> echo(const HttpExchange& exchange, HttpResponseWriter& writer) {
    HttpResponse response;
    response.body = exchange.request.method + " " + exchange.request.target + " " + exchange.request.body;
    co_await writer.respond(std::move(response));
}

asio::awaitable<void> throws(const HttpExchange&, HttpResponseWriter&) {
    throw std::runtime_error("secret detail");
    co_return;
}

asio::awaitable<void> says_nothing(const HttpExchange&, HttpResponseWriter&) {
    co_return;
}

asio::awaitable<void> streams(const HttpExchange&, HttpResponseWriter& writer) {
    co_await writer.begin(200, HttpHeaders());
    co_await writer.write("one");
    co_await writer.write("");
    co_await writer.write(std::string(17, 'x'));
}

asio::awaitable<void> streams_and_throws(const HttpExchange&, HttpResponseWriter& writer) {
    co_await writer.begin(200, HttpHeaders());
    co_await writer.write("one");
    throw std::runtime_error("late");
}

asio::awaitable<void> answers_no_content(const HttpExchange&, HttpResponseWriter& writer) {
    HttpResponse response;
    response.status = 204;
    response.headers.set("Content-Length", "7");
    co_await writer.respond(std::move(response));
}

asio::awaitable<void> forges_a_header(const HttpExchange&, HttpResponseWriter& writer) {
    HttpResponse response;
    response.headers.set("Location", "/\r\nSet-Cookie: a=b");
    const auto sent = co_await writer.respond(std::move(response));
    EXPECT_FALSE(sent);
}

asio::awaitable<void> streams_until_stopped(const HttpExchange& exchange, HttpResponseWriter& writer) {
    co_await writer.begin(200, HttpHeaders());
    while (!exchange.stop.stop_requested()) co_await test::settle();
}

/// One connection to `serve_http`.
struct Served {
    explicit Served(asio::any_io_executor executor, MemoryStreamOptions options = {})
        : streams(test::make_memory_stream_pair(executor, options)), executor_(executor) {}
    MemoryStream& client() { return *streams.first; }
    void start(HttpHandler handler) { test::spawn(executor_, run(*this, std::move(handler))); }
    static asio::awaitable<void> run(Served& self, HttpHandler handler) {
        co_await serve_http(self.clock, *self.streams.second, std::move(handler), self.options, self.stop.get_token());
        self.ended = true;
    }
    ManualClock clock;
    test::MemoryStreamPair streams;
    HttpServerOptions options;
    std::stop_source stop;
    bool ended = false;

  private:
    asio::any_io_executor executor_;
};

asio::awaitable<void> converse(std::string requests, HttpHandler handler, std::size_t split, std::string& answers,
                               std::vector<std::size_t>* writes) {
    const auto executor = co_await asio::this_coro::executor;
    MemoryStreamOptions options;
    options.read_limit = split;
    Served served(executor, options);
    served.options.max_body_bytes = 20;
    served.options.max_header_bytes = 200;
    served.start(std::move(handler));
    co_await served.client().write(requests);
    served.client().shut_down_write();
    answers = co_await served.client().read_to_end();
    co_await test::settle();
    EXPECT_TRUE(served.ended);
    EXPECT_EQ(served.clock.pending(), 0U) << "a timer outlived the connection";
    if (writes != nullptr) *writes = served.streams.second->write_sizes;
}

/// Everything the server says to `requests`, which is the same however they are split.
std::string converse(const std::string& requests, HttpHandler handler = echo,
                     std::vector<std::size_t>* writes = nullptr) {
    std::string whole;
    test::run_coro(converse(requests, handler, 1'000'000, whole, writes));
    for (const std::size_t split : {1UL, 3UL, 10UL}) {
        std::string answers;
        test::run_coro(converse(requests, handler, split, answers, nullptr));
        EXPECT_EQ(answers, whole) << "in pieces of " << split;
    }
    return whole;
}

std::string ok(const std::string& body, const std::string& extra = "") {
    return "HTTP/1.1 200 OK\r\n" + kDate + "Content-Length: " + std::to_string(body.size()) + "\r\n" + extra + "\r\n" +
           body;
}

TEST(HttpServer, AnswersWithHeaderAndBodyInOneWrite) {
    std::vector<std::size_t> writes;
    const std::string answer = converse("GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", echo, &writes);
    EXPECT_EQ(answer, ok("GET /a?b=c "));
    EXPECT_EQ(writes, std::vector<std::size_t>{answer.size()});
}

TEST(HttpServer, ReadsBodiesAndPipelinedRequests) {
    EXPECT_EQ(
        converse("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                 "\r\nPOST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x\r\nf\r\n0\r\n\r\n"
                 "GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n"),
        ok("POST /a abc") + ok("POST /b def") + ok("GET /c ", "Connection: close\r\n"));
}

TEST(HttpServer, SpeaksHttp10) {
    EXPECT_EQ(converse("GET / HTTP/1.0\r\n\r\n"), ok("GET / ", "Connection: close\r\n"));
    EXPECT_EQ(converse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), ok("GET / ", "Connection: keep-alive\r\n"));
    EXPECT_EQ(converse("GET / HTTP/1.0\r\n\r\n", streams),
              "HTTP/1.1 200 OK\r\n" + kDate + "Connection: close\r\n\r\none" + std::string(17, 'x'));
}

TEST(HttpServer, SendsNoBodyWhereNoneBelongs) {
    EXPECT_EQ(converse("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"),
              "HTTP/1.1 200 OK\r\n" + kDate + "Content-Length: 8\r\n\r\n");
    EXPECT_EQ(converse("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", streams),
              "HTTP/1.1 200 OK\r\n" + kDate + "Transfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(converse("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", answers_no_content),
              "HTTP/1.1 204 No Content\r\n" + kDate + "\r\n");
}

TEST(HttpServer, StreamsInChunks) {
    EXPECT_EQ(converse("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", streams),
              "HTTP/1.1 200 OK\r\n" + kDate +
                  "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\none\r\n11\r\n" + std::string(17, 'x') +
                  "\r\n0\r\n\r\n");
}

TEST(HttpServer, RefusesWhatItCannotServe) {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"400", "GET / HTTP/1.1\r\n\r\n"},
        {"400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {"400", "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
        {"400", "GARBAGE\r\n\r\n"},
        {"400", "GET / HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n"},
        {"400", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"400", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
        {"400", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"},
        {"400", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
        {"501", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"},
        {"417", "POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na"},
        {"413", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n" + std::string(21, 'x')},
        {"413", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n" + std::string(21, 'x')},
        {"431", "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(300, 'x') + "\r\n\r\n"},
        {"431", "GET /" + std::string(300, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n"},
    };
    for (const auto& [status, request] : rows) {
        SCOPED_TRACE(request.substr(0, 100));
        const std::string answer = converse(request);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status + " ")) << answer;
        EXPECT_TRUE(answer.contains("Connection: close\r\n")) << answer;
    }
}

TEST(HttpServer, CountsAHeaderThatComesInManySmallPieces) {
    std::string request = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (int i = 0; i < 100; ++i) request += "a: b\r\n";
    EXPECT_TRUE(converse(request + "\r\n").starts_with("HTTP/1.1 431 "));
}

TEST(HttpServer, HidesWhatAHandlerThrew) {
    const std::string answer = converse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", throws);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
    EXPECT_FALSE(answer.contains("secret"));
    EXPECT_TRUE(converse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", says_nothing).starts_with("HTTP/1.1 500 "));
    const std::string forged = converse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", forges_a_header);
    EXPECT_TRUE(forged.starts_with("HTTP/1.1 500 ") && !forged.contains("Set-Cookie")) << forged;
    EXPECT_TRUE(converse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", streams_and_throws).ends_with("3\r\none\r\n"))
        << "a stream that broke must not look complete";
}

asio::awaitable<void> waits_for_continue() {
    const auto executor = co_await asio::this_coro::executor;
    Served served(executor);
    served.start(echo);
    co_await served.client().write("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    const auto interim = co_await served.client().read_until("\r\n\r\n");
    EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    co_await served.client().write("hi");
    served.client().shut_down_write();
    const auto answer = co_await served.client().read_to_end();
    EXPECT_EQ(answer, ok("PUT / hi"));
}

TEST(HttpServer, TellsAClientThatAsksToSendItsBody) {
    test::run_coro(waits_for_continue());
}

asio::awaitable<void> is_late(std::string part, Duration limit, std::string expected) {
    const auto executor = co_await asio::this_coro::executor;
    Served served(executor);
    served.start(echo);
    co_await served.client().write(part);
    co_await test::settle();
    served.clock.advance(limit - std::chrono::milliseconds(1));
    co_await test::settle();
    EXPECT_FALSE(served.ended);
    served.clock.advance(std::chrono::milliseconds(1));
    const auto answer = co_await served.client().read_to_end();
    EXPECT_EQ(answer.substr(0, expected.size()), expected);
    EXPECT_EQ(answer.empty(), expected.empty());
    co_await test::settle();
    EXPECT_TRUE(served.ended);
}

TEST(HttpServer, EndsConnectionsThatTakeTooLong) {
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    test::run_coro(is_late("GET / HT", std::chrono::seconds(10), "HTTP/1.1 408 "));
    test::run_coro(is_late(head + "ab", std::chrono::seconds(30), "HTTP/1.1 408 "));
    test::run_coro(is_late("", std::chrono::seconds(120), ""));
    test::run_coro(is_late(head + "abc", std::chrono::seconds(120), ok("POST / abc")));
}

asio::awaitable<void> does_not_read() {
    const auto executor = co_await asio::this_coro::executor;
    MemoryStreamOptions options;
    options.capacity = 100;
    Served served(executor, options);
    served.start(echo);
    co_await served.client().write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    co_await test::settle();
    served.clock.advance(std::chrono::seconds(30));
    co_await test::settle();
    EXPECT_FALSE(served.ended) << "the answer fits";
    co_await served.client().write("GET /" + std::string(60, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n");
    co_await test::settle();
    served.clock.advance(std::chrono::seconds(30));
    co_await test::settle();
    EXPECT_TRUE(served.ended);
}

TEST(HttpServer, EndsAConnectionWhosePeerDoesNotRead) {
    test::run_coro(does_not_read());
}

asio::awaitable<void> leaves_a_stream() {
    const auto executor = co_await asio::this_coro::executor;
    Served served(executor);
    served.start(streams_until_stopped);
    co_await served.client().write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    co_await served.client().read_until("\r\n\r\n");
    co_await test::settle();
    EXPECT_FALSE(served.ended);
    served.client().close();
    co_await test::settle();
    co_await test::settle();
    EXPECT_TRUE(served.ended);
}

TEST(HttpServer, NoticesThatThePeerOfAStreamLeft) {
    test::run_coro(leaves_a_stream());
}

asio::awaitable<void> follows_a_stream() {
    const auto executor = co_await asio::this_coro::executor;
    Served served(executor);
    served.start(streams);
    co_await served.client().write("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    const auto first = co_await served.client().read_until("0\r\n\r\n");
    co_await served.client().write("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    const auto second = co_await served.client().read_until("0\r\n\r\n");
    EXPECT_EQ(first, second) << "the read that watched for a hang-up must not lose the next request";
    EXPECT_FALSE(second.empty());
    served.clock.advance(std::chrono::seconds(120));
    co_await test::settle();
    EXPECT_TRUE(served.ended);
}

TEST(HttpServer, KeepsTheConnectionAfterAStream) {
    test::run_coro(follows_a_stream());
}

asio::awaitable<void> is_stopped(std::string request, std::string expected_end) {
    const auto executor = co_await asio::this_coro::executor;
    Served served(executor);
    served.start(streams_until_stopped);
    co_await served.client().write(request);
    co_await test::settle();
    served.stop.request_stop();
    const auto answer = co_await served.client().read_to_end();
    EXPECT_TRUE(answer.ends_with(expected_end)) << answer;
    EXPECT_EQ(answer.empty(), expected_end.empty());
    co_await test::settle();
    EXPECT_TRUE(served.ended);
}

TEST(HttpServer, StopEndsIdleConnectionsAndLetsStreamsFinish) {
    test::run_coro(is_stopped("", ""));
    test::run_coro(is_stopped("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "0\r\n\r\n"));
}

}  // namespace
}  // namespace kube
