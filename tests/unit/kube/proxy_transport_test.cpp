// Connections through proxies, over real sockets: TLS to the server goes through the proxy end to end.

#include "kube/net/certificates.hpp"
#include "kube/net/tls.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::ManualClock;

struct Pki {
    Pki() {
        const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
        ca = *make_certificate_authority("test-ca", now, std::chrono::hours(24));
        LeafOptions leaf;
        leaf.common_name = "server";
        leaf.dns_names = {"api.test"};
        server = *issue_certificate(ca, leaf, now, std::chrono::hours(24));
        leaf.common_name = "proxy";
        leaf.dns_names = {};
        leaf.ip_addresses = {"127.0.0.1"};
        proxy = *issue_certificate(ca, leaf, now, std::chrono::hours(24));
    }
    KeyPair ca, server, proxy;
};

const Pki& pki() {
    static const Pki made;
    return made;
}

class FixedSource final : public TlsClientSource {
  public:
    explicit FixedSource(TlsClientConfig config)
        : config_(std::make_shared<const TlsClientConfig>(std::move(config))) {}
    std::shared_ptr<const TlsClientConfig> current() override { return config_; }

  private:
    std::shared_ptr<const TlsClientConfig> config_;
};

std::unique_ptr<Listener> listen(const asio::any_io_executor& executor, Clock& clock, const KeyPair* pair) {
    TlsContextSource source;
    if (pair != nullptr) {
        auto context = *make_tls_server_context({pair->certificate_pem, pair->key_pem, ""});
        source = [context] { return context; };
    }
    return *make_tcp_listener(executor, clock, "127.0.0.1", 0, std::move(source));
}

asio::awaitable<void> wait_for(bool& flag) {
    while (!flag) co_await test::settle();
}

asio::awaitable<void> echo_once(Listener& listener, bool& finished) {
    auto stream = co_await listener.accept();
    const auto ready = co_await listener.handshake(**stream);
    EXPECT_TRUE(ready);
    std::array<char, 100> buffer{};
    const auto count = co_await (*stream)->read_some(buffer);
    if (count) co_await (*stream)->write(std::string_view(buffer.data(), *count));
    co_await (*stream)->read_some(buffer);
    finished = true;
}

asio::awaitable<std::string> read_until(ByteStream& stream, std::string_view end) {
    std::string text;
    while (!text.ends_with(end)) {
        char c = 0;
        const auto count = co_await stream.read_some(std::span<char>(&c, 1));
        if (!count || *count == 0) break;
        text += c;
    }
    co_return text;
}

asio::awaitable<std::string> read_exactly(ByteStream& stream, std::size_t count) {
    std::string text;
    while (text.size() < count) {
        char c = 0;
        const auto more = co_await stream.read_some(std::span<char>(&c, 1));
        if (!more || *more == 0) break;
        text += c;
    }
    co_return text;
}

asio::awaitable<void> copy(ByteStream& from, ByteStream& to, bool& ended) {
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto count = co_await from.read_some(buffer);
        if (!count || *count == 0) break;
        co_await to.write(std::string_view(buffer.data(), *count));
    }
    to.close();
    ended = true;
}

/// A proxy for one connection, which it always makes to `server_port`.
asio::awaitable<void> proxy_once(Listener& listener, Clock& clock, bool socks, unsigned short server_port,
                                 std::string& asked) {
    const auto executor = co_await asio::this_coro::executor;
    auto client = co_await listener.accept();
    const auto ready = co_await listener.handshake(**client);
    EXPECT_TRUE(ready) << ready.error().message;
    if (socks) {
        co_await read_exactly(**client, 3);
        co_await (*client)->write(std::string_view("\5\0", 2));
        asked = co_await read_exactly(**client, 15);
        co_await (*client)->write(std::string_view("\5\0\0\1\0\0\0\0\0\0", 10));
    } else {
        asked = co_await read_until(**client, "\r\n\r\n");
        co_await (*client)->write("HTTP/1.1 200 OK\r\n\r\n");
    }
    const auto upstream = *make_tcp_transport(executor, clock, "127.0.0.1", server_port, std::nullopt);
    auto server = co_await upstream->connect({});
    std::array<bool, 2> ended{};
    test::spawn(executor, copy(**client, **server, ended[0]));
    test::spawn(executor, copy(**server, **client, ended[1]));
    co_await wait_for(ended[0]);
    co_await wait_for(ended[1]);
}

asio::awaitable<void> through(Proxy::Kind kind, bool server_tls) {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    const auto server = listen(executor, *clock, server_tls ? &pki().server : nullptr);
    const auto proxy = listen(executor, *clock, kind == Proxy::Kind::https ? &pki().proxy : nullptr);
    bool finished = false;
    std::string asked;
    test::spawn(executor, echo_once(*server, finished));
    test::spawn(executor, proxy_once(*proxy, *clock, kind == Proxy::Kind::socks5, server->port(), asked));
    TcpTransportOptions options;
    options.host = "api.test";  // a name that only the proxy knows
    options.port = 6443;
    TlsClientConfig trust;
    trust.ca_pem = pki().ca.certificate_pem;
    if (server_tls) options.tls = std::make_shared<FixedSource>(trust);
    options.proxy.emplace();
    options.proxy->kind = kind;
    options.proxy->host = "127.0.0.1";
    options.proxy->port = proxy->port();
    const auto transport = make_tcp_transport(executor, *clock, std::move(options));
    EXPECT_TRUE(transport) << transport.error().message;
    EXPECT_EQ((*transport)->host(), "api.test:6443");
    auto stream = co_await (*transport)->connect({});
    EXPECT_TRUE(stream) << stream.error().message;
    if (!stream) co_return;
    co_await (*stream)->write("hello");
    std::array<char, 100> buffer{};
    const auto count = co_await (*stream)->read_some(buffer);
    EXPECT_EQ(std::string_view(buffer.data(), count.value_or(0)), "hello");
    EXPECT_TRUE(asked.contains("api.test")) << asked;
    (*stream)->close();
    co_await wait_for(finished);
}

TEST(ProxyTransport, HttpCarriesTlsAndPlainTcp) {
    test::run_coro(through(Proxy::Kind::http, true));
    test::run_coro(through(Proxy::Kind::http, false));
}

TEST(ProxyTransport, SocksCarriesTls) {
    test::run_coro(through(Proxy::Kind::socks5, true));
}

/// The system's roots for the time of a test.
class SystemRoots {
  public:
    explicit SystemRoots(const std::string& pem) : file_("proxy_roots_" + std::to_string(::getpid()) + ".pem") {
        std::ofstream(file_) << pem;
        ::setenv("SSL_CERT_FILE", file_.c_str(), 1);
    }
    ~SystemRoots() {
        ::unsetenv("SSL_CERT_FILE");
        ::unlink(file_.c_str());
    }
    SystemRoots(const SystemRoots&) = delete;
    SystemRoots& operator=(const SystemRoots&) = delete;

  private:
    std::string file_;
};

TEST(ProxyTransport, HttpsCarriesTlsInsideTls) {
    const SystemRoots roots(pki().ca.certificate_pem);
    test::run_coro(through(Proxy::Kind::https, true));
    test::run_coro(through(Proxy::Kind::https, false));
}

asio::awaitable<void> accept_into(Listener& listener, std::unique_ptr<ByteStream>& stream) {
    auto accepted = co_await listener.accept();
    if (accepted) stream = std::move(*accepted);
}

asio::awaitable<void> connect_into(std::shared_ptr<Transport> transport, std::stop_token stop,
                                   std::optional<Error>& error) {
    const auto stream = co_await transport->connect(std::move(stop));
    if (!stream) error = stream.error();
}

asio::awaitable<void> silent_proxy(bool stops) {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto proxy = listen(executor, clock, nullptr);
    TcpTransportOptions options;
    options.host = "api.test";
    options.port = 6443;
    options.proxy.emplace();
    options.proxy->host = "127.0.0.1";
    options.proxy->port = proxy->port();
    options.proxy->user = "u";
    options.proxy->password = "hunter2";
    const auto transport = *make_tcp_transport(executor, clock, std::move(options));
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(*proxy, server));
    std::stop_source stop;
    std::optional<Error> error;
    test::spawn(executor, connect_into(transport, stop.get_token(), error));
    while (!server) co_await test::settle();
    const auto request = co_await read_until(*server, "\r\n\r\n");
    EXPECT_TRUE(request.contains("Proxy-Authorization: Basic ")) << request;
    if (stops) {
        stop.request_stop();
        co_await test::settle();
        EXPECT_TRUE(error && error->kind == ErrorKind::cancelled);
    } else {
        clock.advance(std::chrono::milliseconds(29'999));
        co_await test::settle();
        EXPECT_FALSE(error);
        clock.advance(std::chrono::milliseconds(1));
        co_await test::settle();
        EXPECT_TRUE(error && error->kind == ErrorKind::timeout);
        EXPECT_EQ(error->message, "proxy http://127.0.0.1:" + std::to_string(proxy->port()) +
                                      " did not connect to api.test:6443 within 30 s");
    }
    EXPECT_EQ(clock.pending(), 0U);
}

TEST(ProxyTransport, ASilentProxyIsGivenThirtySeconds) {
    test::run_coro(silent_proxy(false));
}

TEST(ProxyTransport, AStopEndsTheWaitForAProxy) {
    test::run_coro(silent_proxy(true));
}

asio::awaitable<void> unreachable_proxy() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    TcpTransportOptions options;
    options.host = "api.test";
    options.port = 6443;
    options.proxy.emplace();
    options.proxy->kind = Proxy::Kind::socks5;
    options.proxy->host = "127.0.0.1";
    options.proxy->port = 1;
    const auto transport = *make_tcp_transport(executor, clock, std::move(options));
    const auto stream = co_await transport->connect({});
    EXPECT_FALSE(stream);
    EXPECT_EQ(stream.error().message, "proxy socks5://127.0.0.1:1: connect 127.0.0.1:1: connection refused");
}

TEST(ProxyTransport, AnUnreachableProxyIsNamed) {
    test::run_coro(unreachable_proxy());
}

}  // namespace
}  // namespace kube
