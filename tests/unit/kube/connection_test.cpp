#include "kube/client/connection.hpp"

#include "kube/client/client.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/http.hpp"
#include "kube/runtime/metrics.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

namespace asio = boost::asio;

WallTime wall_now() {
    return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

KeyPair client_pair(const KeyPair& ca, const std::string& name) {
    LeafOptions leaf;
    leaf.common_name = name;
    leaf.server = false;
    leaf.client = true;
    return *issue_certificate(ca, leaf, wall_now(), std::chrono::hours(1));
}

/// A plugin that answers with the next of its certificates, and with a token that says which it is.
class Plugin final : public ProcessRunner {
  public:
    asio::awaitable<Result<ProcessResult>> run(ProcessOptions, std::stop_token) override {
        const KeyPair& pair = pairs.at(std::min(runs++, pairs.size() - 1));
        const nlohmann::json answer = {{"apiVersion", "client.authentication.k8s.io/v1"},
                                       {"kind", "ExecCredential"},
                                       {"status",
                                        {{"token", "run-" + std::to_string(runs)},
                                         {"clientCertificateData", pair.certificate_pem},
                                         {"clientKeyData", pair.key_pem}}}};
        co_return ProcessResult{.exit_code = 0, .output = answer.dump()};
    }
    std::vector<KeyPair> pairs;
    std::size_t runs = 0;
};

/// Answers with user and token; 401 to the token that is refused.
struct Server {
    Server(const asio::any_io_executor& on, Clock& clock, const KeyPair& ca) {
        LeafOptions leaf;
        leaf.common_name = "server";
        leaf.ip_addresses = {"127.0.0.1"};
        const auto pair = *issue_certificate(ca, leaf, wall_now(), std::chrono::hours(1));
        auto context = *make_tls_server_context({pair.certificate_pem, pair.key_pem, ca.certificate_pem});
        auto listener = *make_tcp_listener(on, clock, "127.0.0.1", 0, [context] { return context; });
        port = listener->port();
        http = std::make_unique<HttpServer>(
            on, clock, std::move(listener),
            [this](const HttpExchange& exchange, HttpResponseWriter& writer) { return answer(exchange, writer); });
        test::spawn(on, serve());
    }
    asio::awaitable<void> serve() {
        co_await http->run(stop.get_token());
        ended = true;
    }
    asio::awaitable<void> answer(const HttpExchange& exchange, HttpResponseWriter& writer) {
        HttpResponse response;
        const std::string token(exchange.request.headers.get("Authorization"));
        response.status = token == refused ? 401 : 200;
        response.body = (exchange.peer ? exchange.peer->common_name : "nobody") + " " + token;
        co_await writer.respond(std::move(response));
    }
    unsigned short port = 0;
    std::string refused;
    std::stop_source stop;
    bool ended = false;
    std::unique_ptr<HttpServer> http;
};

asio::awaitable<std::string> get(Client& client) {
    ApiRequest request;
    request.path = "/who";
    const auto body = co_await client.call(request);
    co_return body ? *body : std::string(to_string(body.error().kind));
}

asio::awaitable<void> uses_what_the_plugin_says() {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    const auto ca = *make_certificate_authority("ca", wall_now(), std::chrono::hours(1));
    Server server(executor, *clock, ca);
    const auto plugin = std::make_shared<Plugin>();
    plugin->pairs = {client_pair(ca, "alice"), client_pair(ca, "bob")};
    Config config;
    config.host = "127.0.0.1";
    config.port = server.port;
    config.tls.ca_pem = ca.certificate_pem;
    config.exec.emplace();
    config.exec->api_version = "client.authentication.k8s.io/v1";
    config.exec->command = "get";
    const Registry registry = make_registry();
    const auto metrics = make_connection_metrics(registry);
    const auto connection = make_connection(executor, *clock, config, ConfigSources(), metrics.get(), plugin);
    EXPECT_TRUE(connection) << connection.error().message;
    Client client(connection->transport, *clock, ClientOptions(), connection->credentials);
    Client other(connection->transport, *clock, ClientOptions(), connection->credentials);
    EXPECT_EQ(co_await get(client), "alice Bearer run-1") << "the certificate is used in the handshake";
    EXPECT_EQ(co_await get(other), "alice Bearer run-1");
    EXPECT_EQ(plugin->runs, 1U) << "clients of one connection share the answer";
    server.refused = "Bearer run-1";
    EXPECT_EQ(co_await get(client), "unauthorized");
    EXPECT_EQ(co_await get(client), "bob Bearer run-2");
    EXPECT_EQ(co_await get(other), "bob Bearer run-2") << "not over alice's connection";
    EXPECT_EQ(plugin->runs, 2U);
    EXPECT_TRUE(
        render_metrics(registry).contains(R"(rest_client_exec_plugin_call_total{call_status="no_error",code="0"} 2)"))
        << render_metrics(registry);
    server.stop.request_stop();
    while (!server.ended) co_await test::settle();
}

TEST(Connection, TokenAndCertificateOfAPluginAreUsedAndRenewedOnARefusal) {
    test::run_coro(uses_what_the_plugin_says());
}

asio::awaitable<void> rereads_refused_token() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    test::ScriptedServer server(executor, clock);
    std::string file = "old";
    auto credentials =
        make_token_credentials(make_file_token(clock, [&file]() -> Result<std::string> { return file; }));
    Client client(server.transport(), clock, ClientOptions(), std::move(credentials));
    server.reply(401, R"({"kind":"Status","code":401})");
    server.reply(200, "{}");
    ApiRequest watch;
    watch.path = "/w";
    watch.query = {{"watch", "1"}};
    const auto refused = co_await client.watch(watch, std::chrono::minutes(1), {});
    EXPECT_EQ(refused.error().kind, ErrorKind::unauthorized);
    file = "new";
    EXPECT_EQ(co_await get(client), "{}");
    EXPECT_EQ(server.received().at(0).headers.get("Authorization"), "Bearer old");
    EXPECT_EQ(server.received().at(1).headers.get("Authorization"), "Bearer new");
}

TEST(Connection, ARefusedTokenFileIsReadAgainForTheNextRequest) {
    test::run_coro(rereads_refused_token());
}

asio::awaitable<void> refuses_bad_config() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    Config config;
    config.host = "h";
    config.tls.ca_pem = "no certificate";
    const auto connection = make_connection(executor, clock, config, ConfigSources());
    EXPECT_FALSE(connection);
    EXPECT_EQ(connection.error().kind, ErrorKind::config);
    EXPECT_EQ(connection.error().message, "CA bundle contains no certificate");
}

TEST(Connection, AConfigurationThatCannotWorkIsToldAtOnce) {
    test::run_coro(refuses_bad_config());
}

TEST(ConnectionMetrics, CountReloadsByResultAndReason) {
    const Registry registry = make_registry();
    const auto metrics = make_connection_metrics(registry);
    metrics->on_ca_reload("failure", "empty");
    metrics->on_ca_reload("failure", "empty");
    EXPECT_TRUE(render_metrics(registry).contains(
        R"(rest_client_transport_ca_reload_total{reason="empty",result="failure"} 2)"))
        << render_metrics(registry);
}

TEST(Time, Rfc3339IsReadWithAnyOffset) {
    const WallTime time(std::chrono::seconds(1'767'323'045));
    EXPECT_EQ(parse_time("2026-01-02T03:04:05Z"), time);
    EXPECT_EQ(parse_time("2026-01-02T03:04:05.5Z"), time + std::chrono::milliseconds(500));
    EXPECT_EQ(parse_time("2026-01-02T03:04:05.123456789Z"), time + std::chrono::microseconds(123'456));
    EXPECT_EQ(parse_time("2026-01-02T00:34:05-02:30"), time);
    EXPECT_EQ(format_time(time), "2026-01-02T03:04:05Z");
    for (const char* text : {"", "2026-01-02", "2026-01-02T03:04:05", "2026-02-30T03:04:05Z", "2026-01-02T25:04:05Z",
                             "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05Zx",
                             "2026-1-2T03:04:05Z", "-026-01-02T03:04:05Z"}) {
        EXPECT_FALSE(parse_time(text)) << text;
    }
}

}  // namespace
}  // namespace kube
