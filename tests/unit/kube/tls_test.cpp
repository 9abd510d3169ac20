#include "kube/net/tls.hpp"

#include "kube/net/certificates.hpp"
#include "kube/net/tls_context.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <array>

namespace kube {
namespace {

namespace asio = boost::asio;

/// One CA and what it signs, made once: keys cost more time than everything else here.
struct Pki {
    Pki() {
        const auto made = make_certificate_authority("test-ca", now(), kYear);
        const auto other_made = make_certificate_authority("other-ca", now(), kYear);
        ca = *made;
        other_ca = *other_made;
        server = leaf(ca, "server", {"server.test"}, {"127.0.0.1"}, now());
        second_server = leaf(ca, "second", {"server.test"}, {"127.0.0.1"}, now());
        expired = leaf(ca, "expired", {"server.test"}, {"127.0.0.1"}, now() - std::chrono::hours(48));
        client = leaf(ca, "alice", {}, {}, now());
        stranger = leaf(other_ca, "mallory", {}, {}, now());
    }
    static WallTime now() { return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now()); }
    static KeyPair leaf(const KeyPair& by, const std::string& name, std::vector<std::string> dns,
                        std::vector<std::string> ips, WallTime from) {
        LeafOptions options;
        options.common_name = name;
        options.organizations = {"team-a", "team-b"};
        options.server = !dns.empty();
        options.client = dns.empty();
        options.dns_names = std::move(dns);
        options.ip_addresses = std::move(ips);
        const auto issued = issue_certificate(by, options, from, std::chrono::hours(24));
        return *issued;
    }
    static constexpr Duration kYear = std::chrono::hours(24 * 365);
    KeyPair ca, other_ca, server, second_server, expired, client, stranger;
};

const Pki& pki() {
    static const Pki made;
    return made;
}

TlsServerConfig serving(const KeyPair& pair, const std::string& client_ca = "") {
    return {pair.certificate_pem, pair.key_pem, client_ca};
}

std::shared_ptr<const TlsServerContext> context_of(const TlsServerConfig& config) {
    auto made = make_tls_server_context(config);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : nullptr;
}

TlsClientConfig trusting(const KeyPair& ca) {
    TlsClientConfig config;
    config.ca_pem = ca.certificate_pem;
    return config;
}

/// What the server saw of one connection.
struct Seen {
    Result<void> handshake;
    std::optional<PeerCertificate> peer;
    bool finished = false;
};

/// Serves one connection: sends back the first piece it reads, then waits for the client to leave.
asio::awaitable<void> serve_one(Listener& listener, Seen& seen) {
    auto stream = co_await listener.accept();
    if (stream) {
        seen.handshake = co_await listener.handshake(**stream);
        std::array<char, 100> buffer{};
        if (seen.handshake) {
            seen.peer = (*stream)->peer_certificate();
            const auto count = co_await (*stream)->read_some(buffer);
            if (count) co_await (*stream)->write(std::string_view(buffer.data(), *count));
            if (count) co_await (*stream)->read_some(buffer);
        }
    }
    seen.finished = true;
}

asio::awaitable<void> wait_for(bool& flag) {
    while (!flag) co_await test::settle();
}

/// Connects, exchanges a few bytes and closes. The error is the first one met, wherever it was.
asio::awaitable<Result<void>> try_connection(std::string host, TlsServerConfig server, TlsClientConfig client,
                                             Seen& seen) {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    auto context = context_of(server);
    auto listener = make_tcp_listener(executor, *clock, "127.0.0.1", 0, [context] { return context; });
    if (!listener) co_return std::unexpected(listener.error());
    test::spawn(executor, serve_one(**listener, seen));
    auto transport = make_tcp_transport(executor, *clock, host, (*listener)->port(), client);
    if (!transport) {
        (*listener)->close();
        co_await wait_for(seen.finished);
        co_return std::unexpected(transport.error());
    }
    Result<void> outcome;
    {
        auto stream = co_await (*transport)->connect({});
        if (stream) {
            outcome = co_await (*stream)->write("ping");
            std::array<char, 100> buffer{};
            const auto count = co_await (*stream)->read_some(buffer);
            if (!count) outcome = std::unexpected(count.error());
            if (count && *count != 4) outcome = fail(ErrorKind::transport, "the server left");
            (*stream)->close();
        } else {
            outcome = std::unexpected(stream.error());
        }
    }
    co_await wait_for(seen.finished);
    co_return outcome;
}

asio::awaitable<void> store(asio::awaitable<Result<void>> task, Result<void>& into) {
    into = co_await std::move(task);
}

Result<void> connect(const std::string& host, const TlsServerConfig& server, const TlsClientConfig& client,
                     Seen* seen_out = nullptr) {
    Seen seen;
    Result<void> outcome;
    test::run_coro(store(try_connection(host, server, client, seen), outcome));
    if (seen_out != nullptr) *seen_out = seen;
    return outcome;
}

TEST(Tls, VerifiesNamesAndAddresses) {
    Seen seen;
    const auto by_address = connect("127.0.0.1", serving(pki().server), trusting(pki().ca), &seen);
    EXPECT_TRUE(by_address) << by_address.error().message;
    EXPECT_FALSE(seen.peer) << "no client certificate was asked for";
    TlsClientConfig named = trusting(pki().ca);
    named.server_name = "server.test";
    const auto by_name = connect("localhost", serving(pki().server), named);
    EXPECT_TRUE(by_name) << by_name.error().message;
    const auto wrong_name = connect("localhost", serving(pki().server), trusting(pki().ca));
    ASSERT_FALSE(wrong_name);
    EXPECT_EQ(wrong_name.error().kind, ErrorKind::tls);
    EXPECT_TRUE(wrong_name.error().message.contains("certificate verify failed: hostname mismatch"))
        << wrong_name.error().message;
    named.server_name = "127.0.0.2";
    const auto wrong_address = connect("127.0.0.1", serving(pki().server), named);
    ASSERT_FALSE(wrong_address);
    EXPECT_TRUE(wrong_address.error().message.contains("IP address mismatch")) << wrong_address.error().message;
}

TEST(Tls, RefusesWhatItHasNoReasonToTrust) {
    Seen seen;
    const auto unknown = connect("127.0.0.1", serving(pki().server), trusting(pki().other_ca), &seen);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().kind, ErrorKind::tls);
    EXPECT_TRUE(unknown.error().message.contains("unable to get local issuer certificate")) << unknown.error().message;
    ASSERT_FALSE(seen.handshake);
    EXPECT_EQ(seen.handshake.error().kind, ErrorKind::tls);
    EXPECT_TRUE(seen.handshake.error().message.contains("unknown ca")) << seen.handshake.error().message;
    const auto old = connect("127.0.0.1", serving(pki().expired), trusting(pki().ca));
    ASSERT_FALSE(old);
    const std::string until = format_time(*certificate_expiry(pki().expired.certificate_pem));
    EXPECT_TRUE(old.error().message.contains("certificate has expired (it was valid until " + until + ")"))
        << old.error().message;
    TlsClientConfig insecure;
    insecure.insecure = true;
    EXPECT_TRUE(connect("127.0.0.1", serving(pki().expired), insecure));
}

TEST(Tls, TrustsABundleAndAnchorsThatAreNotSelfSigned) {
    TlsClientConfig bundle;
    bundle.ca_pem = pki().other_ca.certificate_pem + "\n# the real one\n" + pki().ca.certificate_pem;
    EXPECT_TRUE(connect("127.0.0.1", serving(pki().server), bundle));
    TlsClientConfig pinned;
    pinned.ca_pem = pki().server.certificate_pem;
    const auto outcome = connect("127.0.0.1", serving(pki().server), pinned);
    EXPECT_TRUE(outcome) << outcome.error().message;
}

TEST(Tls, ReadsAVerifiedClientCertificate) {
    TlsClientConfig client = trusting(pki().ca);
    client.certificate_pem = pki().client.certificate_pem;
    client.key_pem = pki().client.key_pem;
    Seen seen;
    ASSERT_TRUE(connect("127.0.0.1", serving(pki().server, pki().ca.certificate_pem), client, &seen));
    ASSERT_TRUE(seen.peer);
    EXPECT_EQ(seen.peer->common_name, "alice");
    EXPECT_EQ(seen.peer->organizations, (std::vector<std::string>{"team-a", "team-b"}));
    ASSERT_TRUE(connect("127.0.0.1", serving(pki().server, pki().ca.certificate_pem), trusting(pki().ca), &seen))
        << "a client without a certificate is anonymous, not refused";
    EXPECT_FALSE(seen.peer);
}

TEST(Tls, RefusesAClientCertificateOfAnotherCa) {
    TlsClientConfig client = trusting(pki().ca);
    client.certificate_pem = pki().stranger.certificate_pem;
    client.key_pem = pki().stranger.key_pem;
    Seen seen;
    const auto outcome = connect("127.0.0.1", serving(pki().server, pki().ca.certificate_pem), client, &seen);
    EXPECT_FALSE(outcome);
    EXPECT_FALSE(seen.handshake);
    EXPECT_FALSE(seen.peer);
    EXPECT_TRUE(seen.handshake.error().message.contains("unable to get local issuer"))
        << seen.handshake.error().message;
}

TEST(Tls, RefusesConfigurationsThatCannotWork) {
    const auto client = [](const std::function<void(TlsClientConfig&)>& change) {
        TlsClientConfig config = trusting(pki().ca);
        change(config);
        return openssl::make_client_context(config);
    };
    const std::vector<std::pair<Result<openssl::ContextPtr>, std::string>> rows = [&] {
        std::vector<std::pair<Result<openssl::ContextPtr>, std::string>> out;
        out.emplace_back(client([](auto& c) { c.ca_pem = "\n"; }), "contains no certificate");
        out.emplace_back(client([](auto& c) { c.ca_pem += "-----BEGIN CERTIFICATE-----\nAAAA\n"; }), "cannot be read");
        out.emplace_back(client([](auto& c) { c.insecure = true; }), "insecure-skip-tls-verify");
        out.emplace_back(client([](auto& c) { c.certificate_pem = pki().client.certificate_pem; }), "without its");
        out.emplace_back(client([](auto& c) { c.key_pem = pki().client.key_pem; }), "without its");
        out.emplace_back(client([](auto& c) {
                             c.certificate_pem = pki().client.certificate_pem;
                             c.key_pem = pki().server.key_pem;
                         }),
                         "client private key does not belong");
        out.emplace_back(client([](auto& c) {
                             c.certificate_pem = pki().client.certificate_pem;
                             c.key_pem =
                                 "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
                         }),
                         "is encrypted");
        out.emplace_back(openssl::make_server_context(serving({pki().server.certificate_pem, pki().client.key_pem})),
                         "server private key does not belong");
        out.emplace_back(openssl::make_server_context(serving({"", ""})), "contains no certificate");
        out.emplace_back(openssl::make_server_context(serving(pki().server, "garbage")), "client CA bundle");
        return out;
    }();
    for (const auto& [result, expected] : rows) {
        ASSERT_FALSE(result) << expected;
        EXPECT_EQ(result.error().kind, ErrorKind::config);
        EXPECT_TRUE(result.error().message.contains(expected)) << result.error().message;
    }
}

TEST(Tls, NamesTheServerButNeverAnAddress) {
    const auto context = openssl::make_client_context(trusting(pki().ca));
    ASSERT_TRUE(context);
    const auto sni = [&](const std::string& name) {
        const auto ssl = openssl::make_client_connection(context->get(), name);
        const char* const text = ssl ? SSL_get_servername(ssl->get(), TLSEXT_NAMETYPE_host_name) : "?";
        return std::string(text == nullptr ? "" : text);
    };
    EXPECT_EQ(sni("server.test"), "server.test");
    EXPECT_EQ(sni("127.0.0.1"), "");
    EXPECT_EQ(sni("fd00::1"), "");
}

asio::awaitable<void> expires_while_running() {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    LeafOptions leaf;
    leaf.common_name = "brief";
    leaf.ip_addresses = {"127.0.0.1"};
    const auto brief = *issue_certificate(pki().ca, leaf, Pki::now(), std::chrono::seconds(2));
    auto context = context_of(serving(brief));
    const auto listener = make_tcp_listener(executor, *clock, "127.0.0.1", 0, [context] { return context; });
    const auto transport = make_tcp_transport(executor, *clock, "127.0.0.1", (*listener)->port(), trusting(pki().ca));
    std::array<Seen, 2> seen;
    test::spawn(executor, serve_one(**listener, seen[0]));
    const auto running = co_await (*transport)->connect({});
    EXPECT_TRUE(running) << running.error().message;
    const WallTime until = *certificate_expiry(brief.certificate_pem);
    while (clock->now() <= until + std::chrono::seconds(1)) {
        co_await sleep_for(*clock, std::chrono::milliseconds(50), {});
    }
    test::spawn(executor, serve_one(**listener, seen[1]));
    const auto fresh = co_await (*transport)->connect({});
    EXPECT_FALSE(fresh);
    EXPECT_EQ(fresh.error().kind, ErrorKind::tls) << "which is tried again, with a back-off";
    EXPECT_TRUE(fresh.error().message.contains("valid until " + format_time(until))) << fresh.error().message;
    co_await (*running)->write("still");
    std::array<char, 100> buffer{};
    const auto count = co_await (*running)->read_some(buffer);
    EXPECT_TRUE(count && *count == 5) << "the old connection lives on";
    (*running)->close();
    co_await wait_for(seen[0].finished);
    co_await wait_for(seen[1].finished);
}

TEST(Tls, ACertificateThatExpiresEndsNoConnectionAndIsNamedInTheNext) {
    test::run_coro(expires_while_running());
}

asio::awaitable<void> closes_at_once() {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    auto context = context_of(serving(pki().server));
    const auto listener = make_tcp_listener(executor, *clock, "127.0.0.1", 0, [context] { return context; });
    Seen seen;
    test::spawn(executor, serve_one(**listener, seen));
    const auto transport = make_tcp_transport(executor, *clock, "127.0.0.1", (*listener)->port(), trusting(pki().ca));
    auto stream = co_await (*transport)->connect({});
    EXPECT_TRUE(stream);
    co_await (*stream)->write("ping");
    (*stream)->close();
    stream->reset();
    // The peer answers no close_notify; nothing of ours may be waiting for one.
    co_await wait_for(seen.finished);
}

TEST(Tls, CloseWaitsForNoAnswerOfThePeer) {
    test::run_coro(closes_at_once());
}

asio::awaitable<void> swap_certificates() {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    auto current = context_of(serving(pki().server));
    const auto listener = make_tcp_listener(executor, *clock, "127.0.0.1", 0, [&current] { return current; });
    const auto port = (*listener)->port();
    TlsClientConfig only_first;
    only_first.ca_pem = pki().server.certificate_pem;
    TlsClientConfig only_second;
    only_second.ca_pem = pki().second_server.certificate_pem;
    const auto first = make_tcp_transport(executor, *clock, "127.0.0.1", port, only_first);
    const auto second = make_tcp_transport(executor, *clock, "127.0.0.1", port, only_second);
    std::array<Seen, 2> seen;
    test::spawn(executor, serve_one(**listener, seen[0]));
    const auto running = co_await (*first)->connect({});
    EXPECT_TRUE(running);
    current = context_of(serving(pki().second_server));
    test::spawn(executor, serve_one(**listener, seen[1]));
    const auto fresh = co_await (*second)->connect({});
    EXPECT_TRUE(fresh) << fresh.error().message;
    co_await (*running)->write("still");
    std::array<char, 100> buffer{};
    const auto count = co_await (*running)->read_some(buffer);
    EXPECT_TRUE(count && *count == 5) << "the old connection lives on";
    (*running)->close();
    (*fresh)->close();
    co_await wait_for(seen[0].finished);
    co_await wait_for(seen[1].finished);
}

TEST(Tls, ANewCertificateServesTheNextHandshake) {
    test::run_coro(swap_certificates());
}

asio::awaitable<void> large_transfer(Listener& listener, bool& finished) {
    const auto stream = co_await listener.accept();
    co_await listener.handshake(**stream);
    co_await (*stream)->write(std::string(3'000'000, 'x'));
    (*stream)->close();
    finished = true;
}

asio::awaitable<void> receive_all() {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    auto context = context_of(serving(pki().server));
    const auto listener = make_tcp_listener(executor, *clock, "127.0.0.1", 0, [context] { return context; });
    bool finished = false;
    test::spawn(executor, large_transfer(**listener, finished));
    const auto transport = make_tcp_transport(executor, *clock, "127.0.0.1", (*listener)->port(), trusting(pki().ca));
    const auto stream = co_await (*transport)->connect({});
    std::vector<char> buffer(64 * 1024);
    std::size_t total = 0;
    for (;;) {
        const auto count = co_await (*stream)->read_some(buffer);
        EXPECT_TRUE(count) << "an end without close_notify is left to the HTTP parser to judge";
        if (!count || *count == 0) break;
        total += *count;
    }
    EXPECT_EQ(total, 3'000'000U);
    co_await wait_for(finished);
}

TEST(Tls, CarriesLargeAmountsAndEndsCleanly) {
    test::run_coro(receive_all());
}

}  // namespace
}  // namespace kube
