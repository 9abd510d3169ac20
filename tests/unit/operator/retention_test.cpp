// Requests that are removed for their age: the whole operator, in hours that pass in a moment.
#include "kube/base/json.hpp"
#include "tests/support/captured_log.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/unit/operator/world.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <algorithm>

namespace endoscope::test {
namespace {

namespace asio = boost::asio;
using kube::test::run_coro;
using namespace std::chrono_literals;

constexpr const char* kRequests = "/apis/endoscope.dev/v1alpha1/namespaces/shop/debugrequests/";
constexpr kube::Duration kRetain = 2h;

controller::OperatorOptions retaining(kube::Duration time) {
    controller::OperatorOptions options;
    options.retain_finished = time;
    return options;
}

/// A request that is denied, since bob may not debug, with these metadata.
asio::awaitable<void> add_denied(World& world, std::string name, Json metadata = Json::object()) {
    const Json created = co_await world.create_request("bob", name);
    EXPECT_FALSE(created.is_null());
    const bool denied = co_await world.reaches(name, "Denied");
    EXPECT_TRUE(denied);
    if (metadata.empty()) co_return;
    const Json marked = co_await world.ask("admin", "PATCH", kRequests + name, {{"metadata", metadata}});
    EXPECT_FALSE(marked.is_null());
}

asio::awaitable<void> pass_minutes(World& world, int minutes) {
    for (int i = 0; i < minutes; ++i) co_await world.pass(1min);
}

asio::awaitable<bool> is_there(World& world, std::string name) {
    const Json found = co_await world.request(name);
    co_return !found.is_null();
}

asio::awaitable<void> expect_there(World& world, std::string name, bool there) {
    const bool found = co_await is_there(world, name);
    EXPECT_EQ(found, there) << name;
}

std::size_t removals(const World& world) {
    return world.count("DELETE ");
}

kube::HttpResponse refusal(int code, const std::string& reason) {
    kube::HttpResponse response;
    response.status = code;
    response.headers.set("Content-Type", "application/json");
    response.body = R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","reason":")" + reason +
                    R"(","code":)" + std::to_string(code) + "}";
    return response;
}

TEST(RetentionInTheOperator, WhatIsOldGoesAndWhatAToolManagesStays) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor, retaining(kRetain));
        co_await world.furnish();
        co_await world.start();
        co_await add_denied(world, "old");
        co_await add_denied(world, "argo", {{"annotations", {{"argocd.argoproj.io/tracking-id", "app:x"}}}});
        co_await add_denied(world, "flux", {{"labels", {{"kustomize.toolkit.fluxcd.io/name", "apps"}}}});
        co_await pass_minutes(world, 60);
        co_await add_denied(world, "new");
        co_await pass_minutes(world, 58);
        EXPECT_EQ(removals(world), 0U);
        co_await pass_minutes(world, 3);
        co_await expect_there(world, "old", false);
        for (const char* name : {"argo", "flux", "new"}) co_await expect_there(world, name, true);
        EXPECT_EQ(removals(world), 1U);
        // Who takes the mark off gives the request up.
        const Json freed =
            co_await world.ask("admin", "PATCH", std::string(kRequests) + "flux",
                               {{"metadata", {{"labels", {{"kustomize.toolkit.fluxcd.io/name", nullptr}}}}}});
        EXPECT_FALSE(freed.is_null());
        co_await pass_minutes(world, 11);
        co_await expect_there(world, "flux", false);
        co_await pass_minutes(world, 50);
        co_await expect_there(world, "new", false);
        co_await expect_there(world, "argo", true);
        EXPECT_EQ(removals(world), 3U);
        std::vector<Json> removed;
        for (const std::string& line : world.audit()) {
            Json record = Json::parse(line);
            if (record["event"] == "removed") removed.push_back(std::move(record));
        }
        EXPECT_EQ(removed.size(), 3U);
        EXPECT_EQ(removed.front()["request"], "shop/old");
        EXPECT_EQ(removed.front()["requester"], "bob");
        EXPECT_EQ(removed.front()["phase"], "Denied");
        EXPECT_EQ(removed.front()["reason"], "NotAuthorized");
        co_await world.stop();
    }());
}

TEST(RetentionInTheOperator, WithoutTheFlagNothingIsRemoved) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor);
        co_await world.furnish();
        co_await world.start();
        co_await add_denied(world, "old");
        co_await pass_minutes(world, 300);
        EXPECT_EQ(removals(world), 0U);
        co_await world.stop();
    }());
}

TEST(RetentionInTheOperator, OnlyWhatIsAsItWasReadIsRemoved) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor, retaining(kRetain));
        std::string sent;
        world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (request.method != "DELETE" || !sent.empty()) return std::nullopt;
            sent = request.body;
            return refusal(409, "Conflict");
        };
        co_await world.furnish();
        co_await world.start();
        co_await add_denied(world, "old");
        const Json stored = co_await world.request("old");
        co_await pass_minutes(world, 121);
        EXPECT_EQ(
            Json::parse(sent)["preconditions"],
            (Json{{"uid", stored["metadata"]["uid"]}, {"resourceVersion", stored["metadata"]["resourceVersion"]}}));
        // And looked at again.
        co_await pass_minutes(world, 11);
        co_await expect_there(world, "old", false);
        EXPECT_EQ(removals(world), 2U);
        co_await world.stop();
    }());
}

TEST(RetentionInTheOperator, NeitherABurstNorAFailureStormsTheApiServer) {
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor, retaining(kRetain));
        co_await world.furnish();
        co_await world.start();
        for (int i = 0; i < 20; ++i) co_await add_denied(world, "r" + std::to_string(i));
        bool fails = true;
        world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (request.method == "DELETE" && fails) return refusal(500, "InternalError");
            return std::nullopt;
        };
        co_await pass_minutes(world, 120 + 60);
        EXPECT_GE(removals(world), 5U) << "it is tried again";
        EXPECT_LE(removals(world), 60U) << "after longer and longer times";
        fails = false;
        world.forget_calls();
        std::size_t before = 0;
        std::size_t most = 0;
        for (int second = 0; second < 700; ++second) {
            co_await world.pass(1s);
            most = std::max(most, removals(world) - before);
            before = removals(world);
        }
        EXPECT_EQ(removals(world), 20U);
        EXPECT_LE(most, 5U) << "in a second";
        co_await world.stop();
    }());
}

TEST(RetentionInTheOperator, AMissingRightIsToldOnceWithTheRemedy) {
    kube::test::CapturedLog log(kube::log::Level::warn);
    run_coro([]() -> asio::awaitable<void> {
        World world(co_await asio::this_coro::executor, retaining(kRetain));
        co_await world.furnish();
        co_await world.start();
        for (const char* name : {"a", "b"}) co_await add_denied(world, name);
        bool refuses = true;
        world.intercept = [&](const kube::HttpRequest& request) -> std::optional<kube::HttpResponse> {
            if (request.method == "DELETE" && refuses) return refusal(403, "Forbidden");
            return std::nullopt;
        };
        co_await pass_minutes(world, 120 + 60);
        EXPECT_GE(removals(world), 5U);
        EXPECT_LE(removals(world), 8U) << "one every ten minutes";
        refuses = false;
        co_await pass_minutes(world, 11);
        for (const char* name : {"a", "b"}) co_await expect_there(world, name, false);
        co_await world.stop();
    }());
    const std::string said = log.text();
    const std::size_t first = said.find("install manifests/retention");
    EXPECT_NE(first, std::string::npos) << said;
    EXPECT_EQ(said.find("install manifests/retention", first + 1), std::string::npos) << said;
}

}  // namespace
}  // namespace endoscope::test
