#include "controller/manifests.hpp"
#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/task_group.hpp"
#include "kube/net/tls.hpp"
#include "kube/net/url.hpp"
#include "tests/bench/cluster.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

// How long the webhooks take while many ask at the same time, as the API server would: over kept connections.

namespace endoscope::bench {
namespace asio = boost::asio;
using nlohmann::json;

namespace {

json review_of(std::int64_t number) {
    return {{"apiVersion", "admission.k8s.io/v1"},
            {"kind", "AdmissionReview"},
            {"request",
             {{"uid", "review-" + std::to_string(number)},
              {"operation", "CREATE"},
              {"namespace", "bench"},
              {"name", "r-" + std::to_string(number)},
              {"dryRun", true},
              {"userInfo", {{"username", "alice"}, {"groups", {"developers", "system:authenticated"}}}},
              {"object",
               {{"apiVersion", "endoscope.dev/v1alpha1"},
                {"kind", "DebugRequest"},
                {"metadata", {{"name", "r-" + std::to_string(number)}, {"namespace", "bench"}}},
                {"spec",
                 {{"reason", "INC-1: a bench"},
                  {"target", {{"podName", "web"}}},
                  {"image", "registry.example.com/tools/debug:1.4"}}}}}}}};
}

struct Crowd {
    std::shared_ptr<kube::Transport> transport;
    kube::Clock& clock;
    std::string target;
    std::int64_t left;
    std::vector<kube::Duration> took = {};
    std::int64_t failed = 0;
};

asio::awaitable<bool> ask(kube::HttpClientConnection& connection, Crowd& crowd, std::int64_t number) {
    kube::HttpRequest request;
    request.method = "POST";
    request.target = crowd.target;
    request.headers.set("Content-Type", "application/json");
    request.body = kube::dump_json(review_of(number));
    const kube::SteadyTime begun = crowd.clock.steady_now();
    const auto head = co_await connection.send(request, "webhooks");
    if (!head || head->status != 200) co_return false;
    const auto body = co_await connection.read_whole_body(std::size_t{1} << 20);
    crowd.took.push_back(crowd.clock.steady_now() - begun);
    const auto review = body ? kube::parse_json(*body) : kube::parse_json("");
    co_return review && (*review)["response"]["allowed"] == true;
}

/// One client: as many reviews as are left, over one connection until the server ends it.
asio::awaitable<void> keep_asking(Crowd& crowd) {
    while (crowd.left > 0) {
        auto stream = co_await crowd.transport->connect({});
        if (!stream) {
            std::fprintf(stderr, "admission: %s\n", stream.error().message.c_str());
            ++crowd.failed;
            co_return;
        }
        kube::HttpClientConnection connection(std::move(*stream));
        bool open = true;
        while (open && crowd.left > 0) {
            const bool allowed = co_await ask(connection, crowd, crowd.left--);
            if (!allowed) ++crowd.failed;
            open = connection.reusable();
        }
        connection.close();
    }
}

double milliseconds(kube::Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

asio::awaitable<bool> measure_admission(kube::Client& client, kube::Clock& clock, AdmissionOptions options) {
    kube::ApiRequest get;
    get.path =
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" + std::string(controller::kWebhookName);
    const auto found = co_await client.call(std::move(get));
    const auto installed = found ? kube::parse_json(*found) : kube::parse_json("");
    if (!installed) {
        std::fputs("admission: no webhook configuration is installed\n", stderr);
        co_return false;
    }
    const json& called = (*installed)["webhooks"][0]["clientConfig"];
    const auto url = kube::parse_url(called["url"].get<std::string>());
    kube::TlsClientConfig trust;
    trust.ca_pem = kube::base64_decode(called["caBundle"].get<std::string>()).value_or("");
    const auto executor = co_await asio::this_coro::executor;
    auto transport = kube::make_tcp_transport(executor, clock, url->host, url->port, trust);
    if (!transport) co_return false;
    Crowd crowd{.transport = *transport, .clock = clock, .target = url->path + "?timeout=5s", .left = options.reviews};
    kube::TaskGroup clients(executor);
    const kube::SteadyTime begun = clock.steady_now();
    for (int i = 0; i < options.clients; ++i) clients.spawn("client", keep_asking(crowd));
    co_await clients.join();
    const double seconds = milliseconds(clock.steady_now() - begun) / 1000;
    std::ranges::sort(crowd.took);
    const auto at = [&](double part) {
        const auto last = static_cast<double>(crowd.took.size() - 1);
        return crowd.took.empty() ? 0 : milliseconds(crowd.took[static_cast<std::size_t>(part * last)]);
    };
    std::printf("%d clients, %zu reviews: p50 %.1f ms  p99 %.1f ms  longest %.1f ms  %.0f a second  %lld failed\n",
                options.clients, crowd.took.size(), at(0.5), at(0.99), at(1),
                static_cast<double>(crowd.took.size()) / seconds, static_cast<long long>(crowd.failed));
    co_return crowd.failed == 0;
}

}  // namespace endoscope::bench
