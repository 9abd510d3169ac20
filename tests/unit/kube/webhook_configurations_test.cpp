#include "kube/runtime/webhook_configurations.hpp"

#include "kube/base/base64.hpp"
#include "kube/net/certificates.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

const WallTime kNow(std::chrono::seconds(1'767'323'045));

nlohmann::json expected() {
    return nlohmann::json::parse(R"({
      "kind": "MutatingWebhookConfiguration", "metadata": {"name": "ours"},
      "webhooks": [
        {"name": "a.test", "failurePolicy": "Fail", "rules": [{"resources": ["things"], "operations": ["CREATE"]}]},
        {"name": "b.test", "failurePolicy": "Fail", "rules": [{"resources": ["things"], "operations": ["UPDATE"]}]}]})");
}

/// As an API server stores it: defaults filled in, and a webhook of somebody else beside ours.
nlohmann::json installed(const std::string& bundle = "right") {
    nlohmann::json object = expected();
    object["metadata"]["resourceVersion"] = "7";
    for (nlohmann::json& webhook : object["webhooks"]) {
        webhook["clientConfig"] = {{"url", "https://somewhere"}, {"caBundle", base64_encode(bundle)}};
        webhook["namespaceSelector"] = nlohmann::json::object();
        webhook["objectSelector"] = nlohmann::json::object();
    }
    const nlohmann::json other = {
        {"name", "other.test"}, {"failurePolicy", "Ignore"}, {"clientConfig", {{"url", "x"}}}};
    object["webhooks"].insert(object["webhooks"].begin(), other);
    return object;
}

TEST(WebhookConfigurations, ARightBundleIsLeftAlone) {
    EXPECT_EQ(bundle_patch(installed(), expected(), "right"), std::nullopt);
}

TEST(WebhookConfigurations, AWrongBundleIsPatchedAndNothingElse) {
    nlohmann::json object = installed();
    object["webhooks"][2]["clientConfig"]["caBundle"] = base64_encode("wrong");
    const auto patch = bundle_patch(object, expected(), "right");
    ASSERT_TRUE(patch);
    EXPECT_EQ(*patch, nlohmann::json::parse(R"({"metadata": {"resourceVersion": "7"}, "webhooks": [
        {"name": "b.test", "clientConfig": {"caBundle": "cmlnaHQ="}}]})"));
    object["webhooks"][2]["clientConfig"].erase("caBundle");
    EXPECT_EQ(bundle_patch(object, expected(), "right"), patch) << "a missing one is a wrong one";
    object["webhooks"].erase(2);
    EXPECT_EQ(bundle_patch(object, expected(), "right"), std::nullopt) << "a webhook that is not there is not made";
    EXPECT_EQ(bundle_patch(nullptr, expected(), "right"), std::nullopt);
}

TEST(WebhookConfigurations, WhatGuardsLessIsNamed) {
    EXPECT_TRUE(weaknesses(installed(), expected()).empty()) << "defaults and other webhooks are no weakness";
    EXPECT_TRUE(weaknesses(nullptr, expected()).empty());
    const auto changed = [](const char* field, const nlohmann::json& value) {
        nlohmann::json object = installed();
        object["webhooks"][1][field] = value;
        return weaknesses(object, expected());
    };
    const nlohmann::json selector = {{"matchLabels", {{"debug", "on"}}}};
    for (const auto& [field, value] :
         {std::pair<const char*, nlohmann::json>("failurePolicy", "Ignore"),
          {"namespaceSelector", selector},
          {"objectSelector", selector},
          {"matchConditions", nlohmann::json::parse(R"([{"name":"no","expression":"false"}])")},
          {"rules", nlohmann::json::parse(R"([{"resources": ["things"], "operations": ["UPDATE"]}])")},
          {"rules", nlohmann::json::array()}}) {
        const auto found = changed(field, value);
        ASSERT_EQ(found.size(), 1U) << field;
        EXPECT_TRUE(found[0].starts_with(std::string("a.test: ") + field)) << found[0];
    }
    EXPECT_TRUE(changed("timeoutSeconds", 3).empty()) << "not what guards";
}

struct Pki {
    Pki() {
        const auto ca = make_certificate_authority("ca", kNow, std::chrono::hours(1));
        const auto other = make_certificate_authority("ca", kNow, std::chrono::hours(1));
        LeafOptions leaf;
        leaf.common_name = "leaf";
        ca_pem = ca->certificate_pem;
        other_pem = other->certificate_pem;
        leaf_pem = issue_certificate(*ca, leaf, kNow, std::chrono::minutes(30))->certificate_pem;
    }
    std::string ca_pem;
    std::string other_pem;
    std::string leaf_pem;
};

TEST(WebhookConfigurations, EveryWebhookMustTrustWhatIsServed) {
    const Pki pki;
    const auto problem = [&](const nlohmann::json& object, WallTime now = kNow) {
        return trust_problem(object, expected(), pki.leaf_pem, now);
    };
    EXPECT_EQ(problem(installed(pki.ca_pem)), "");
    EXPECT_EQ(problem(installed(pki.other_pem + pki.ca_pem)), "") << "any of the bundle";
    EXPECT_TRUE(problem(installed(pki.other_pem)).contains("a.test")) << problem(installed(pki.other_pem));
    EXPECT_NE(problem(installed("no PEM")), "");
    EXPECT_NE(problem(installed("")), "");
    EXPECT_NE(problem(installed(pki.ca_pem), kNow + std::chrono::minutes(31)), "") << "expired";
    nlohmann::json one = installed(pki.ca_pem);
    one["webhooks"][2]["clientConfig"]["caBundle"] = base64_encode(pki.other_pem);
    EXPECT_TRUE(problem(one).contains("b.test")) << "the second one counts as much: " << problem(one);
    one["webhooks"].erase(2);
    EXPECT_TRUE(problem(one).contains("b.test")) << problem(one);
    EXPECT_NE(problem(nullptr), "");
}

}  // namespace
}  // namespace kube
