// Certificates and CA files that change while running.

#include "kube/client/client.hpp"
#include "kube/client/tls_source.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/http.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>

namespace kube {
namespace {

namespace asio = boost::asio;
using std::chrono::minutes;
using std::chrono::seconds;
using test::ManualClock;

struct Pki {
    Pki() {
        const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
        const auto day = std::chrono::hours(24);
        ca = *make_certificate_authority("ca", now, day);
        other_ca = *make_certificate_authority("other-ca", now, day);
        LeafOptions leaf;
        leaf.common_name = "server";
        leaf.ip_addresses = {"127.0.0.1"};
        server = *issue_certificate(ca, leaf, now, day);
        leaf = LeafOptions();
        leaf.server = false;
        leaf.client = true;
        leaf.common_name = "alice";
        alice = *issue_certificate(ca, leaf, now, day);
        leaf.common_name = "bob";
        bob = *issue_certificate(ca, leaf, now, day);
    }
    KeyPair ca, other_ca, server, alice, bob;
};

const Pki& pki() {
    static const Pki made;
    return made;
}

struct Reloads final : ConnectionObserver {
    void on_ca_reload(std::string_view result, std::string_view reason) override {
        seen.push_back(std::string(result) + "/" + std::string(reason));
    }
    void on_exec_call(int, std::string_view) override {}
    std::vector<std::string> seen;
};

/// A configuration whose files live in the test.
struct Files {
    Files() {
        content = {
            {"/ca", pki().ca.certificate_pem}, {"/crt", pki().alice.certificate_pem}, {"/key", pki().alice.key_pem}};
        config.ca_file = "/ca";
        config.certificate_file = "/crt";
        config.key_file = "/key";
        config.tls.ca_pem = content["/ca"];
        config.tls.certificate_pem = content["/crt"];
        config.tls.key_pem = content["/key"];
    }
    std::shared_ptr<TlsClientSource> source(Clock& clock) {
        return make_tls_source(
            clock, config,
            [this](const std::string& path) -> Result<std::string> {
                ++reads;
                if (!content.contains(path)) return fail(ErrorKind::config, "cannot read " + path);
                return content[path];
            },
            nullptr, &reloads);
    }
    void become_bob() {
        content["/crt"] = pki().bob.certificate_pem;
        content["/key"] = pki().bob.key_pem;
    }
    std::map<std::string, std::string> content;
    Config config;
    Reloads reloads;
    int reads = 0;
};

TEST(TlsSource, TheCaFileIsReadAgainAtMostEveryFiveMinutes) {
    ManualClock clock;
    Files files;
    files.config.certificate_file.clear();
    const auto source = files.source(clock);
    const auto first = source->current();
    files.content["/ca"] = pki().other_ca.certificate_pem;
    clock.advance(minutes(5) - seconds(1));
    EXPECT_EQ(source->current(), first);
    EXPECT_EQ(files.reads, 0);
    clock.advance(seconds(1));
    const auto second = source->current();
    EXPECT_NE(second, first);
    EXPECT_EQ(second->ca_pem, pki().other_ca.certificate_pem);
    EXPECT_EQ(second->key_pem, first->key_pem);
    EXPECT_EQ(source->current(), second);
    EXPECT_EQ(files.reads, 1);
    EXPECT_EQ(files.reloads.seen, std::vector<std::string>{"success/updated"});
}

TEST(TlsSource, ACaFileThatCannotBeUsedKeepsTheLastOne) {
    ManualClock clock;
    Files files;
    files.config.certificate_file.clear();
    const auto source = files.source(clock);
    const auto first = source->current();
    for (const char* content : {"", "\n", "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"}) {
        files.content["/ca"] = content;
        clock.advance(minutes(5));
        EXPECT_EQ(source->current(), first);
    }
    files.content.erase("/ca");
    clock.advance(minutes(5));
    EXPECT_EQ(source->current(), first);
    files.content["/ca"] = first->ca_pem;
    clock.advance(minutes(5));
    EXPECT_EQ(source->current(), first);
    EXPECT_EQ(files.reloads.seen,
              (std::vector<std::string>{"failure/empty", "failure/ca_parse_error", "failure/ca_parse_error",
                                        "failure/read_error", "success/unchanged"}));
}

TEST(TlsSource, CertificateAndKeyChangeTogether) {
    ManualClock clock;
    Files files;
    const auto source = files.source(clock);
    const auto first = source->current();
    files.content["/crt"] = pki().bob.certificate_pem;
    clock.advance(seconds(10));
    EXPECT_EQ(source->current(), first) << "the key has not been written yet";
    files.content.erase("/key");
    clock.advance(seconds(10));
    EXPECT_EQ(source->current(), first);
    files.content["/key"] = "nonsense";
    clock.advance(seconds(10));
    EXPECT_EQ(source->current(), first);
    files.become_bob();
    clock.advance(seconds(9));
    EXPECT_EQ(source->current(), first);
    clock.advance(seconds(1));
    EXPECT_EQ(source->current()->certificate_pem, pki().bob.certificate_pem);
    EXPECT_EQ(source->current()->ca_pem, first->ca_pem);
}

/// Answers once with a certificate.
class CertificateRunner final : public ProcessRunner {
  public:
    asio::awaitable<Result<ProcessResult>> run(ProcessOptions, std::stop_token) override {
        const nlohmann::json answer = {
            {"apiVersion", "client.authentication.k8s.io/v1"},
            {"kind", "ExecCredential"},
            {"status", {{"clientCertificateData", pair.certificate_pem}, {"clientKeyData", pair.key_pem}}}};
        co_return ProcessResult{.exit_code = 0, .output = answer.dump()};
    }
    KeyPair pair = pki().alice;
};

asio::awaitable<void> takes_the_plugins_certificate() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto runner = std::make_shared<CertificateRunner>();
    ExecConfig plugin;
    plugin.api_version = "client.authentication.k8s.io/v1";
    plugin.command = "get";
    const auto exec =
        std::make_shared<ExecCredentials>(executor, clock, plugin, std::map<std::string, std::string>(), runner);
    Config config;
    config.tls.ca_pem = pki().ca.certificate_pem;
    const auto source = make_tls_source(clock, config, nullptr, exec);
    EXPECT_EQ(source->current()->certificate_pem, "");
    const auto answer = co_await exec->get({});
    EXPECT_TRUE(answer);
    EXPECT_EQ(source->current()->certificate_pem, pki().alice.certificate_pem);
    runner->pair = pki().bob;
    exec->reject(clock.steady_now());
    EXPECT_EQ(source->current()->certificate_pem, pki().alice.certificate_pem);
    co_await exec->get({});
    EXPECT_EQ(source->current()->key_pem, pki().bob.key_pem);
}
TEST(TlsSource, TheCertificateOfAPluginIsUsed) {
    test::run_coro(takes_the_plugins_certificate());
}

/// An HTTPS server that answers with the name of its client, and a client of it whose files the test changes.
struct Server {
    explicit Server(const asio::any_io_executor& on) : executor(on), clock(make_system_clock(on)) {
        auto context =
            *make_tls_server_context({pki().server.certificate_pem, pki().server.key_pem, pki().ca.certificate_pem});
        auto listener = *make_tcp_listener(on, *clock, "127.0.0.1", 0, [context] { return context; });
        port = listener->port();
        http = std::make_unique<HttpServer>(
            on, *clock, std::move(listener),
            [this](const HttpExchange& exchange, HttpResponseWriter& writer) { return answer(exchange, writer); });
        test::spawn(on, serve());
        TcpTransportOptions options;
        options.host = "127.0.0.1";
        options.port = port;
        options.tls = files.source(time);
        transport = *make_tcp_transport(on, *clock, std::move(options));
        client = std::make_unique<Client>(transport, *clock, ClientOptions());
    }
    asio::awaitable<void> serve() {
        co_await http->run(stop.get_token());
        ended = true;
    }
    asio::awaitable<void> finish() {
        stop.request_stop();
        while (!ended) co_await test::settle();
    }
    asio::awaitable<void> answer(const HttpExchange& exchange, HttpResponseWriter& writer) {
        if (exchange.request.target.contains("watch=1")) {
            co_await writer.begin(200, {});
            co_await writer.write(R"({"type":"ADDED"})"
                                  "\n");
            Signal left(executor);
            const std::stop_callback on_stop(exchange.stop, [&left] { left.notify_all(); });
            while (!exchange.stop.stop_requested()) co_await left.wait();
            co_return;
        }
        HttpResponse response;
        response.body = exchange.peer ? exchange.peer->common_name : "nobody";
        co_await writer.respond(std::move(response));
    }
    asio::awaitable<std::string> who() {
        ApiRequest request;
        request.path = "/who";
        const auto body = co_await client->call(request);
        co_return body ? *body : "error: " + body.error().message;
    }
    asio::awaitable<std::unique_ptr<WatchStream>> watch() {
        ApiRequest request;
        request.path = "/w";
        request.query = {{"watch", "1"}};
        auto stream = co_await client->watch(request, minutes(5), {});
        EXPECT_TRUE(stream);
        if (!stream) co_return nullptr;
        const auto first = co_await (*stream)->next({});
        EXPECT_TRUE(first && *first);
        co_return std::move(*stream);
    }
    asio::any_io_executor executor;
    std::unique_ptr<Clock> clock;
    ManualClock time;  ///< Only for when the files are looked at.
    Files files;
    unsigned short port = 0;
    std::stop_source stop;
    bool ended = false;
    std::unique_ptr<HttpServer> http;
    std::shared_ptr<Transport> transport;
    std::unique_ptr<Client> client;
};

/// How the watch went on: with an error, or to a clean end.
struct WatchEnd {
    std::optional<Error> error;
    bool reached = false;
};

asio::awaitable<void> read_next(WatchStream& stream, WatchEnd& end) {
    const auto next = co_await stream.next({});
    if (!next) end.error = next.error();
    end.reached = true;
}

asio::awaitable<void> new_certificate() {
    Server s(co_await asio::this_coro::executor);
    EXPECT_EQ(co_await s.who(), "alice");
    auto watch = co_await s.watch();
    WatchEnd end;
    test::spawn(s.executor, read_next(*watch, end));
    co_await test::settle();
    const auto before = s.transport->epoch();
    s.files.become_bob();
    s.time.advance(seconds(10));
    EXPECT_EQ(co_await s.who(), "bob") << "not over the connection that alice had opened";
    EXPECT_EQ(s.transport->epoch(), before + 1);
    while (!end.reached) co_await test::settle();
    EXPECT_TRUE(end.error && end.error->kind == ErrorKind::transport) << "a watch goes on as who we are now";
    EXPECT_TRUE(end.error->message.contains("client certificate has changed")) << end.error->message;
    watch.reset();
    co_await s.finish();
}
TEST(TlsRotation, ANewClientCertificateClosesWhatTheOldOneHadOpened) {
    test::run_coro(new_certificate());
}

asio::awaitable<void> new_ca() {
    Server s(co_await asio::this_coro::executor);
    EXPECT_EQ(co_await s.who(), "alice");
    auto watch = co_await s.watch();
    WatchEnd end;
    test::spawn(s.executor, read_next(*watch, end));
    EXPECT_EQ(s.client->idle_connections(), 1U);
    s.files.content["/ca"] = pki().other_ca.certificate_pem;
    s.time.advance(minutes(5));
    const auto refused = co_await s.who();
    EXPECT_TRUE(refused.contains("certificate verify failed")) << refused << ": the idle connection is not used again";
    EXPECT_EQ(s.client->idle_connections(), 0U);
    co_await test::settle();
    EXPECT_FALSE(end.reached) << "a running watch lives on";
    s.files.content["/ca"] = pki().other_ca.certificate_pem + pki().ca.certificate_pem;
    s.time.advance(minutes(5));
    EXPECT_EQ(co_await s.who(), "alice");
    EXPECT_FALSE(end.reached);
    s.stop.request_stop();
    while (!end.reached) co_await test::settle();
    watch.reset();
    co_await s.finish();
}
TEST(TlsRotation, ANewCaIsForNewConnectionsAndEndsIdleOnes) {
    test::run_coro(new_ca());
}

}  // namespace
}  // namespace kube
