#pragma once

#include "tests/model/api_server.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/recording_writer.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace model::test {

struct Answer {
    int code = 0;
    Json body;
    kube::HttpResponse http;

    std::string reason() const { return string_at(body, {"reason"}); }
    std::string message() const { return string_at(body, {"message"}); }
};

inline constexpr const char* kJson = "application/json";
inline constexpr const char* kMerge = "application/merge-patch+json";
inline constexpr const char* kStrategic = "application/strategic-merge-patch+json";
inline constexpr const char* kJsonPatch = "application/json-patch+json";

/// Asks `api` without a network, as `user` ("admin" is in system:masters).
inline boost::asio::awaitable<Answer> ask(ApiServer& api, std::string method, std::string target, Json body = nullptr,
                                          std::string content_type = kJson, std::string user = "admin",
                                          kube::HttpHeaders headers = {}, std::stop_token stop = {}) {
    kube::HttpExchange exchange;
    exchange.request.method = std::move(method);
    exchange.request.target = std::move(target);
    exchange.request.headers = std::move(headers);
    if (!body.is_null()) {
        exchange.request.headers.set("Content-Type", content_type);
        exchange.request.body = body.dump();
    }
    exchange.stop = stop;
    if (!user.empty()) {
        kube::PeerCertificate peer;
        peer.common_name = user;
        if (user == "admin") peer.organizations.emplace_back("system:masters");
        exchange.peer = std::move(peer);
    }
    kube::test::RecordingWriter writer;
    co_await api.handle(exchange, writer);
    Answer out;
    out.code = writer.answer.status;
    out.body = Json::parse(writer.answer.body, nullptr, false);
    out.http = std::move(writer.answer);
    co_return out;
}

inline Json pod(const std::string& name, const std::string& node = "node-1") {
    return Json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + R"("},"spec":{"nodeName":")" +
                       node + R"(","containers":[{"name":"nginx","image":"nginx:1.25"}]}})");
}

/// A small CRD with defaults, rules and a status.
inline Json crd() {
    return Json::parse(R"({
      "apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.example.org"},
      "spec":{"group":"example.org","scope":"Namespaced","names":{"plural":"things","kind":"Thing","shortNames":["th"]},
        "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
          "additionalPrinterColumns":[{"name":"Phase","type":"string","jsonPath":".status.phase"}],
          "schema":{"openAPIV3Schema":{"type":"object","required":["spec"],"properties":{
            "spec":{"type":"object","x-kubernetes-validations":[{"rule":"self == oldSelf","message":"is immutable"}],
              "properties":{"image":{"type":"string","minLength":1,"maxLength":10},
                            "mode":{"type":"string","enum":["A","B"],"default":"A"}}},
            "status":{"type":"object","properties":{"phase":{"type":"string"}}}}}}}]}})");
}

inline Json thing(const std::string& name) {
    return {{"apiVersion", "example.org/v1"},
            {"kind", "Thing"},
            {"metadata", {{"name", name}}},
            {"spec", {{"image", "x"}}}};
}

inline const std::string kPods = "/api/v1/namespaces/default/pods";
inline const std::string kThings = "/apis/example.org/v1/namespaces/default/things";
inline const std::string kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

}  // namespace model::test
