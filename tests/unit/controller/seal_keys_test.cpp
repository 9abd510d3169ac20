#include "controller/seal_keys.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "tests/support/captured_log.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/support/scripted_server.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <utility>

namespace endoscope::controller {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/api/v1/namespaces/endo/secrets/endoscope-seal-key";

SealKey key(const std::string& id) {
    SealKey result{.id = id};
    result.bytes.fill(7);
    return result;
}

/// A server with one Secret, and the keys that read it.
struct Fixture {
    explicit Fixture(asio::any_io_executor executor_in)
        : executor(executor_in),
          server(executor, clock),
          client(server.transport(), clock, kube::ClientOptions()),
          events(executor, client, clock, {}),
          metrics(registry),
          keys(executor, {.client = client,
                          .clock = clock,
                          .events = events,
                          .metrics = metrics,
                          .gate = {.may_send = [this] { return leads; }, .timeout = 5s},
                          .ns = "endo",
                          .settings = {.rotation = 1h, .retention = 1h, .refresh = 30s}}) {}

    /// The next requests are answered by `answer_one`.
    void answer(int times) {
        for (int i = 0; i < times; ++i) {
            server.on_next([this](const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
                return answer_one(exchange.request, writer);
            });
        }
    }
    asio::awaitable<void> answer_one(const kube::HttpRequest& request, kube::HttpResponseWriter& writer) {
        kube::HttpResponse response;
        const bool creates = request.method == "POST";
        if (status != 200) {
            response.status = status;
        } else if (creates != secret.is_null()) {
            response.status = creates ? 409 : 404;
        } else {
            if (request.method != "GET") store(json::parse(request.body));
            response.body = secret.dump();
        }
        co_await writer.respond(std::move(response));
    }
    void store(json object) {
        secret = std::move(object);
        secret["metadata"]["resourceVersion"] = std::to_string(++version);
    }
    void store(const SealSecret& content) {
        json object = json::object();
        write_seal_secret(object, content);
        store(std::move(object));
    }
    /// In steps, as time passes.
    asio::awaitable<void> pass(kube::Duration time, kube::Duration step = 1s) {
        for (; time > 0s; time -= step) {
            clock.advance(step);
            co_await kube::test::settle();
        }
    }
    std::size_t count(const std::string& request) const {
        return static_cast<std::size_t>(std::ranges::count(server.requests(), request));
    }

    kube::test::ManualClock clock;
    asio::any_io_executor executor;
    kube::test::ScriptedServer server;
    kube::Client client;
    kube::EventRecorder events;
    kube::Registry registry = kube::make_registry();
    Metrics metrics;
    bool leads = true;
    int status = 200;
    json secret;
    int version = 0;
    SealKeys keys;
    std::stop_source stop;
};

/// Runs `test` while the keys run.
void with_keys(bool leads, std::function<asio::awaitable<void>(Fixture&)> test) {
    const kube::test::CapturedLog log(kube::log::Level::error);
    kube::test::run_coro([](bool leads, auto test) -> asio::awaitable<void> {
        Fixture f(co_await asio::this_coro::executor);
        f.leads = leads;
        f.answer(5000);
        kube::test::spawn(f.executor, f.keys.run(f.stop.get_token()));
        co_await test(f);
        f.stop.request_stop();
        co_await kube::test::settle();
    }(leads, std::move(test)));
}

TEST(SealKeys, TheLeaderMakesTheFirstKey) {
    with_keys(true, [](Fixture& f) -> asio::awaitable<void> {
        EXPECT_EQ(f.keys.ring(), nullptr);
        EXPECT_FALSE(f.keys.problem().empty());
        co_await kube::test::settle();
        EXPECT_TRUE(f.keys.ring());
        EXPECT_EQ(f.keys.problem(), "");
        EXPECT_EQ(f.keys.ring()->current.id, *kube::base64_decode(f.secret["data"]["current"].get<std::string>()));
        EXPECT_EQ(f.count("POST /api/v1/namespaces/endo/secrets"), 1U);
    });
}

TEST(SealKeys, AStandbyMakesNoneAndTakesThoseOfTheLeader) {
    with_keys(false, [](Fixture& f) -> asio::awaitable<void> {
        co_await f.pass(20s);
        EXPECT_EQ(f.keys.ring(), nullptr);
        EXPECT_EQ(f.server.requests(),
                  std::vector<std::string>(f.server.requests().size(), std::string("GET ") + kPath));
        EXPECT_LE(f.server.requests().size(), 11U);
        f.store(first_content(key("k1"), f.clock.now()));
        co_await f.pass(2s);
        EXPECT_TRUE(f.keys.ring() && f.keys.ring()->current.id == "k1");
    });
}

TEST(SealKeys, AreReadAgainInTimeAndSoonerWhenAskedButNotOften) {
    with_keys(false, [](Fixture& f) -> asio::awaitable<void> {
        f.store(first_content(key("k1"), f.clock.now()));
        co_await kube::test::settle();
        EXPECT_EQ(f.server.requests().size(), 1U);
        co_await f.pass(60s);
        EXPECT_EQ(f.server.requests().size(), 3U);
        const kube::SteadyTime asked = f.clock.steady_now();
        for (int i = 0; i < 9; ++i) {
            for (int j = 0; j < 100; ++j) f.keys.read_soon();
            co_await f.pass(1s);
            EXPECT_EQ(f.keys.has_read_since(asked), i >= 2) << i;
        }
        EXPECT_EQ(f.server.requests().size(), 6U) << "every three seconds";
    });
}

TEST(SealKeys, ALostSecretTakesTheKeysWithIt) {
    with_keys(false, [](Fixture& f) -> asio::awaitable<void> {
        f.store(first_content(key("k1"), f.clock.now()));
        co_await kube::test::settle();
        EXPECT_TRUE(f.keys.ring());
        f.secret = nullptr;
        co_await f.pass(30s);
        EXPECT_EQ(f.keys.ring(), nullptr) << "nobody else could verify what is sealed now";
        EXPECT_TRUE(f.keys.problem().contains("Secret endo/endoscope-seal-key is not there")) << f.keys.problem();
        f.leads = true;
        f.keys.lead();
        co_await kube::test::settle();
        EXPECT_TRUE(f.keys.ring() && f.keys.ring()->current.id != "k1" && f.keys.ring()->others.empty());
    });
}

TEST(SealKeys, WhatCannotBeUnderstoodIsNeverOverwritten) {
    with_keys(true, [](Fixture& f) -> asio::awaitable<void> {
        f.store(first_content(key("k1"), f.clock.now()));
        co_await kube::test::settle();
        const json good = f.secret;
        f.secret["data"]["key-k1"] = "AAAA";
        f.store(f.secret);
        const json broken = f.secret;
        co_await f.pass(70min, 30s);
        EXPECT_EQ(f.keys.ring(), nullptr);
        EXPECT_TRUE(f.keys.problem().contains("key-k1 that is not 32 bytes; repair it")) << f.keys.problem();
        EXPECT_EQ(f.secret, broken);
        f.store(good);
        co_await f.pass(2s);
        EXPECT_TRUE(f.keys.ring() && f.keys.ring()->current.id == "k1");
        EXPECT_EQ(f.keys.problem(), "");
    });
}

TEST(SealKeys, WhatCannotBeReadIsKeptForAWhile) {
    with_keys(false, [](Fixture& f) -> asio::awaitable<void> {
        f.store(first_content(key("k1"), f.clock.now()));
        co_await kube::test::settle();
        f.status = 500;
        co_await f.pass(90s);
        EXPECT_TRUE(f.keys.ring());
        co_await f.pass(1s);
        EXPECT_EQ(f.keys.ring(), nullptr) << "others may seal with a key that is not known here";
        EXPECT_TRUE(f.keys.problem().contains("cannot be read")) << f.keys.problem();
        f.status = 200;
        co_await f.pass(2s);
        EXPECT_TRUE(f.keys.ring());
    });
}

TEST(SealKeys, TheLeaderReplacesKeysStepByStep) {
    with_keys(true, [](Fixture& f) -> asio::awaitable<void> {
        f.store(first_content(key("k1"), f.clock.now()));
        co_await f.pass(1h, 30s);
        EXPECT_EQ(f.keys.ring()->current.id, "k1");
        co_await f.pass(30s, 30s);
        EXPECT_TRUE(f.keys.ring() && f.keys.ring()->others.size() == 1);
        const std::string next = f.keys.ring()->others.empty() ? "" : f.keys.ring()->others.front().id;
        EXPECT_EQ(f.keys.ring()->current.id, "k1") << "not all have read it";
        co_await f.pass(120s, 30s);
        EXPECT_EQ(f.keys.ring()->current.id, next);
        EXPECT_EQ(f.keys.ring()->others.size(), 1U);
        EXPECT_TRUE(kube::render_metrics(f.registry).contains("endoscope_seal_key_rotations_total 1"));
        co_await f.pass(70min, 30s);
        EXPECT_EQ(std::ranges::count(f.keys.ring()->others, "k1", &SealKey::id), 0) << "its time is over";
        for (const kube::HttpRequest& request : f.server.received()) {
            if (request.method != "PUT") continue;
            EXPECT_FALSE(kube::string_at(json::parse(request.body), {"metadata", "resourceVersion"}).empty());
        }
    });
}

TEST(SealKeys, AStandbyReplacesNothing) {
    with_keys(false, [](Fixture& f) -> asio::awaitable<void> {
        f.store(first_content(key("k1"), f.clock.now()));
        const json before = f.secret;
        co_await f.pass(70min, 30s);
        EXPECT_EQ(f.secret, before);
        EXPECT_EQ(f.keys.ring()->current.id, "k1");
    });
}

}  // namespace
}  // namespace endoscope::controller
