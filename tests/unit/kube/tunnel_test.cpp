#include "kube/net/tunnel.hpp"

#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::MemoryStream;

/// What the proxy must read, and what it then writes.
struct Step {
    std::string read;
    std::string write;
};

asio::awaitable<void> act(MemoryStream& stream, std::vector<Step> steps, bool hang_up) {
    for (const Step& step : steps) {
        const auto got = co_await stream.read_exactly(step.read.size());
        EXPECT_EQ(got, step.read);
        co_await stream.write(step.write);
    }
    if (hang_up) stream.shut_down_write();
}

std::string bytes(std::initializer_list<int> values) {
    std::string text;
    for (const int value : values) text += static_cast<char>(value);
    return text;
}

/// Opens a tunnel to host:port through a proxy that does `steps`, one byte a read.
asio::awaitable<Result<void>> open(Proxy proxy, std::vector<Step> steps, std::string host = "api.example",
                                   unsigned short port = 6443, bool hang_up = true) {
    const auto executor = co_await asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor, {.read_limit = 1});
    test::spawn(executor, act(*server, std::move(steps), hang_up));
    auto result = co_await open_tunnel(*client, std::move(proxy), std::move(host), port);
    co_await test::settle();
    co_return result;
}

Proxy http_proxy(const std::string& user = "") {
    Proxy proxy;
    proxy.host = "proxy.example";
    proxy.port = 3128;
    proxy.user = user;
    proxy.password = user.empty() ? "" : "hunter2";
    return proxy;
}

Proxy socks_proxy(const std::string& user = "") {
    Proxy proxy = http_proxy(user);
    proxy.kind = Proxy::Kind::socks5;
    return proxy;
}

const std::string kConnect = "CONNECT api.example:6443 HTTP/1.1\r\nHost: api.example:6443\r\n";

asio::awaitable<void> expect_error(Proxy proxy, std::vector<Step> steps, ErrorKind kind, std::string text,
                                   std::string host = "api.example") {
    const auto result = co_await open(std::move(proxy), std::move(steps), std::move(host));
    EXPECT_FALSE(result) << text;
    if (result) co_return;
    EXPECT_EQ(result.error().kind, kind) << result.error().message;
    EXPECT_TRUE(result.error().message.contains(text)) << result.error().message;
    EXPECT_FALSE(result.error().message.contains("hunter2"));
}

asio::awaitable<void> connects_by_http() {
    const auto plain =
        co_await open(http_proxy(), {{kConnect + "\r\n", "HTTP/1.1 200 Connection established\r\n\r\n"}});
    EXPECT_TRUE(plain) << plain.error().message;
    const auto with_user =
        co_await open(http_proxy("user"), {{kConnect + "Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n\r\n",
                                            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"}});
    EXPECT_TRUE(with_user) << with_user.error().message << ": a successful CONNECT has no body, whatever it says";
    const auto v6 = co_await open(
        http_proxy(), {{"CONNECT [fd00::1]:443 HTTP/1.1\r\nHost: [fd00::1]:443\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}},
        "fd00::1", 443);
    EXPECT_TRUE(v6);
}
TEST(HttpProxy, IsAskedByConnect) {
    test::run_coro(connects_by_http());
}

asio::awaitable<void> http_errors() {
    const auto answers = [](const std::string& answer) { return std::vector<Step>{{kConnect, answer}}; };
    co_await expect_error(http_proxy("u"), answers("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
                          ErrorKind::config, "proxy http://proxy.example:3128 answers 407");
    co_await expect_error(http_proxy(), answers("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno!"),
                          ErrorKind::transport, "cannot connect to api.example:6443: 502");
    co_await expect_error(http_proxy(), answers(""), ErrorKind::transport, "closed the connection");
    co_await expect_error(http_proxy(), answers("HTTP/1.1 200 OK\r\nVia: "), ErrorKind::transport,
                          "closed the connection");
    co_await expect_error(http_proxy(), answers("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ErrorKind::malformed,
                          "does not answer in HTTP");
    co_await expect_error(http_proxy(), answers("HTTP/1.1 200 OK\r\nX: " + std::string(80'000, 'x') + "\r\n\r\n"),
                          ErrorKind::malformed, "too large a head");
}
TEST(HttpProxy, ErrorsNameTheProxyWithoutItsPassword) {
    test::run_coro(http_errors());
}

asio::awaitable<void> sends_too_much() {
    const auto executor = co_await asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor);
    test::spawn(executor, act(*server, {{kConnect, "HTTP/1.1 200 OK\r\n\r\nmore"}}, true));
    const auto result = co_await open_tunnel(*client, http_proxy(), "api.example", 6443);
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::malformed);
}
TEST(HttpProxy, BytesBehindTheAnswerAreNotTheServers) {
    test::run_coro(sends_too_much());
}

const std::string kSocksName = bytes({5, 1, 0, 3, 11}) + "api.example" + bytes({25, 43});
const std::string kSocksDone = bytes({5, 0, 0, 1, 10, 0, 0, 1, 0, 80});

asio::awaitable<void> connects_by_socks() {
    const auto plain = co_await open(socks_proxy(), {{bytes({5, 1, 0}), bytes({5, 0})}, {kSocksName, kSocksDone}});
    EXPECT_TRUE(plain) << plain.error().message;
    const auto with_user =
        co_await open(socks_proxy("user"), {{bytes({5, 2, 0, 2}), bytes({5, 2})},
                                            {bytes({1, 4}) + "user" + bytes({7}) + "hunter2", bytes({1, 0})},
                                            {kSocksName, bytes({5, 0, 0, 3, 2, 'x', 'y', 0, 80})}});
    EXPECT_TRUE(with_user) << with_user.error().message;
    const auto unused =
        co_await open(socks_proxy("user"), {{bytes({5, 2, 0, 2}), bytes({5, 0})}, {kSocksName, kSocksDone}});
    EXPECT_TRUE(unused) << "the proxy need not ask for the password";
    const auto v4 = co_await open(
        socks_proxy(), {{bytes({5, 1, 0}), bytes({5, 0})}, {bytes({5, 1, 0, 1, 10, 0, 0, 7, 1, 187}), kSocksDone}},
        "10.0.0.7", 443);
    EXPECT_TRUE(v4) << v4.error().message;
    const std::string v6_address = bytes({5, 1, 0, 4, 0xfd}) + std::string(14, '\0') + bytes({1, 1, 187});
    const auto v6 = co_await open(
        socks_proxy(), {{bytes({5, 1, 0}), bytes({5, 0})}, {v6_address, bytes({5, 0, 0, 4}) + std::string(18, '\0')}},
        "fd00::1", 443);
    EXPECT_TRUE(v6) << v6.error().message;
}
TEST(SocksProxy, LooksTheNameUpItself) {
    test::run_coro(connects_by_socks());
}

asio::awaitable<void> socks_errors() {
    const Step hello = {bytes({5, 1, 0}), bytes({5, 0})};
    const Step hello_user = {bytes({5, 2, 0, 2}), bytes({5, 2})};
    co_await expect_error(socks_proxy(), {{bytes({5, 1, 0}), "HTTP/1.1 400"}}, ErrorKind::malformed,
                          "proxy socks5://proxy.example:3128 does not speak SOCKS5");
    co_await expect_error(socks_proxy(), {{bytes({5, 1, 0}), bytes({5, 255})}}, ErrorKind::config,
                          "wants another authentication");
    co_await expect_error(socks_proxy(), {{bytes({5, 1, 0}), bytes({5, 2})}}, ErrorKind::config,
                          "wants another authentication");
    co_await expect_error(socks_proxy("u"), {hello_user, {bytes({1, 1}), bytes({1, 1})}}, ErrorKind::config,
                          "refuses the user and password");
    co_await expect_error(socks_proxy(), {hello, {kSocksName, bytes({5, 5, 0, 1})}}, ErrorKind::transport,
                          "cannot connect to api.example:6443: connection refused");
    co_await expect_error(socks_proxy(), {hello, {kSocksName, bytes({5, 99, 0, 1})}}, ErrorKind::transport, "error 99");
    co_await expect_error(socks_proxy(), {hello, {kSocksName, bytes({5, 0, 0, 9})}}, ErrorKind::malformed,
                          "unknown address type");
    co_await expect_error(socks_proxy(), {hello, {kSocksName, bytes({4, 0, 0, 1})}}, ErrorKind::malformed,
                          "does not speak SOCKS5");
    co_await expect_error(socks_proxy(), {}, ErrorKind::config, "longer than 255", std::string(256, 'a'));
    co_await expect_error(socks_proxy(std::string(256, 'u')), {hello_user}, ErrorKind::config, "longer than 255");
    for (std::size_t length = 0; length < kSocksDone.size(); ++length) {
        co_await expect_error(socks_proxy(), {hello, {kSocksName, kSocksDone.substr(0, length)}}, ErrorKind::transport,
                              "closed the connection");
    }
}
TEST(SocksProxy, ErrorsNameTheProxyWithoutItsPassword) {
    test::run_coro(socks_errors());
}

}  // namespace
}  // namespace kube
