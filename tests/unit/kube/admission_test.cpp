#include "kube/runtime/admission.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <stdexcept>

namespace kube {
namespace {

constexpr std::string_view kReview = R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
  "uid":"u-1","operation":"CREATE","namespace":"prod","name":"r","dryRun":true,
  "userInfo":{"username":"alice","uid":"7","groups":["dev","system:authenticated"],"extra":{"k":["v"]}},
  "object":{"spec":{"a":1}},"oldObject":null}})";

TEST(AdmissionReview, IsRead) {
    const auto request = parse_admission_review(kReview);
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->uid, "u-1");
    EXPECT_EQ(request->operation, "CREATE");
    EXPECT_EQ(request->ns, "prod");
    EXPECT_TRUE(request->dry_run);
    EXPECT_EQ(request->user.username, "alice");
    EXPECT_EQ(request->user.groups, (std::vector<std::string>{"dev", "system:authenticated"}));
    EXPECT_EQ(request->user.extra.at("k"), std::vector<std::string>{"v"});
    EXPECT_EQ(request->object["spec"]["a"], 1);
    EXPECT_TRUE(request->old_object.is_null());
}

TEST(AdmissionReview, WhatCannotBeReadIsAnError) {
    for (
        const char* body :
        {"", "{", "[]", R"({"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{}})",
         R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"})",
         R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"operation":"CREATE"}})",
         R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1"}})",
         R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","userInfo":{"groups":[1]}}})",
         R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","userInfo":{"extra":[]}}})"}) {
        const auto request = parse_admission_review(body);
        ASSERT_FALSE(request) << body;
        EXPECT_EQ(request.error().kind, ErrorKind::bad_request);
    }
}

TEST(AdmissionReview, ADeepBodyIsRefusedBeforeItIsParsed) {
    std::string body(200000, '[');
    EXPECT_FALSE(parse_admission_review(body));
}

TEST(AdmissionReview, AnAllowanceCarriesPatchAndWarnings) {
    auto response = AdmissionResponse::allow();
    response.patch = nlohmann::json::array({{{"op", "add"}, {"path", "/x"}, {"value", 1}}});
    response.warnings = {"careful"};
    const auto json = parse_json(render_admission_review("u-1", response));
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["apiVersion"], "admission.k8s.io/v1");
    EXPECT_EQ((*json)["response"]["uid"], "u-1");
    EXPECT_EQ((*json)["response"]["allowed"], true);
    EXPECT_EQ((*json)["response"]["patchType"], "JSONPatch");
    EXPECT_EQ(base64_decode((*json)["response"]["patch"].get<std::string>()),
              R"([{"op":"add","path":"/x","value":1}])");
    EXPECT_EQ((*json)["response"]["warnings"][0], "careful");
}

TEST(AdmissionReview, ADefaultResponseIsADenial) {
    AdmissionResponse response;
    response.message = "no";
    response.causes = {{.reason = "NoPolicy", .message = "none", .field = ""}};
    const auto json = parse_json(render_admission_review("u-1", response));
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["response"]["allowed"], false);
    EXPECT_EQ((*json)["response"]["status"]["code"], 403);
    EXPECT_EQ((*json)["response"]["status"]["message"], "no");
    EXPECT_EQ((*json)["response"]["status"]["details"]["causes"],
              nlohmann::json::array({{{"reason", "NoPolicy"}, {"message", "none"}}}));
    EXPECT_FALSE((*json)["response"].contains("patch"));
}

struct CountCalls final : WebhookObserver {
    void on_start(const std::string&) override { ++started; }
    void on_end(const std::string& path, int status, Duration) override {
        ended += path + " " + std::to_string(status) + ";";
    }
    void on_exception(const std::string&) override { ++exceptions; }
    int started = 0;
    int exceptions = 0;
    std::string ended;
};

/// What the handler answers to one request, status line and body.
boost::asio::awaitable<void> ask(HttpHandler handler, test::ManualClock& clock, std::string request,
                                 std::string& answer) {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto [client, server] = test::make_memory_stream_pair(executor);
    co_await client->write(request);
    client->shut_down_write();
    co_await serve_http(clock, *server, handler, {}, {});
    answer = co_await client->read_to_end();
}

struct Webhook {
    explicit Webhook(AdmissionFunction function)
        : handler(make_admission_handler(clock, {{"/judge", std::move(function)}}, nullptr, &calls)) {}
    std::string ask(const std::string& start, const std::string& body, const std::string& type = "application/json") {
        std::string answer;
        test::run_coro(kube::ask(handler, clock,
                                 start + " HTTP/1.1\r\nHost: h\r\nContent-Type: " + type +
                                     "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
                                 answer));
        return answer;
    }
    test::ManualClock clock;
    CountCalls calls;
    HttpHandler handler;
};

nlohmann::json review_in(const std::string& answer) {
    const auto parsed = parse_json(answer.substr(answer.find("\r\n\r\n") + 4));
    EXPECT_TRUE(parsed) << answer;
    return parsed ? *parsed : nlohmann::json();
}

TEST(AdmissionHandler, RefusesWhatIsNoReview) {
    Webhook webhook([](const AdmissionRequest&) { return AdmissionResponse::allow(); });
    const std::string review(kReview);
    EXPECT_TRUE(webhook.ask("POST /judge", "").starts_with("HTTP/1.1 400 ")) << "an empty body";
    EXPECT_TRUE(webhook.ask("POST /judge", "{").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(webhook.ask("POST /judge", review, "text/plain").starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(webhook.ask("GET /judge", "").starts_with("HTTP/1.1 405 "));
    EXPECT_EQ(webhook.calls.ended, "/judge 400;/judge 400;/judge 400;/judge 405;");
    EXPECT_TRUE(webhook.ask("POST /other", review).starts_with("HTTP/1.1 404 "));
    EXPECT_TRUE(webhook.ask("POST /judge", std::string((std::size_t{7} << 20) + 1, 'x')).starts_with("HTTP/1.1 413 "));
    EXPECT_EQ(webhook.calls.started, 4);
    EXPECT_TRUE(webhook.ask("POST /judge", review, "application/json; charset=utf-8").starts_with("HTTP/1.1 200 "));
}

TEST(AdmissionHandler, AReviewWithAUidIsAnsweredWithIt) {
    Webhook webhook([](const AdmissionRequest& request) -> AdmissionResponse {
        if (request.operation == "DELETE") throw std::runtime_error("secret detail");
        if (request.operation == "CONNECT") throw 7;
        return AdmissionResponse::allow();
    });
    const auto ask = [&](const std::string& operation) {
        return webhook.ask("POST /judge",
                           R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-9")" +
                               operation + "}}");
    };
    const std::string deleted = ask(R"(,"operation":"DELETE")");
    EXPECT_FALSE(deleted.contains("secret detail"));
    for (const std::string& answer : {deleted, ask(R"(,"operation":"CONNECT")"), ask("")}) {
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
        const auto review = review_in(answer);
        EXPECT_EQ(review["response"]["uid"], "u-9");
        EXPECT_EQ(review["response"]["allowed"], false);
    }
    EXPECT_EQ(review_in(deleted)["response"]["status"]["code"], 500);
    EXPECT_EQ(review_in(ask(""))["response"]["status"]["code"], 400) << "no operation";
    EXPECT_EQ(review_in(ask(R"(,"operation":"CREATE")"))["response"]["allowed"], true);
    EXPECT_EQ(webhook.calls.exceptions, 2);
}

TEST(AdmissionHandler, TheUrlsTimeoutIsTheDeadline) {
    Duration seen{};
    test::ManualClock* clock = nullptr;
    Webhook webhook([&](const AdmissionRequest& request) {
        seen = request.deadline - clock->steady_now();
        return AdmissionResponse::allow();
    });
    clock = &webhook.clock;
    webhook.ask("POST /judge?timeout=5s", std::string(kReview));
    EXPECT_EQ(seen, std::chrono::seconds(5));
    EXPECT_EQ(admission_timeout("/judge"), std::chrono::seconds(10));
    EXPECT_EQ(admission_timeout("/judge?a=b&timeout=30s"), std::chrono::seconds(30));
    for (const char* odd :
         {"/j?timeout=", "/j?timeout=0s", "/j?timeout=5", "/j?timeout=99999999999s", "/j?timeout=-3s", "/j?"}) {
        EXPECT_EQ(admission_timeout(odd), std::chrono::seconds(10)) << odd;
    }
}

TEST(Base64, RoundTripsEveryLengthAndRefusesForeignText) {
    std::string bytes;
    for (int i = 0; i < 70; ++i) {
        EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
        bytes += static_cast<char>(i * 7);
    }
    for (const char* text : {"a", "ab", "abc", "ab=c", "a===", "YWJj ", " YWJj", "YW Jj", "YWJj\n", "YW*j"}) {
        EXPECT_FALSE(base64_decode(text)) << text;
    }
}

}  // namespace
}  // namespace kube
