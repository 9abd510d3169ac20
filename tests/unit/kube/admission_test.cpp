#include "kube/runtime/admission.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"

#include <gtest/gtest.h>

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
    const auto json = parse_json(render_admission_review("u-1", response));
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["response"]["allowed"], false);
    EXPECT_EQ((*json)["response"]["status"]["code"], 403);
    EXPECT_EQ((*json)["response"]["status"]["message"], "no");
    EXPECT_FALSE((*json)["response"].contains("patch"));
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
