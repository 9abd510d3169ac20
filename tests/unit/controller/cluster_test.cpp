// What is sent, and what is made of the answer. What an API server does with it is in tests/unit/operator.
#include "controller/cluster.hpp"

#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/unit/kube/client_calls.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace {

namespace asio = boost::asio;
using kube::test::run_coro;
using nlohmann::json;

constexpr std::size_t kKept = 64 * 1024;

struct Fixture {
    explicit Fixture(asio::any_io_executor executor, WriteGate gate = {})
        : server(executor, clock),
          client(server.transport(), clock, kube::test::options()),
          cluster(client, std::move(gate)) {}

    kube::test::ManualClock clock;
    kube::test::ScriptedServer server;
    kube::Client client;
    Cluster cluster;
};

std::shared_ptr<const StoredRequest> stored() {
    StoredRequest request;
    request.ns = "shop";
    request.name = "r";
    request.uid = "u";
    return std::make_shared<const StoredRequest>(std::move(request));
}

/// One answer of a log: `pieces` times `piece`, then `end`.
asio::awaitable<void> send_log(std::string piece, int pieces, std::string end, kube::HttpResponseWriter& writer) {
    kube::HttpHeaders headers;
    headers.set("Content-Type", "text/plain");
    co_await writer.begin(200, std::move(headers));
    for (int i = 0; i < pieces; ++i) {
        const auto sent = co_await writer.write(piece);
        if (!sent) co_return;  // the reader has left
        // The stream between them holds any amount: without this it would hold all of the log.
        co_await kube::test::settle();
    }
    co_await writer.write(end);
}

kube::test::ScriptedServer::Answer log_of(std::string piece, int pieces, std::string end) {
    return [=](const kube::HttpExchange&, kube::HttpResponseWriter& writer) {
        return send_log(piece, pieces, end, writer);
    };
}

asio::awaitable<void> logs() {
    Fixture f(co_await asio::this_coro::executor);
    struct Row {
        std::string piece;
        int pieces;
        std::string end;
        std::string expected;
    };
    const Row rows[] = {
        {"", 0, "a\nb\n", "a\nb\n"},
        {"", 0, std::string(kKept, 'x'), std::string(kKept, 'x')},
        {"", 0, "y" + std::string(kKept, 'x'), std::string(kKept, 'x')},
        {std::string(1 << 20, 'x'), 3, "end\n", std::string(kKept - 4, 'x') + "end\n"},
        {"\xff\x1b", 2, "", "\xff\x1b\xff\x1b"},
    };
    for (const Row& row : rows) {
        f.server.on_next(log_of(row.piece, row.pieces, row.end));
        const auto log = co_await f.cluster.read_log("shop", "web", "dbg-1", 50, {});
        EXPECT_TRUE(log);
        if (log) EXPECT_TRUE(*log == row.expected) << log->size();
    }
    EXPECT_EQ(f.server.requests().front(), "GET /api/v1/namespaces/shop/pods/web/log?container=dbg-1&tailLines=50");
    EXPECT_EQ(f.server.received().front().headers.get("Accept"), "text/plain, application/json");
}
TEST(Cluster, OfALogTheEndIsKept) {
    run_coro(logs());
}

asio::awaitable<void> endless_log() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.on_next(log_of(std::string(64 << 10, 'x'), 5000, ""));
    const auto log = co_await f.cluster.read_log("shop", "web", "dbg-1", 50, {});
    EXPECT_FALSE(log);
    if (!log) EXPECT_TRUE(log.error().message.ends_with("/log: the log does not end")) << log.error().message;
    co_await kube::test::settle();  // the server notices
}
TEST(Cluster, ALogWithoutEndIsGivenUp) {
    run_coro(endless_log());
}

asio::awaitable<void> refused_log() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(400, R"({"kind":"Status","reason":"BadRequest","message":"container x is not valid for pod web"})");
    const auto log = co_await f.cluster.read_log("shop", "web", "x", 50, {});
    EXPECT_FALSE(log);
    if (!log) EXPECT_EQ(log.error().kind, kube::ErrorKind::bad_request);
    f.server.reply(200, "{}");
    const auto other = co_await f.cluster.read_log("shop", "web", "x", 50, {});
    EXPECT_FALSE(other) << "a log is text";
    if (!other) EXPECT_EQ(other.error().kind, kube::ErrorKind::malformed);
}
TEST(Cluster, ALogThatIsRefusedIsAnError) {
    run_coro(refused_log());
}

asio::awaitable<void> finalizers() {
    Fixture f(co_await asio::this_coro::executor);
    struct Row {
        std::vector<std::string> before;
        bool present;
        json expected;
    };
    const std::string ours(api::kFinalizer);
    const Row rows[] = {
        {{}, true, {ours}},
        {{"a/b"}, true, {"a/b", ours}},
        {{ours, "a/b"}, false, {"a/b"}},
        {{ours}, false, json::array()},
    };
    for (const Row& row : rows) {
        f.server.reply(200, R"({"metadata":{"resourceVersion":"8"}})");
        const auto version = co_await f.cluster.set_finalizer(stored(), "7", row.before, row.present, {});
        EXPECT_TRUE(version);
        if (version) EXPECT_EQ(*version, "8");
        const json body = json::parse(f.server.received().back().body);
        const json expected = {{"metadata", {{"uid", "u"}, {"resourceVersion", "7"}, {"finalizers", row.expected}}}};
        EXPECT_EQ(body, expected);
    }
    EXPECT_EQ(f.server.requests().back(),
              "PATCH /apis/endoscope.dev/v1alpha1/namespaces/shop/debugrequests/r?fieldManager=tester");
    EXPECT_EQ(f.server.received().back().headers.get("Content-Type"), "application/merge-patch+json");
}
TEST(Cluster, OthersFinalizersStay) {
    run_coro(finalizers());
}

asio::awaitable<void> evictions() {
    Fixture f(co_await asio::this_coro::executor);
    f.server.reply(201, R"({"kind":"Status","status":"Success"})");
    const auto evicted = co_await f.cluster.evict("shop", "web", "pu", {});
    EXPECT_TRUE(evicted);
    EXPECT_EQ(f.server.requests().back(), "POST /api/v1/namespaces/shop/pods/web/eviction?fieldManager=tester");
    EXPECT_EQ(json::parse(f.server.received().back().body),
              json::parse(R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"namespace":"shop","name":"web"},
                "deleteOptions":{"preconditions":{"uid":"pu"}}})"));
    f.server.reply(500, R"({"kind":"Status","status":"Failure","message":"more than one","code":500})");
    const auto several = co_await f.cluster.evict("shop", "web", "pu", {});
    EXPECT_FALSE(several);
    if (!several) EXPECT_TRUE(several.error().message.contains("more than one")) << several.error().message;
    kube::HttpHeaders later;
    later.set("Retry-After", "10");
    f.server.reply(429, R"({"kind":"Status","reason":"TooManyRequests","message":"m",
        "details":{"causes":[{"reason":"DisruptionBudget","message":"needs 1"}]}})",
                   later);
    const auto held = co_await f.cluster.evict("shop", "web", "pu", {});
    EXPECT_FALSE(held);
    EXPECT_EQ(f.server.requests().size(), 3U) << "the caller says when to try again";
    if (held) co_return;
    EXPECT_EQ(held.error().kind, kube::ErrorKind::too_many_requests);
    EXPECT_EQ(held.error().retry_after, std::chrono::seconds(10));
    EXPECT_EQ(held.error().causes.size(), 1U);
    if (!held.error().causes.empty()) EXPECT_EQ(held.error().causes.front().reason, "DisruptionBudget");
}
TEST(Cluster, AnEvictionIsAskedForOnce) {
    run_coro(evictions());
}

asio::awaitable<void> gated() {
    Fixture f(co_await asio::this_coro::executor, {.may_send = [] { return false; }, .timeout = {}});
    const auto evicted = co_await f.cluster.evict("shop", "web", "pu", {});
    const auto written = co_await f.cluster.set_finalizer(stored(), "7", {}, true, {});
    EXPECT_FALSE(evicted || written);
    if (!evicted) EXPECT_EQ(evicted.error().kind, kube::ErrorKind::cancelled);
    if (!written) EXPECT_EQ(written.error().kind, kube::ErrorKind::cancelled);
    EXPECT_TRUE(f.server.requests().empty());
    f.server.on_next(log_of("", 0, "a\n"));
    const auto log = co_await f.cluster.read_log("shop", "web", "dbg-1", 50, {});
    EXPECT_TRUE(log) << "reading is no write";
}
TEST(Cluster, OnlyALeaderEvictsAndWrites) {
    run_coro(gated());
}

}  // namespace
}  // namespace endoscope::controller
