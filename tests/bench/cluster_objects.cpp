#include "kube/base/json.hpp"
#include "kube/base/task_group.hpp"
#include "tests/bench/cluster.hpp"

#include <cstdio>

namespace endoscope::bench {
namespace asio = boost::asio;
using nlohmann::json;

namespace {

constexpr int kAtOnce = 8;

struct Counter {
    std::int64_t next = 0;
    bool failed = false;
};

json pod(const std::string& ns, std::int64_t number) {
    return {
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", "pod-" + std::to_string(number)}, {"namespace", ns}, {"labels", {{"app", "bench"}}}}},
        {"spec", {{"containers", {{{"name", "app"}, {"image", "registry.example.com/team/app:1.2.3"}}}}}}};
}

asio::awaitable<void> create_some(kube::Client& client, std::string ns, std::int64_t count, Counter& counter) {
    while (counter.next < count && !counter.failed) {
        const bool created = co_await create(client, "/api/v1/namespaces/" + ns + "/pods", pod(ns, counter.next++));
        if (!created) counter.failed = true;
    }
}

}  // namespace

asio::awaitable<bool> create(kube::Client& client, std::string collection, json object) {
    kube::ApiRequest request;
    request.method = "POST";
    request.path = std::move(collection);
    request.body = kube::dump_json(object);
    const auto created = co_await client.call(std::move(request));
    if (!created) std::fprintf(stderr, "endoscope-bench-cluster: %s\n", created.error().message.c_str());
    co_return created.has_value();
}

asio::awaitable<bool> create_pods(kube::Client& client, std::string ns, std::int64_t count) {
    const json object = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}};
    const bool has_namespace = co_await create(client, "/api/v1/namespaces", object);
    if (!has_namespace) co_return false;
    Counter counter;
    kube::TaskGroup workers(co_await asio::this_coro::executor);
    for (int i = 0; i < kAtOnce; ++i) workers.spawn("create", create_some(client, ns, count, counter));
    co_await workers.join();
    co_return !counter.failed;
}

}  // namespace endoscope::bench
