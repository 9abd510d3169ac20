#include "fixture.hpp"
#include "kube/client/client.hpp"
#include "kube/net/certificates.hpp"
#include "kube/net/tls.hpp"
#include "tests/model/kubelet_driver.hpp"

#include <boost/asio/this_coro.hpp>

namespace model::test {
namespace {

namespace asio = boost::asio;
using kube::test::run_coro;

constexpr kube::Duration kDay = std::chrono::hours(24);

/// The server on a loopback port with TLS and client certificates, as the program runs it.
class Wire {
  public:
    explicit Wire(asio::any_io_executor executor)
        : executor_(executor), clock_(kube::make_system_clock(executor)), api_(executor, *clock_), tasks_(executor) {
        ca_ = kube::make_certificate_authority("ca", clock_->now(), kDay).value();
        kube::LeafOptions leaf;
        leaf.common_name = "server";
        leaf.ip_addresses = {"127.0.0.1"};
        const auto certificate = kube::issue_certificate(ca_, leaf, clock_->now(), kDay).value();
        kube::TlsServerConfig tls;
        tls.certificate_pem = certificate.certificate_pem;
        tls.key_pem = certificate.key_pem;
        tls.client_ca_pem = ca_.certificate_pem;
        context_ = kube::make_tls_server_context(tls).value();
        auto listener = kube::make_tcp_listener(executor, *clock_, "127.0.0.1", 0, [this] { return context_; });
        server_ = std::make_unique<kube::HttpServer>(executor, *clock_, std::move(*listener), api_.handler());
        tasks_.spawn("server", server_->run(stop_.get_token(), std::chrono::milliseconds(100)));
    }
    std::unique_ptr<kube::Client> client(const std::string& name, std::vector<std::string> groups = {}) {
        kube::LeafOptions leaf;
        leaf.common_name = name;
        leaf.organizations = std::move(groups);
        leaf.server = false;
        leaf.client = true;
        const auto certificate = kube::issue_certificate(ca_, leaf, clock_->now(), kDay).value();
        kube::TlsClientConfig tls;
        tls.ca_pem = ca_.certificate_pem;
        tls.certificate_pem = certificate.certificate_pem;
        tls.key_pem = certificate.key_pem;
        auto transport = kube::make_tcp_transport(executor_, *clock_, "127.0.0.1", server_->port(), tls);
        return std::make_unique<kube::Client>(transport.value(), *clock_, kube::ClientOptions{});
    }
    kube::Clock& clock() { return *clock_; }
    ApiServer& api() { return api_; }
    kube::TaskGroup& tasks() { return tasks_; }
    asio::awaitable<void> stop() {
        stop_.request_stop();
        co_await tasks_.join();
        co_await api_.join();
    }

  private:
    asio::any_io_executor executor_;
    std::unique_ptr<kube::Clock> clock_;
    kube::KeyPair ca_;
    std::shared_ptr<const kube::TlsServerContext> context_;
    ApiServer api_;
    std::unique_ptr<kube::HttpServer> server_;
    std::stop_source stop_;
    kube::TaskGroup tasks_;
};

kube::ApiRequest request(std::string method, std::string path, const Json& body = nullptr) {
    kube::ApiRequest out;
    out.method = std::move(method);
    out.path = std::move(path);
    if (!body.is_null()) out.body = body.dump();
    return out;
}

asio::awaitable<void> certificates() {
    Wire wire(co_await asio::this_coro::executor);
    const auto admin = wire.client("admin", {"system:masters"});
    const auto bob = wire.client("bob");
    auto made = co_await admin->call(request("POST", kPods, pod("p")));
    EXPECT_TRUE(made.has_value());
    auto refused = co_await bob->call(request("GET", kPods));
    EXPECT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().kind, kube::ErrorKind::forbidden);
    EXPECT_NE(refused.error().message.find("User \"bob\""), std::string::npos) << refused.error().message;
    co_await wire.stop();
}

TEST(Wire, ClientCertificatesNameTheUser) {
    run_coro(certificates());
}

asio::awaitable<void> whole_life() {
    const auto executor = co_await asio::this_coro::executor;
    Wire wire(executor);
    const auto admin = wire.client("admin", {"system:masters"});
    const auto node = wire.client("node", {"system:masters"});
    KubeletSettings settings;
    settings.start_delay = std::chrono::milliseconds(5);
    settings.default_run_time = std::chrono::milliseconds(20);
    KubeletDriver kubelet(executor, wire.clock(), *node, settings);
    std::stop_source kubelet_stop;
    wire.tasks().spawn("kubelet", kubelet.run(kubelet_stop.get_token()));
    auto made = co_await admin->call(request("POST", kPods, pod("p", "")));
    EXPECT_TRUE(made.has_value());

    kube::ApiRequest watch = request("GET", kPods);
    watch.query = {{"watch", "1"}, {"fieldSelector", "metadata.name=p"}, {"resourceVersion", "0"}};
    auto stream = co_await admin->watch(watch, std::chrono::seconds(30), {});
    EXPECT_TRUE(stream.has_value());
    bool injected = false;
    bool ended = false;
    while (stream && !ended) {
        auto line = co_await (*stream)->next({});
        if (!line || !*line) break;
        const Json object = Json::parse(**line)["object"];
        if (string_at(object, {"status", "phase"}) == "Running" && !injected) {
            injected = true;
            kube::ApiRequest patch = request(
                "PATCH", kPods + "/p/ephemeralcontainers",
                Json::parse(R"({"spec":{"ephemeralContainers":[{"name":"d","image":"busybox","stdin":true}]}})"));
            patch.content_type = kStrategic;
            auto patched = co_await admin->call(patch);
            EXPECT_TRUE(patched.has_value());
        }
        for (const Json& status : array_at(object, {"status", "ephemeralContainerStatuses"})) {
            ended = ended || find_at(status, {"state", "terminated"}) != nullptr;
        }
    }
    EXPECT_TRUE(ended);
    stream = kube::fail(kube::ErrorKind::cancelled, "done");
    kubelet_stop.request_stop();
    co_await wire.stop();
}

TEST(Wire, ADebugContainerLivesAndEnds) {
    run_coro(whole_life());
}

}  // namespace
}  // namespace model::test
