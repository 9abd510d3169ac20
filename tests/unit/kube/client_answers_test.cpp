#include "tests/support/captured_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/unit/kube/client_calls.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;
using test::get;
using test::options;

Result<void> take_all(std::string_view) {
    return {};
}

asio::awaitable<void> warnings() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    HttpHeaders headers;
    headers.add("Warning", R"(299 - "old API")");
    headers.add("Warning", "nonsense");
    headers.add("Warning", R"(299 - "two\nlines", 299 - "gr)"
                           "\xc3\xbc"
                           R"(n")");
    for (int i = 0; i < 3; ++i) server.reply(200, "{}", headers);
    test::CapturedLog captured(log::Level::info);
    for (int i = 0; i < 3; ++i) co_await client.call(get("/x"));
    const std::string text = captured.text();
    for (const char* once : {"warning=\"old API\"", "warning=twonlines", "warning=gr\xc3\xbcn"}) {
        const std::size_t first = text.find(once);
        EXPECT_NE(first, std::string::npos) << once << " in " << text;
        EXPECT_EQ(text.find(once, first + 1), std::string::npos) << once << " in " << text;
    }
}
TEST(ClientAnswers, EachWarningIsLoggedOnce) {
    test::run_coro(warnings());
}

asio::awaitable<void> audit_id() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    HttpHeaders headers;
    headers.set("Audit-Id", "8d2c");
    headers.set("X-Kubernetes-PF-FlowSchema-UID", "f5");
    server.reply(429, "{}", headers);
    test::CapturedLog captured(log::Level::debug);
    co_await client.call(get("/x"));
    const std::string text = captured.text();
    EXPECT_TRUE(text.contains("status=429 auditID=8d2c flowSchemaUID=f5")) << text;
}
TEST(ClientAnswers, AuditIdAndFlowSchemaAreInTheDebugLog) {
    test::run_coro(audit_id());
}

asio::awaitable<void> error_bodies() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.reply(404, "404 page not found\n");
    const auto missing = co_await client.call(get("/x"));
    EXPECT_FALSE(missing);
    if (!missing) EXPECT_EQ(missing.error().message, "404 page not found\\u000a");
    server.reply(502, std::string(60000, 'x'));
    const auto gateway = co_await client.call(get("/x"));
    EXPECT_FALSE(gateway);
    if (!gateway) EXPECT_EQ(gateway.error().message, std::string(2048, 'x'));
    EXPECT_EQ(server.connections(), 1) << "a body that was read to its end costs no connection";
    server.reply(502, std::string(10 << 20, 'x'));
    const auto endless = co_await client.call(get("/x"));
    EXPECT_FALSE(endless);
    if (!endless) EXPECT_EQ(endless.error().kind, ErrorKind::server);
    EXPECT_EQ(client.idle_connections(), 0U);
}
TEST(ClientAnswers, ErrorBodiesAreCutAndTheConnectionIsReused) {
    test::run_coro(error_bodies());
}

/// A connection on which the peer has already said everything.
std::shared_ptr<Transport> saying(asio::any_io_executor executor, std::string bytes,
                                  std::vector<std::unique_ptr<test::MemoryStream>>& servers) {
    return std::make_shared<test::MemoryTransport>(
        [executor, bytes = std::move(bytes), &servers]() -> Result<std::unique_ptr<ByteStream>> {
            auto [client, server] = test::make_memory_stream_pair(executor);
            test::spawn(executor, [](test::MemoryStream& stream, std::string text) -> asio::awaitable<void> {
                co_await stream.write(text);
                stream.shut_down_write();
            }(*server, bytes));
            servers.push_back(std::move(server));
            return std::unique_ptr<ByteStream>(std::move(client));
        });
}

asio::awaitable<void> broken_answers() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    struct Row {
        std::string bytes;
        ErrorKind kind;
        std::string message;
    };
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    const Row rows[] = {
        {head + "Transfer-Encoding: chunked\r\n\r\n40\r\n{\"kind\"", ErrorKind::transport,
         "POST /things: connection closed inside the response body"},
        {head + "Content-Length: 100\r\n\r\n{\"kind\"", ErrorKind::transport,
         "POST /things: connection closed inside the response body"},
        {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorKind::malformed, "POST /things: "},
        {head + "X-Big: " + std::string(300 * 1024, 'x') + "\r\n\r\n", ErrorKind::malformed,
         "POST /things: HTTP response cannot be parsed: "},
        {"SSH-2.0-OpenSSH_9.6\r\n", ErrorKind::malformed, "POST /things: HTTP response cannot be parsed: "},
        {"HTTP/1.1 20", ErrorKind::transport, "POST /things: connection closed inside the response head"},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nno", ErrorKind::forbidden, "no"},
    };
    for (const Row& row : rows) {
        std::vector<std::unique_ptr<test::MemoryStream>> servers;
        Client client(saying(executor, row.bytes, servers), clock, options());
        const auto body = co_await client.call(test::post(false));
        EXPECT_FALSE(body) << row.bytes.substr(0, 80);
        if (body) continue;
        EXPECT_EQ(body.error().kind, row.kind) << body.error().message;
        EXPECT_TRUE(body.error().message.starts_with(row.message)) << body.error().message;
        EXPECT_EQ(client.idle_connections(), 0U);
    }
}
TEST(ClientAnswers, ABrokenAnswerIsAnErrorThatNamesTheRequest) {
    test::run_coro(broken_answers());
}

asio::awaitable<void> not_json() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    std::vector<std::unique_ptr<test::MemoryStream>> servers;
    const std::string page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    Client client(saying(executor, page, servers), clock, options());
    const auto listed = co_await client.stream(get("/x"), take_all);
    const auto watched = co_await client.watch(get("/x"), seconds(60), {});
    EXPECT_FALSE(listed || watched);
    if (!listed) EXPECT_EQ(listed.error().message, "GET /x: answered with text/html instead of application/json");
    if (!watched) EXPECT_EQ(watched.error().kind, ErrorKind::malformed);
}
TEST(ClientAnswers, AListOrWatchThatIsNotJsonIsNotReadFurther) {
    test::run_coro(not_json());
}

asio::awaitable<void> endless_line() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    server.stream({std::string(17 << 20, 'x')});
    const auto watch = co_await client.watch(get("/x"), seconds(60), {});
    EXPECT_TRUE(watch);
    if (watch) {
        const auto line = co_await (*watch)->next({});
        EXPECT_FALSE(line);
        if (!line) EXPECT_EQ(line.error().kind, ErrorKind::malformed);
    }
}
TEST(ClientAnswers, AWatchLineWithoutAnEndIsGivenUp) {
    test::run_coro(endless_line());
}

asio::awaitable<void> ages() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    std::vector<Duration> lives;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        ClientOptions seeded = options();
        seeded.seed = seed;
        Client client(server.transport(), clock, seeded);
        const int before = server.connections();
        Duration life{};
        for (; server.connections() < before + 2; life += seconds(10)) {
            server.reply(200, "{}");
            co_await client.call(get("/x"));
            clock.advance(seconds(10));
        }
        lives.push_back(life);
        EXPECT_GE(life, std::chrono::minutes(5));
        EXPECT_LE(life, std::chrono::minutes(10) + seconds(20));
    }
    EXPECT_TRUE(lives[0] != lives[1] || lives[1] != lives[2]) << "all at the same moment";
}
TEST(ClientAnswers, ABusyConnectionIsReplacedAfterFiveToTenMinutes) {
    test::run_coro(ages());
}

asio::awaitable<void> many_watches() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    Client client(server.transport(), clock, options());
    constexpr int kWatches = 1000;
    for (int i = 0; i < kWatches; ++i) {
        server.stream_open({"{}\n"});
        auto watch = co_await client.watch(get("/x"), seconds(60), {});
        EXPECT_TRUE(watch);
        if (!watch) co_return;
        if (i % 2 == 0) co_await (*watch)->next({});
    }
    co_await test::settle();
    EXPECT_EQ(server.connections(), kWatches);
    EXPECT_EQ(client.idle_connections(), 0U);
    // What remains are the server's own time-outs for idle connections, none of ours.
    clock.advance(seconds(200));
    co_await test::settle();
    EXPECT_EQ(clock.pending(), 0U);
}
TEST(ClientAnswers, AWatchThatIsLetGoLeavesNothingBehind) {
    test::run_coro(many_watches());
}

}  // namespace
}  // namespace kube
