#include "kube/net/certificates.hpp"
#include "kube/net/dial.hpp"
#include "kube/net/tls.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <array>
#include <netinet/tcp.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::ManualClock;

WallTime wall_now() {
    return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

asio::awaitable<void> accept_into(Listener& listener, std::unique_ptr<ByteStream>& stream) {
    auto accepted = co_await listener.accept();
    if (accepted) stream = std::move(*accepted);
}

asio::awaitable<void> wait_for(std::unique_ptr<ByteStream>& stream) {
    while (!stream) co_await test::settle();
}

asio::awaitable<void> read_into(ByteStream& stream, std::optional<Result<std::size_t>>& result) {
    std::array<char, 16> buffer{};
    result = co_await stream.read_some(buffer);
}

asio::awaitable<void> exchange(std::string address, std::string host) {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, address, 0, {});
    EXPECT_TRUE(listener) << listener.error().message;
    if (!listener) co_return;
    const auto transport = make_tcp_transport(executor, clock, host, (*listener)->port(), std::nullopt);
    const std::string port = std::to_string((*listener)->port());
    EXPECT_EQ((*transport)->host(), host.contains(':') ? "[" + host + "]:" + port : host + ":" + port);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    const auto client = co_await (*transport)->connect({});
    EXPECT_TRUE(client) << client.error().message;
    co_await wait_for(server);
    const auto ready = co_await (*listener)->handshake(*server);
    EXPECT_TRUE(ready);
    EXPECT_FALSE(server->peer_certificate());
    co_await (*client)->write("hello");
    std::array<char, 16> buffer{};
    const auto count = co_await server->read_some(buffer);
    EXPECT_EQ(std::string_view(buffer.data(), count.value_or(0)), "hello");
    (*client)->close();
    (*client)->close();
    const auto end = co_await server->read_some(buffer);
    EXPECT_TRUE(!end && end.error().message.ends_with("connection reset by peer"));
    const auto after = co_await (*client)->write("x");
    EXPECT_FALSE(after);
    EXPECT_EQ(after.error().kind, ErrorKind::cancelled);
    EXPECT_EQ(clock.pending(), 0U);
}

TEST(Tcp, CarriesBytesToNamesAndAddresses) {
    test::run_coro(exchange("127.0.0.1", "127.0.0.1"));
    test::run_coro(exchange("", "127.0.0.1"));
    test::run_coro(exchange("localhost", "localhost"));
}

asio::awaitable<void> close_pending() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), std::nullopt);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    const auto client = co_await (*transport)->connect({});
    co_await wait_for(server);
    std::optional<Result<std::size_t>> result;
    test::spawn(executor, read_into(**client, result));
    co_await test::settle();
    EXPECT_FALSE(result);
    (*client)->close();
    co_await test::settle();
    EXPECT_TRUE(result && !*result && result->error().kind == ErrorKind::cancelled);
    std::unique_ptr<ByteStream> none;
    test::spawn(executor, accept_into(**listener, none));
    co_await test::settle();
    (*listener)->close();
    co_await test::settle();
    const auto closed = co_await (*listener)->accept();
    EXPECT_FALSE(closed);
    EXPECT_EQ(closed.error().kind, ErrorKind::cancelled);
}

TEST(Tcp, CloseEndsPendingReadsAndAccepts) {
    test::run_coro(close_pending());
}

asio::awaitable<void> refused() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", 1, std::nullopt);
    const auto stream = co_await (*transport)->connect({});
    EXPECT_FALSE(stream);
    EXPECT_EQ(stream.error().kind, ErrorKind::transport);
    EXPECT_EQ(stream.error().message, "connect 127.0.0.1:1: connection refused");
    const auto nowhere = make_tcp_transport(executor, clock, "no-such-host.invalid", 1, std::nullopt);
    const auto none = co_await (*nowhere)->connect({});
    EXPECT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::transport);
    EXPECT_TRUE(none.error().message.starts_with("look up no-such-host.invalid: ")) << none.error().message;
}

TEST(Tcp, SaysWhatFailed) {
    test::run_coro(refused());
}

asio::awaitable<void> cannot_listen() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto first = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    const auto port = (*first)->port();
    const auto second = make_tcp_listener(executor, clock, "127.0.0.1", port, {});
    EXPECT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::config);
    EXPECT_EQ(second.error().message, "listen 127.0.0.1:" + std::to_string(port) + ": address already in use");
    const auto third = make_tcp_listener(executor, clock, "webhook.example", 0, {});
    EXPECT_FALSE(third);
    EXPECT_EQ(third.error().kind, ErrorKind::config);
    EXPECT_TRUE(third.error().message.contains("webhook.example"));
}

TEST(Tcp, ListenErrorsNameTheAddress) {
    test::run_coro(cannot_listen());
}

/// A port that answers no SYN any more, because nobody accepts and its queue is full.
class FullListener {
  public:
    explicit FullListener(const asio::any_io_executor& executor)
        : acceptor_(executor, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
        acceptor_.listen(0);
        for (int i = 0; i < 4; ++i) {
            fillers_.emplace_back(executor);
            fillers_.back().async_connect(acceptor_.local_endpoint(), [](const boost::system::error_code&) {});
        }
    }
    unsigned short port() const { return acceptor_.local_endpoint().port(); }

  private:
    asio::ip::tcp::acceptor acceptor_;
    std::vector<asio::ip::tcp::socket> fillers_;
};

asio::awaitable<void> connect_into(Transport& transport, std::optional<Error>& error, std::stop_token stop) {
    const auto stream = co_await transport.connect(std::move(stop));
    if (!stream) error = stream.error();
}

/// `answer` is what the server says to the ClientHello; empty = nothing.
asio::awaitable<void> strange_server(std::string answer, bool closes, ErrorKind kind, std::string text) {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    TlsClientConfig insecure;
    insecure.insecure = true;
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), insecure);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    std::optional<Error> error;
    test::spawn(executor, connect_into(**transport, error, {}));
    co_await wait_for(server);
    std::array<char, 4096> hello{};
    const auto count = co_await server->read_some(hello);
    EXPECT_TRUE(count);
    if (!answer.empty()) co_await server->write(answer);
    if (closes) server->close();
    if (answer.empty() && !closes) {
        EXPECT_EQ(clock.pending(), 1U);
        clock.advance(std::chrono::seconds(10));
    }
    while (!error) co_await test::settle();
    EXPECT_EQ(error->kind, kind) << error->message;
    EXPECT_TRUE(error->message.contains(text)) << error->message;
    EXPECT_EQ(clock.pending(), 0U);
}

TEST(TlsClient, EndsWithServersThatDoNotSpeakTls) {
    test::run_coro(strange_server("", false, ErrorKind::timeout, "timed out"));
    test::run_coro(strange_server("", true, ErrorKind::transport, "the peer closed the connection"));
    test::run_coro(strange_server("HTTP/1.1 400 Bad Request\r\n\r\n", false, ErrorKind::tls, "wrong version number"));
}

asio::awaitable<void> handshake_into(Listener& listener, ByteStream& stream, std::optional<Result<void>>& result) {
    result = co_await listener.handshake(stream);
}

asio::awaitable<void> strange_client(std::string hello, ErrorKind kind, std::string text) {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto ca = make_certificate_authority("ca", wall_now(), std::chrono::hours(1));
    const auto context = make_tls_server_context({ca->certificate_pem, ca->key_pem, ""});
    EXPECT_TRUE(context) << context.error().message;
    const auto source = [&context] { return *context; };
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, source);
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), std::nullopt);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    const auto client = co_await (*transport)->connect({});
    co_await wait_for(server);
    std::optional<Result<void>> result;
    test::spawn(executor, handshake_into(**listener, *server, result));
    co_await test::settle();
    if (hello.empty()) {
        clock.advance(std::chrono::seconds(10));
    } else {
        co_await (*client)->write(hello);
    }
    while (!result) co_await test::settle();
    EXPECT_FALSE(*result);
    EXPECT_EQ(result->error().kind, kind);
    EXPECT_TRUE(result->error().message.contains(text)) << result->error().message;
    // The connection is of no use any more, and the listener closes it itself.
    const auto after = co_await server->write("x");
    EXPECT_FALSE(after);
}

TEST(TlsServer, EndsWithClientsThatDoNotSpeakTls) {
    test::run_coro(strange_client("", ErrorKind::timeout, "timed out"));
    test::run_coro(strange_client("GET / HTTP/1.1\r\n\r\n", ErrorKind::tls, "http request"));
}

asio::awaitable<void> no_certificate_yet() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto none = [] { return std::shared_ptr<const TlsServerContext>(); };
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, none);
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), std::nullopt);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    const auto client = co_await (*transport)->connect({});
    std::array<char, 16> buffer{};
    const auto count = co_await (*client)->read_some(buffer);
    EXPECT_TRUE(count && *count == 0);
    EXPECT_FALSE(server) << "plain text is no substitute for a certificate";
    (*listener)->close();
    co_await test::settle();
}

TEST(TlsServer, ServesNobodyWithoutACertificate) {
    test::run_coro(no_certificate_yet());
}

/// Requests a stop while `transport` connects; the error must be there as soon as everything ready has run.
asio::awaitable<Error> stopped_connect(std::shared_ptr<Transport> transport, ManualClock& clock) {
    const auto executor = co_await asio::this_coro::executor;
    std::stop_source stop;
    std::optional<Error> error;
    test::spawn(executor, connect_into(*transport, error, stop.get_token()));
    EXPECT_FALSE(error);
    stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(error);
    EXPECT_EQ(clock.pending(), 0U);
    EXPECT_EQ(error->kind, ErrorKind::cancelled) << error->message;
    std::optional<Error> late;
    test::spawn(executor, connect_into(*transport, late, stop.get_token()));
    co_await test::settle();
    EXPECT_TRUE(late && late->kind == ErrorKind::cancelled) << "a stop that came before counts as well";
    co_return *error;
}

asio::awaitable<void> stop_while_looking_up() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto error =
        co_await stopped_connect(*make_tcp_transport(executor, clock, "no-such-host.invalid", 1, {}), clock);
    EXPECT_TRUE(error.message.starts_with("look up ")) << error.message;
}

TEST(TcpConnect, AStopEndsALookUp) {
    test::run_coro(stop_while_looking_up());
}

asio::awaitable<void> stop_while_connecting() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    FullListener full(executor);
    const auto error =
        co_await stopped_connect(*make_tcp_transport(executor, clock, "127.0.0.1", full.port(), {}), clock);
    EXPECT_TRUE(error.message.starts_with("connect ")) << error.message;
}

TEST(TcpConnect, AStopEndsAConnect) {
    test::run_coro(stop_while_connecting());
}

asio::awaitable<void> dial_takes_thirty_seconds() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    FullListener full(executor);
    const auto transport = *make_tcp_transport(executor, clock, "127.0.0.1", full.port(), {});
    std::optional<Error> error;
    test::spawn(executor, connect_into(*transport, error, {}));
    co_await test::settle();
    clock.advance(std::chrono::seconds(30) - std::chrono::milliseconds(1));
    co_await test::settle();
    EXPECT_FALSE(error);
    clock.advance(std::chrono::milliseconds(1));
    while (!error) co_await test::settle();
    EXPECT_EQ(error->kind, ErrorKind::timeout);
    EXPECT_EQ(error->message, "connect " + std::string(transport->host()) + ": timed out");
}

TEST(TcpConnect, TakesNoLongerThanThirtySeconds) {
    test::run_coro(dial_takes_thirty_seconds());
}

int option_of(asio::ip::tcp::socket& socket, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(socket.native_handle(), level, name, &value, &size), 0);
    return value;
}

asio::awaitable<void> notices_dead_peers() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    auto socket = co_await dial(executor, clock, "127.0.0.1", (*listener)->port(), {});
    EXPECT_TRUE(socket);
    EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option_of(*socket, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_KEEPINTVL), 15);
    EXPECT_EQ(option_of(*socket, IPPROTO_TCP, TCP_USER_TIMEOUT), 45'000);
}

TEST(TcpConnect, SocketsNoticeADeadPeer) {
    test::run_coro(notices_dead_peers());
}

/// Writes until the kernel takes no more; `accepted` counts what it took.
asio::awaitable<void> write_into(ByteStream& stream, std::size_t& accepted) {
    const std::string piece(std::size_t{64} * 1024, 'x');
    for (;;) {
        const auto written = co_await stream.write(piece);
        if (!written) co_return;
        accepted += piece.size();
    }
}

/// What arrives at `stream` until it ends, and the error it ends with.
asio::awaitable<std::pair<std::size_t, std::optional<Error>>> read_all(ByteStream& stream) {
    std::vector<char> buffer(std::size_t{64} * 1024);
    std::size_t total = 0;
    for (;;) {
        const auto count = co_await stream.read_some(buffer);
        if (!count) co_return std::pair(total, std::optional(count.error()));
        if (*count == 0) co_return std::pair(total, std::optional<Error>());
        total += *count;
    }
}

asio::awaitable<void> close_with_bytes_on_the_way(bool by_client) {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), std::nullopt);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    auto client = co_await (*transport)->connect({});
    co_await wait_for(server);
    ByteStream& writer = by_client ? **client : *server;
    ByteStream& reader = by_client ? *server : **client;
    std::size_t accepted = 0;
    test::spawn(executor, write_into(writer, accepted));
    for (std::size_t before = 1; before != accepted; co_await test::settle()) before = accepted;
    writer.close();
    co_await test::settle();
    const auto [received, error] = co_await read_all(reader);
    if (by_client) {
        EXPECT_TRUE(error && error->message.ends_with("connection reset by peer"));
        EXPECT_LT(received, accepted) << "what the kernel had not sent yet is dropped";
    } else {
        EXPECT_FALSE(error) << error->message;
        EXPECT_GE(received, accepted) << "a server's last answer arrives";
    }
}

TEST(TcpClose, AClientTakesBackWhatWasNotSentYet) {
    test::run_coro(close_with_bytes_on_the_way(true));
}

TEST(TcpClose, AServersLastBytesArrive) {
    test::run_coro(close_with_bytes_on_the_way(false));
}

asio::awaitable<void> destroyed_without_a_close() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    const auto transport = make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), std::nullopt);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    auto client = co_await (*transport)->connect({});
    co_await wait_for(server);
    client->reset();
    const auto [received, error] = co_await read_all(*server);
    EXPECT_TRUE(error && error->message.ends_with("connection reset by peer"));
}

TEST(TcpClose, ADestroyedClientStreamResetsTheConnectionAsWell) {
    test::run_coro(destroyed_without_a_close());
}

asio::awaitable<void> stop_while_shaking_hands() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto listener = make_tcp_listener(executor, clock, "127.0.0.1", 0, {});
    TlsClientConfig insecure;
    insecure.insecure = true;
    const auto transport = *make_tcp_transport(executor, clock, "127.0.0.1", (*listener)->port(), insecure);
    std::unique_ptr<ByteStream> server;
    test::spawn(executor, accept_into(**listener, server));
    std::stop_source stop;
    std::optional<Error> error;
    test::spawn(executor, connect_into(*transport, error, stop.get_token()));
    co_await wait_for(server);
    std::array<char, 4096> hello{};
    const auto count = co_await server->read_some(hello);
    EXPECT_TRUE(count && *count > 0);
    stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(error && error->kind == ErrorKind::cancelled);
    EXPECT_EQ(clock.pending(), 0U);
    const auto end = co_await server->read_some(hello);
    EXPECT_FALSE(end) << "the connection is closed";
}

TEST(TcpConnect, AStopEndsAHandshake) {
    test::run_coro(stop_while_shaking_hands());
}

}  // namespace
}  // namespace kube
