#include "kube/net/http.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::MemoryStream;
using test::MemoryStreamOptions;

/// What a client makes of a server's bytes.
struct Outcome {
    Result<HttpResponse> head;
    Result<std::string> body;
    bool reached = false;
    bool reusable = false;
    std::string sent;  ///< What the server received.
};

struct Script {
    Script(std::string answer, bool closes = false) : bytes(std::move(answer)), closes_after(closes) {}
    std::string bytes;
    bool closes_after;
};

asio::awaitable<void> play_server(MemoryStream& stream, Script script, std::string& received) {
    received = co_await stream.read_until("\r\n\r\n");
    co_await stream.write(script.bytes);
    if (script.closes_after) stream.shut_down_write();
}

asio::awaitable<void> ask(HttpRequest request, Script script, MemoryStreamOptions options, Outcome& outcome) {
    const auto executor = co_await asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor, options);
    test::spawn(executor, play_server(*server, std::move(script), outcome.sent));
    HttpClientConnection connection(std::move(client));
    outcome.head = co_await connection.send(request, "api.test:6443");
    if (outcome.head) outcome.body = co_await connection.read_whole_body(1 << 20);
    outcome.reached = connection.reached_peer();
    outcome.reusable = connection.reusable();
    connection.close();
    co_await test::settle();
}

Outcome ask(const HttpRequest& request, const Script& script, MemoryStreamOptions options = {}) {
    Outcome outcome;
    test::run_coro(ask(request, script, options, outcome));
    return outcome;
}

struct Row {
    const char* name;
    const char* method;
    std::string answer;
    bool closes;
    int status;
    std::string body;
    bool reusable;
};

const std::vector<Row>& good_rows() {
    static const std::vector<Row> rows = {
        {"content length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", true},
        {"empty body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, "", true},
        {"chunks", "GET",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n", false,
         200, "abc0123456789", true},
        {"trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
         false, 200, "a", true},
        {"no content", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true},
        {"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, 304, "", true},
        {"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false, 200, "", true},
        {"head of chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 200, "", true},
        {"connection close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", true, 200,
         "ok", false},
        {"body to the end", "GET", "HTTP/1.1 200 OK\r\n\r\nall of it", true, 200, "all of it", false},
        {"http 1.0", "GET", "HTTP/1.0 200 OK\r\n\r\nold", true, 200, "old", false},
        {"interim answers", "POST",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n"
         "Content-Length: 1\r\n\r\n!",
         false, 201, "!", true},
        {"no reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\na", false, 200, "a", true},
        {"unasked bytes", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP", false, 200, "a", false},
    };
    return rows;
}

TEST(HttpClient, ReadsResponsesHoweverTheyAreSplit) {
    for (const Row& row : good_rows()) {
        for (const std::size_t split : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
            HttpRequest request;
            request.method = row.method;
            MemoryStreamOptions options;
            options.read_limit = split;
            const Outcome outcome = ask(request, Script(row.answer, row.closes), options);
            SCOPED_TRACE(std::string(row.name) + ", pieces of " + std::to_string(split));
            ASSERT_TRUE(outcome.head) << outcome.head.error().message;
            ASSERT_TRUE(outcome.body) << outcome.body.error().message;
            EXPECT_EQ(outcome.head->status, row.status);
            EXPECT_EQ(*outcome.body, row.body);
            // Bytes behind the response are seen only when they came with it.
            if (std::string_view(row.name) != "unasked bytes" || split == 1000) {
                EXPECT_EQ(outcome.reusable, row.reusable);
            }
        }
    }
}

TEST(HttpClient, KeepsHeadersInOrderAndFindsThemIgnoringCase) {
    const Outcome outcome = ask(HttpRequest(), Script("HTTP/1.1 200 OK\r\nWarning: 299 - \"a\"\r\nRetry-After: 5\r\n"
                                                      "warning: 299 - \"b, \\\"c\\\"\"\r\nContent-Length: 0\r\n\r\n"));
    ASSERT_TRUE(outcome.head);
    EXPECT_EQ(outcome.head->headers.get("retry-after"), "5");
    const std::vector<std::string_view> warnings = outcome.head->headers.get_all("WARNING");
    EXPECT_EQ(warnings, (std::vector<std::string_view>{"299 - \"a\"", "299 - \"b, \\\"c\\\"\""}));
    EXPECT_EQ(outcome.head->headers.get("absent"), "");
}

TEST(HttpClient, BrokenResponsesAreErrorsOfTheRightKind) {
    const std::vector<std::tuple<std::string, ErrorKind, bool>> rows = {
        {"", ErrorKind::transport, false},
        {"HTTP/1.1 200 OK\r\nContent-", ErrorKind::transport, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ErrorKind::transport, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ErrorKind::transport, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ErrorKind::transport, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorKind::malformed, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ErrorKind::malformed, true},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", ErrorKind::malformed, true},
        {"HTTP/2.0 200 OK\r\n\r\n", ErrorKind::malformed, true},
        {"\x15\x03\x03 a TLS record\r\n\r\n", ErrorKind::malformed, true},
        {"HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x') + "\r\n\r\n", ErrorKind::malformed, true},
    };
    for (const auto& [answer, kind, reached] : rows) {
        for (const std::size_t split : {1UL, 100'000UL}) {
            if (split == 1 && answer.size() > 10'000) continue;  // the test stream would need minutes
            MemoryStreamOptions options;
            options.read_limit = split;
            const Outcome outcome = ask(HttpRequest(), Script(answer, true), options);
            SCOPED_TRACE(answer.substr(0, 80));
            const bool failed = !outcome.head || !outcome.body;
            ASSERT_TRUE(failed);
            const Error& error = outcome.head ? outcome.body.error() : outcome.head.error();
            EXPECT_EQ(error.kind, kind) << error.message;
            EXPECT_EQ(outcome.reached, reached);
            EXPECT_FALSE(outcome.reusable);
        }
    }
}

TEST(HttpClient, WritesTheRequestAsOnePieceOfCleanBytes) {
    HttpRequest request;
    request.method = "PATCH";
    request.target = "/api/v1/pods?x=y";
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Content-Length", "999");
    request.body = "{}";
    const Outcome outcome = ask(request, Script("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_EQ(outcome.sent,
              "PATCH /api/v1/pods?x=y HTTP/1.1\r\nHost: api.test:6443\r\nContent-Type: application/json\r\n"
              "Content-Length: 2\r\n\r\n");
}

TEST(HttpClient, RefusesBytesThatWouldForgeARequest) {
    std::vector<HttpRequest> requests(5);
    requests[0].headers.set("Authorization", "Bearer secret\r\nX-Remote-User: admin");
    requests[1].headers.set("X: y\r\nZ", "1");
    requests[2].target = "/a b";
    requests[3].target = "/a\r\nHost: evil";
    requests[4].method = "GET /";
    for (const HttpRequest& request : requests) {
        Outcome outcome;
        outcome.head = HttpResponse();
        asio::awaitable<void> none = ask(request, Script("", true), {}, outcome);
        test::run_coro(std::move(none));
        ASSERT_FALSE(outcome.head);
        EXPECT_EQ(outcome.head.error().kind, ErrorKind::bad_request);
        EXPECT_FALSE(outcome.head.error().message.contains("secret"));
        EXPECT_EQ(outcome.sent, "");
    }
}

asio::awaitable<void> read_a_watch() {
    const auto executor = co_await asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor);
    HttpClientConnection connection(std::move(client));
    co_await server->write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n");
    const auto head = co_await connection.send(HttpRequest(), "h");
    EXPECT_TRUE(head);
    std::string body;
    auto more = co_await connection.read_body(body);
    EXPECT_TRUE(more && *more);
    EXPECT_EQ(body, "one\n") << "a piece must arrive without waiting for the end of its chunk";
    EXPECT_FALSE(connection.reusable());
    co_await server->write("\r\n2\r\ntw");
    more = co_await connection.read_body(body);
    EXPECT_EQ(body, "one\ntw");
    co_await server->write("\r\n0\r\n\r\n");
    more = co_await connection.read_body(body);
    EXPECT_TRUE(more && !*more);
    EXPECT_TRUE(connection.reusable());
    co_await server->write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    const auto second = co_await connection.send(HttpRequest(), "h");
    EXPECT_TRUE(second && second->status == 404);
    EXPECT_TRUE(connection.reusable());
}

TEST(HttpClient, GivesAWatchPieceByPieceAndReusesTheConnection) {
    test::run_coro(read_a_watch());
}

asio::awaitable<void> close_while_reading(HttpClientConnection& connection) {
    co_await test::settle();
    connection.close();
}

asio::awaitable<void> is_closed_from_outside() {
    const auto executor = co_await asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor);
    HttpClientConnection connection(std::move(client));
    test::spawn(executor, close_while_reading(connection));
    const auto head = co_await connection.send(HttpRequest(), "h");
    EXPECT_FALSE(head);
    EXPECT_EQ(head.error().kind, ErrorKind::cancelled);
    EXPECT_FALSE(connection.reached_peer());
    const auto again = co_await connection.send(HttpRequest(), "h");
    EXPECT_FALSE(again);
}

TEST(HttpClient, CloseEndsAPendingSend) {
    test::run_coro(is_closed_from_outside());
}

asio::awaitable<void> refuse_early(MemoryStream& server) {
    co_await server.read_until("\r\n\r\n");
    co_await server.write("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nbig");
    server.close();
}

asio::awaitable<void> is_refused_early() {
    const auto executor = co_await asio::this_coro::executor;
    MemoryStreamOptions options;
    options.capacity = 4096;
    auto [client, server] = test::make_memory_stream_pair(executor, options);
    HttpClientConnection connection(std::move(client));
    test::spawn(executor, refuse_early(*server));
    HttpRequest request;
    request.method = "POST";
    request.body = std::string(100'000, 'x');
    const auto head = co_await connection.send(request, "h");
    EXPECT_TRUE(head && head->status == 413) << "the answer counts even though the request was not taken to its end";
    const auto body = co_await connection.read_whole_body(100);
    EXPECT_TRUE(body && *body == "big");
    EXPECT_FALSE(connection.reusable());
}

TEST(HttpClient, HearsAServerThatRefusesBeforeTheEndOfTheRequest) {
    test::run_coro(is_refused_early());
}

asio::awaitable<void> reads_too_much() {
    const auto executor = co_await asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor);
    HttpClientConnection connection(std::move(client));
    co_await server->write("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world");
    co_await connection.send(HttpRequest(), "h");
    const auto body = co_await connection.read_whole_body(10);
    EXPECT_FALSE(body);
    EXPECT_EQ(body.error().kind, ErrorKind::malformed);
    EXPECT_FALSE(connection.reusable());
}

TEST(HttpClient, LimitsAWholeBody) {
    test::run_coro(reads_too_much());
}

asio::awaitable<void> write_large(MemoryStream& server, std::size_t size) {
    co_await server.read_until("\r\n\r\n");
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
    co_await server.write(answer + std::string(size, 'x'));
}

asio::awaitable<void> reads_a_large_list() {
    constexpr std::size_t kSize = std::size_t{20} << 20;  // Beast's own limit is 8 MB
    const auto executor = co_await asio::this_coro::executor;
    MemoryStreamOptions options;
    options.capacity = 256 * 1024;  // like a socket; the test stream erases from its front
    auto [client, server] = test::make_memory_stream_pair(executor, options);
    HttpClientConnection connection(std::move(client));
    test::spawn(executor, write_large(*server, kSize));
    co_await connection.send(HttpRequest(), "h");
    const auto body = co_await connection.read_whole_body(std::size_t{64} << 20);
    EXPECT_TRUE(body && body->size() == kSize);
}

TEST(HttpClient, HasNoLimitOfItsOwnForBodies) {
    test::run_coro(reads_a_large_list());
}

}  // namespace
}  // namespace kube
