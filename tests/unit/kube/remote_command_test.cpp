#include "kube/client/remote_command.hpp"

#include "kube/net/async_stream.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

namespace kube {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using test::ManualClock;
using test::MemoryStream;
using test::settle;
using namespace std::chrono_literals;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
const std::string kSuccess = "\3{\"kind\":\"Status\",\"status\":\"Success\"}";
const std::string kExit7 =
    "\3{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
    "\"message\":\"7\"}]}}";

/// What a server does once the socket is open and its messages are sent.
enum class End {
    close,    ///< Says good-bye, as kube-apiserver up to 1.36.
    wait,     ///< Waits for the client's good-bye, as newer ones.
    hang_up,  ///< Leaves without a word.
    stall,    ///< Does nothing at all.
};

struct Script {
    std::string answer = {};                     ///< Sent instead of an upgrade, where there is one.
    std::string protocol = "v5.channel.k8s.io";  ///< That it chooses; empty: none.
    std::vector<std::string> messages = {kSuccess};
    std::string raw = {};  ///< Sent behind the messages as it is.
    End end = End::close;
    bool text = false;      ///< The messages are text.
    std::size_t frame = 0;  ///< Messages are cut into frames of so many bytes; 0: not.
    bool ping = false;      ///< Before the messages.
    std::size_t cut_after = std::numeric_limits<std::size_t>::max();  ///< Bytes sent, after which the stream ends.
    std::size_t read_limit = std::numeric_limits<std::size_t>::max();
};

/// A stream that ends in the middle of what is written to it.
class CutStream final : public ByteStream {
  public:
    CutStream(MemoryStream& stream, std::size_t left) : stream_(stream), left_(left) {}
    asio::awaitable<Result<std::size_t>> read_some(std::span<char> buffer) override {
        return stream_.read_some(buffer);
    }
    asio::awaitable<Result<void>> write(std::string_view bytes) override {
        const std::string_view passed = bytes.substr(0, std::min(left_, bytes.size()));
        left_ -= passed.size();
        sent += passed.size();
        auto written = co_await stream_.write(passed);
        if (passed.size() < bytes.size()) {
            stream_.close();
            co_return fail(ErrorKind::transport, "cut");
        }
        co_return written;
    }
    void close() noexcept override { stream_.close(); }
    std::size_t sent = 0;

  private:
    MemoryStream& stream_;
    std::size_t left_;
};

/// Serves one connection after the other by the script, with Beast's WebSocket.
class Server {
  public:
    Server(asio::any_io_executor executor, Script script)
        : executor_(std::move(executor)), script_(std::move(script)) {}

    std::shared_ptr<Transport> transport() {
        return std::make_shared<test::MemoryTransport>([this]() -> Result<std::unique_ptr<ByteStream>> {
            auto [client, server] = test::make_memory_stream_pair(executor_, {.read_limit = script_.read_limit});
            test::spawn(executor_, serve(std::move(server)));
            return std::unique_ptr<ByteStream>(std::move(client));
        });
    }

    std::string target;
    std::map<std::string, std::string> headers;  ///< Of the last request.
    std::optional<unsigned> goodbye;             ///< The client's code.
    bool ponged = false;
    std::size_t sent = 0;
    int ended = 0;  ///< Connections that are over.

  private:
    asio::awaitable<void> serve(std::unique_ptr<MemoryStream> memory) {
        CutStream bytes(*memory, script_.cut_after);
        co_await act(bytes);
        sent = bytes.sent;
        bytes.close();
        ++ended;
    }

    asio::awaitable<void> act(CutStream& bytes) {
        beast::flat_buffer buffer;
        beast::http::request<beast::http::string_body> request;
        AsyncByteStream plain(executor_, bytes);
        const auto [unread, size] = co_await beast::http::async_read(plain, buffer, request, kTuple);
        if (unread) co_return;
        target = request.target();
        for (const auto& field : request) headers[std::string(field.name_string())] = field.value();
        if (!script_.answer.empty()) {
            co_await bytes.write(script_.answer);
            if (script_.end == End::stall) co_await wait_for_end(bytes);
            co_return;
        }
        websocket::stream<AsyncByteStream, false> socket(executor_, bytes);
        socket.set_option(websocket::stream_base::decorator([this](websocket::response_type& answer) {
            if (!script_.protocol.empty()) answer.set("Sec-WebSocket-Protocol", script_.protocol);
        }));
        socket.control_callback([this](websocket::frame_type kind, std::string_view) {
            if (kind == websocket::frame_type::pong) ponged = true;
        });
        const auto [refused] = co_await socket.async_accept(request, kTuple);
        if (refused) co_return;
        socket.binary(!script_.text);
        socket.auto_fragment(script_.frame > 0);
        if (script_.frame > 0) socket.write_buffer_bytes(script_.frame);
        if (script_.ping) co_await socket.async_ping("hello", kTuple);
        for (const std::string& message : script_.messages) {
            const auto [failed, count] = co_await socket.async_write(asio::buffer(message), kTuple);
            if (failed) co_return;
        }
        if (!script_.raw.empty()) co_await bytes.write(script_.raw);
        if (script_.end == End::stall) co_await wait_for_end(bytes);
        if (script_.end == End::close) co_await socket.async_close(websocket::close_code::normal, kTuple);
        if (script_.end != End::wait) co_return;
        const auto [closed, count] = co_await socket.async_read_some(asio::buffer(buffer.prepare(100)), kTuple);
        if (closed == websocket::error::closed) goodbye = socket.reason().code;
    }

    static asio::awaitable<void> wait_for_end(ByteStream& bytes) {
        std::string buffer(1000, '\0');
        for (;;) {
            const auto count = co_await bytes.read_some(buffer);
            if (!count || *count == 0) co_return;
        }
    }

    asio::any_io_executor executor_;
    Script script_;
};

ExecRequest request() {
    ExecRequest request;
    request.ns = "shop";
    request.pod = "web-0";
    request.container = "dbg";
    request.command = {"sh", "-c", "echo a&b=c"};
    request.timeout = 30s;
    return request;
}

using Outcome = std::optional<Result<ExecResult>>;

asio::awaitable<void> run_into(CommandRunner& runner, ExecRequest request, Outcome& outcome,
                               std::stop_token stop = {}) {
    auto result = co_await runner.run(std::move(request), stop);
    outcome = std::move(result);
}

/// One command against a server with that script, without any time passing.
asio::awaitable<Result<ExecResult>> run_against(Script script) {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    Server server(executor, std::move(script));
    const auto runner = make_command_runner(server.transport(), clock, {}, nullptr);
    auto result = co_await runner->run(request(), {});
    EXPECT_EQ(clock.pending(), 0U);
    co_await settle();
    EXPECT_EQ(server.ended, 1) << "the connection was left open";
    co_return result;
}

class SeenRequests final : public RequestObserver {
  public:
    void on_request(std::string_view method, std::string_view host, std::string_view code, Duration) override {
        lines.push_back(std::string(method) + " " + std::string(host) + " " + std::string(code));
    }
    std::vector<std::string> lines;
};

class SeenCredentials final : public Credentials {
  public:
    asio::awaitable<Result<HttpHeaders>> headers(std::stop_token) override {
        HttpHeaders headers;
        headers.add("Authorization", "Bearer t0ken");
        headers.add("Impersonate-Group", "a");
        co_return headers;
    }
    void reject(SteadyTime) override { ++rejected; }
    int rejected = 0;
};

TEST(RemoteCommand, RunsACommandOnAConnectionOfItsOwn) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        ManualClock clock;
        Server server(executor, {.messages = {"\1", "\1one\n", "\2oops", "\1two\n", kExit7}, .end = End::wait});
        SeenRequests seen;
        const auto credentials = std::make_shared<SeenCredentials>();
        const auto runner =
            make_command_runner(server.transport(), clock,
                                {.user_agent = "test/1", .path_prefix = "/prefix", .observer = &seen}, credentials);
        const auto result = co_await runner->run(request(), {});
        EXPECT_TRUE(result) << result.error().message;
        if (!result) co_return;
        EXPECT_EQ(result->output, "one\ntwo\n");
        EXPECT_EQ(result->error_output, "oops");
        EXPECT_EQ(result->exit_code, 7);
        EXPECT_FALSE(result->output_cut);
        EXPECT_EQ(server.target,
                  "/prefix/api/v1/namespaces/shop/pods/web-0/exec?stdout=true&stderr=true&container=dbg"
                  "&command=sh&command=-c&command=echo%20a%26b%3Dc");
        EXPECT_EQ(server.headers["Sec-WebSocket-Protocol"], "v5.channel.k8s.io, v4.channel.k8s.io");
        EXPECT_EQ(server.headers["Authorization"], "Bearer t0ken");
        EXPECT_EQ(server.headers["Impersonate-Group"], "a");
        EXPECT_EQ(server.headers["User-Agent"], "test/1");
        EXPECT_EQ(server.headers["Accept"], "application/json, */*");
        EXPECT_EQ(server.headers["Host"], "memory.test");
        EXPECT_FALSE(server.headers.contains("Sec-WebSocket-Extensions"));
        EXPECT_EQ(seen.lines, std::vector<std::string>{"GET memory.test 101"});
        co_await settle();
        EXPECT_EQ(server.goodbye, 1000U);
        EXPECT_EQ(server.ended, 1);
        EXPECT_EQ(clock.pending(), 0U);
    }());
}

TEST(RemoteCommand, ServersEndTheConnectionInManyWays) {
    test::run_coro([]() -> asio::awaitable<void> {
        for (const std::string protocol : {"v5.channel.k8s.io", "v4.channel.k8s.io"}) {
            for (const End end : {End::close, End::wait, End::hang_up}) {
                for (const std::size_t frame : {0U, 8U, 33U}) {
                    for (const std::size_t read_limit : {1U, 5U, 100'000U}) {
                        const auto result =
                            co_await run_against({.protocol = protocol,
                                                  .messages = {"\1", "\1" + std::string(300, 'x'), kSuccess},
                                                  .end = end,
                                                  .frame = frame,
                                                  .ping = end != End::hang_up,
                                                  .read_limit = read_limit});
                        EXPECT_TRUE(result) << result.error().message;
                        if (result) EXPECT_EQ(result->output.size(), 300U);
                        if (result) EXPECT_EQ(result->exit_code, 0);
                    }
                }
            }
        }
    }());
}

TEST(RemoteCommand, APingIsAnswered) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        ManualClock clock;
        Server server(executor, {.end = End::wait, .ping = true});
        const auto runner = make_command_runner(server.transport(), clock, {}, nullptr);
        const auto result = co_await runner->run(request(), {});
        EXPECT_TRUE(result);
        co_await settle();
        EXPECT_TRUE(server.ponged);
    }());
}

struct Refusal {
    std::string name;
    Script script;
    ErrorKind kind;
    int http_status;
    std::string says;
};

std::string http(const std::string& status, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

std::string status_body(int code, const std::string& reason, const std::string& message) {
    return R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":)" + std::to_string(code) +
           R"(,"reason":")" + reason + R"(","message":")" + message + "\"}";
}

TEST(RemoteCommand, WhatGoesWrongIsNamed) {
    const std::vector<Refusal> cases = {
        {"forbidden",
         {.answer = http("403 Forbidden", status_body(403, "Forbidden", "cannot get pods/exec"))},
         ErrorKind::forbidden,
         403,
         "container dbg: cannot get pods/exec"},
        {"no such Pod",
         {.answer = http("404 Not Found", status_body(404, "NotFound", "no web-0"))},
         ErrorKind::not_found,
         404,
         "no web-0"},
        {"no such container",
         {.answer = http("400 Bad Request", status_body(400, "BadRequest", "no dbg"))},
         ErrorKind::bad_request,
         400,
         "no dbg"},
        {"asked to wait",
         {.answer = http("429 Too Many Requests", "", "Retry-After: 7\r\n")},
         ErrorKind::too_many_requests,
         429,
         "upgrade to WebSocket was refused with HTTP 429"},
        {"an old handshake",
         {.answer = http("400 Bad Request", "missing/bad WebSocket Version")},
         ErrorKind::bad_request,
         400,
         "upgrade to WebSocket was refused with HTTP 400: missing/bad"},
        {"a proxy that drops the upgrade",
         {.answer = http("200 OK", "<html>")},
         ErrorKind::malformed,
         200,
         "HTTP 200 instead of an upgrade to WebSocket"},
        {"a redirect",
         {.answer = http("302 Found", "", "Location: /login\r\n")},
         ErrorKind::malformed,
         302,
         "HTTP 302 instead of an upgrade"},
        {"a body to the end of the stream",
         {.answer = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\nno backend"},
         ErrorKind::server,
         502,
         "no backend"},
        {"an upgrade to something else",
         {.answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"},
         ErrorKind::malformed,
         0,
         "answer to the upgrade"},
        {"another key",
         {.answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                    "websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"},
         ErrorKind::malformed,
         0,
         "answer to the upgrade"},
        {"no HTTP", {.answer = "SSH-2.0-OpenSSH\r\n\r\n"}, ErrorKind::malformed, 0, "answer to the upgrade"},
        {"a huge head",
         {.answer = "HTTP/1.1 403 Forbidden\r\nX: " + std::string(100'000, 'x')},
         ErrorKind::malformed,
         0,
         "answer to the upgrade"},
        {"an endless body",
         {.answer = http("403 Forbidden", std::string(std::size_t{9} << 20, 'x'))},
         ErrorKind::malformed,
         0,
         "answer to the upgrade"},
        {"no protocol", {.protocol = ""}, ErrorKind::malformed, 0, "speaks none of v5"},
        {"another protocol", {.protocol = "v1.channel.k8s.io"}, ErrorKind::malformed, 0, "speaks none of v5"},
        {"part of a protocol", {.protocol = "channel.k8s.io"}, ErrorKind::malformed, 0, "speaks none of v5"},
        {"text", {.text = true}, ErrorKind::malformed, 0, "text message"},
        {"no status", {.messages = {"\1done"}}, ErrorKind::transport, 0, "without saying how the command ended"},
        {"no good-bye either",
         {.messages = {"\1done"}, .end = End::hang_up},
         ErrorKind::transport,
         0,
         "connection closed"},
        {"a status that is none", {.messages = {"\3nonsense"}}, ErrorKind::malformed, 0, "cannot be read"},
        {"a frame of an unknown kind",
         {.messages = {}, .raw = "\x8b\x01x"},
         ErrorKind::malformed,
         0,
         "inside the WebSocket"},
        {"a masked frame",
         {.messages = {}, .raw = std::string("\x82\x81\0\0\0\0\1", 7)},
         ErrorKind::malformed,
         0,
         "inside the WebSocket"},
        {"no program",
         {.messages = {"\3" + status_body(500, "InternalError", "exec failed")}},
         ErrorKind::server,
         500,
         "exec failed"},
    };
    test::run_coro([](std::vector<Refusal> rows) -> asio::awaitable<void> {
        for (const Refusal& row : rows) {
            SCOPED_TRACE(row.name);
            const auto result = co_await run_against(row.script);
            EXPECT_FALSE(result) << row.name;
            if (result) continue;
            EXPECT_EQ(result.error().kind, row.kind) << row.name << ": " << result.error().message;
            EXPECT_EQ(result.error().http_status, row.http_status) << row.name;
            EXPECT_TRUE(result.error().message.starts_with("exec in shop/web-0, container dbg: "))
                << result.error().message;
            EXPECT_TRUE(result.error().message.contains(row.says)) << row.name << ": " << result.error().message;
            EXPECT_LT(result.error().message.size(), 3000U);
        }
    }(cases));
}

TEST(RemoteCommand, ARefusedTokenIsForgotten) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        ManualClock clock;
        Server server(executor, {.answer = http("401 Unauthorized", status_body(401, "Unauthorized", "Unauthorized"))});
        const auto credentials = std::make_shared<SeenCredentials>();
        const auto runner = make_command_runner(server.transport(), clock, {}, credentials);
        const auto result = co_await runner->run(request(), {});
        EXPECT_EQ(result.error().kind, ErrorKind::unauthorized);
        EXPECT_EQ(credentials->rejected, 1);
        co_await settle();
    }());
}

TEST(RemoteCommand, AStreamCutAtAnyByteIsNeverASuccessWithoutAStatus) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        Script script{.messages = {"\1one\n", kSuccess}, .end = End::hang_up};
        ManualClock clock;
        Server whole(executor, script);
        const auto runner = make_command_runner(whole.transport(), clock, {}, nullptr);
        const auto result = co_await runner->run(request(), {});
        EXPECT_TRUE(result);
        co_await settle();
        EXPECT_GT(whole.sent, 100U);
        for (std::size_t cut = 0; cut < whole.sent; ++cut) {
            script.cut_after = cut;
            const auto part = co_await run_against(script);
            EXPECT_FALSE(part) << cut;
            if (!part) EXPECT_EQ(part.error().kind, ErrorKind::transport) << cut << ": " << part.error().message;
        }
    }());
}

TEST(RemoteCommand, OutputIsCutAndDrained) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        ManualClock clock;
        Server server(executor,
                      {.messages = {"\1" + std::string(3'000'000, 'x'), "\1" + std::string(100, 'y'), kExit7}});
        const auto runner = make_command_runner(server.transport(), clock, {}, nullptr);
        ExecRequest small = request();
        small.max_output = 1234;
        const auto result = co_await runner->run(small, {});
        EXPECT_TRUE(result);
        if (!result) co_return;
        EXPECT_EQ(result->output, std::string(1234, 'x'));
        EXPECT_TRUE(result->output_cut);
        EXPECT_EQ(result->exit_code, 7);
        co_await settle();
    }());
}

TEST(RemoteCommand, OneDeadlineBoundsTheWhole) {
    const std::vector<Script> stalls = {
        {.answer = "HTTP/1.1 101 Swi", .end = End::stall},                                       // inside the answer
        {.answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno", .end = End::stall},  // inside a refusal
        {.messages = {}, .end = End::stall},                                                     // before any message
        {.messages = {"\1one"}, .end = End::stall},                                              // before the Status
        {.messages = {}, .raw = std::string("\x82\x7e\xff", 3), .end = End::stall},              // inside a frame
    };
    test::run_coro([](std::vector<Script> scripts) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        for (const Script& script : scripts) {
            for (const bool by_stop : {false, true}) {
                ManualClock clock;
                Server server(executor, script);
                const auto runner = make_command_runner(server.transport(), clock, {}, nullptr);
                Outcome outcome;
                std::stop_source stop;
                test::spawn(executor, run_into(*runner, request(), outcome, stop.get_token()));
                co_await settle();
                clock.advance(29s);
                co_await settle();
                EXPECT_FALSE(outcome);
                by_stop ? static_cast<void>(stop.request_stop()) : clock.advance(1s);
                co_await settle();
                EXPECT_TRUE(outcome && !*outcome);
                if (!outcome || *outcome) co_return;
                EXPECT_EQ(outcome->error().kind, by_stop ? ErrorKind::cancelled : ErrorKind::timeout);
                EXPECT_EQ(server.ended, 1);
                EXPECT_EQ(clock.pending(), 0U);
            }
        }
    }(stalls));
}

TEST(RemoteCommand, AServerThatDoesNotCloseCostsTwoSecondsAndNoResult) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        ManualClock clock;
        Server server(executor, {.messages = {"\1one", kExit7}, .end = End::stall});
        const auto runner = make_command_runner(server.transport(), clock, {}, nullptr);
        Outcome outcome;
        test::spawn(executor, run_into(*runner, request(), outcome));
        co_await settle();
        EXPECT_FALSE(outcome);
        clock.advance(2s);
        co_await settle();
        EXPECT_TRUE(outcome && *outcome && (*outcome)->exit_code == 7 && (*outcome)->output == "one");
        EXPECT_EQ(server.ended, 1);
    }());
}

TEST(RemoteCommand, NothingIsSentAfterAStopOrWithoutLeave) {
    test::run_coro([]() -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        ManualClock clock;
        Server server(executor, {});
        const auto runner = make_command_runner(server.transport(), clock, {}, nullptr);
        std::stop_source stop;
        stop.request_stop();
        const auto stopped = co_await runner->run(request(), stop.get_token());
        EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
        ExecRequest unled = request();
        unled.may_send = [] { return false; };
        const auto refused = co_await runner->run(unled, {});
        EXPECT_EQ(refused.error().kind, ErrorKind::cancelled);
        ExecRequest forged = request();
        forged.pod = "a/../b?x";
        const auto encoded = co_await runner->run(forged, {});
        EXPECT_TRUE(encoded);
        EXPECT_TRUE(server.target.starts_with("/api/v1/namespaces/shop/pods/a%2F..%2Fb%3Fx/exec?")) << server.target;
        co_await settle();
    }());
}

TEST(RemoteCommand, AConnectionThatCannotBeMadeIsAnError) {
    test::run_coro([]() -> asio::awaitable<void> {
        ManualClock clock;
        SeenRequests seen;
        const auto transport = std::make_shared<test::MemoryTransport>(
            []() -> Result<std::unique_ptr<ByteStream>> { return fail(ErrorKind::transport, "connection refused"); });
        const auto runner = make_command_runner(transport, clock, {.observer = &seen}, nullptr);
        const auto result = co_await runner->run(request(), {});
        EXPECT_EQ(result.error().kind, ErrorKind::transport);
        EXPECT_EQ(result.error().message, "exec in shop/web-0, container dbg: connection refused");
        EXPECT_EQ(seen.lines, std::vector<std::string>{"GET memory.test <error>"});
    }());
}

}  // namespace
}  // namespace kube
