#include "kube/runtime/tls_probe.hpp"

#include "kube/net/certificates.hpp"
#include "kube/net/http.hpp"
#include "kube/net/tls.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

namespace kube {
namespace {

namespace asio = boost::asio;

KeyPair make_pair(const std::vector<std::string>& names, const std::vector<std::string>& addresses = {}) {
    const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
    const auto ca = make_certificate_authority("test", now, std::chrono::hours(1));
    LeafOptions leaf;
    leaf.common_name = "common";
    leaf.dns_names = names;
    leaf.ip_addresses = addresses;
    return *issue_certificate(*ca, leaf, now, std::chrono::hours(1));
}

asio::awaitable<void> no_answer(const HttpExchange&, HttpResponseWriter&) {
    co_return;
}

asio::awaitable<void> dials() {
    const auto executor = co_await asio::this_coro::executor;
    const auto clock = make_system_clock(executor);
    const KeyPair served = make_pair({"webhook.test.svc"});
    const KeyPair other = make_pair({"webhook.test.svc"});
    auto context = *make_tls_server_context(
        {.certificate_pem = served.certificate_pem, .key_pem = served.key_pem, .client_ca_pem = {}});
    auto listener = make_tcp_listener(executor, *clock, "127.0.0.1", 0, [context] { return context; });
    const unsigned short port = (*listener)->port();
    std::stop_source stop;
    HttpServer server(executor, *clock, std::move(*listener), no_answer);
    test::spawn(executor, server.run(stop.get_token()));
    std::string expected = served.certificate_pem;
    TlsProbe probe(executor, *clock, "127.0.0.1", port, [&expected] { return expected; });
    EXPECT_NE(probe.problem(), "");
    co_await probe.probe();
    EXPECT_EQ(probe.problem(), "");
    expected = other.certificate_pem;
    co_await probe.probe();
    EXPECT_NE(probe.problem(), "") << "another certificate is served than the one that was loaded";
    expected = served.certificate_pem;
    co_await probe.probe();
    EXPECT_EQ(probe.problem(), "");
    stop.request_stop();
    co_await test::settle();
    co_await probe.probe();
    EXPECT_NE(probe.problem(), "") << "nothing listens any more";
}

TEST(TlsProbe, TellsWhetherTheRightCertificateIsServed) {
    test::run_coro(dials());
}

TEST(Certificates, TheFirstNameIsADnsNameOrAnAddress) {
    EXPECT_EQ(first_name(make_pair({"a.test", "b.test"}, {"127.0.0.1"}).certificate_pem), "a.test");
    EXPECT_EQ(first_name(make_pair({}, {"127.0.0.1"}).certificate_pem), "127.0.0.1");
    EXPECT_EQ(first_name(make_pair({}, {"fd00::1"}).certificate_pem), "fd00::1");
    EXPECT_EQ(first_name(make_pair({}).certificate_pem), "common");
    EXPECT_EQ(first_name("nonsense"), "");
    EXPECT_EQ(first_certificate("nonsense"), "");
}

}  // namespace
}  // namespace kube
