#include "kube/runtime/ca_secret.hpp"

#include "kube/base/base64.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

const WallTime kNow(std::chrono::seconds(1'767'323'045));

Authority authority(const std::string& name) {
    auto made = make_authority(name, kNow, std::chrono::hours(24));
    EXPECT_TRUE(made) << made.error().message;
    return *made;
}

AuthoritySet full() {
    AuthoritySet set{.current = authority("current")};
    set.next = authority("next");
    set.previous_pem = authority("previous").keys.certificate_pem;
    set.previous_until = kNow + std::chrono::hours(5);
    return set;
}

nlohmann::json secret_of(const AuthoritySet& set) {
    return {{"metadata", {{"name", "s"}}}, {"data", secret_data(set)}};
}

TEST(CaSecret, WhatIsWrittenIsRead) {
    const AuthoritySet set = full();
    const auto read = read_authorities(secret_of(set));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->current.keys.key_pem, set.current.keys.key_pem);
    EXPECT_EQ(read->current.not_after, kNow + std::chrono::hours(24));
    ASSERT_TRUE(read->next);
    EXPECT_EQ(read->next->keys.certificate_pem, set.next->keys.certificate_pem);
    EXPECT_EQ(read->previous_until, set.previous_until);
    EXPECT_EQ(bundle_of(*read), bundle_of(set));
    EXPECT_EQ(base64_decode(secret_data(set)["ca.crt"].get<std::string>()), bundle_of(set));
    const auto alone = read_authorities(secret_of({.current = set.current}));
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_FALSE(alone->next);
    EXPECT_EQ(bundle_of(*alone), set.current.keys.certificate_pem);
}

TEST(CaSecret, AKeyLeavesTheSecretWithItsAuthority) {
    const AuthoritySet before = full();
    const AuthoritySet set = promote(before, kNow, RotationTimes());
    EXPECT_FALSE(secret_data(set).dump().contains(base64_encode(before.current.keys.key_pem)));
}

TEST(CaSecret, WhatDoesNotFitTogetherIsRefusedByItsName) {
    const AuthoritySet set = full();
    const auto with = [&](const char* field, const nlohmann::json& value) {
        nlohmann::json secret = secret_of(set);
        secret["data"][field] = value;
        return secret;
    };
    const auto without = [&](const char* field) {
        nlohmann::json secret = secret_of(set);
        secret["data"].erase(field);
        return secret;
    };
    const std::string other = base64_encode(authority("other").keys.key_pem);
    const std::vector<std::pair<nlohmann::json, std::string>> rows = {
        {{{"metadata", {{"name", "s"}}}}, "data"},
        {{{"data", "text"}}, "data"},
        {nullptr, "data"},
        {without("tls.crt"), "tls.crt"},
        {without("tls.key"), "tls.key"},
        {with("tls.crt", "?"), "tls.crt"},
        {with("tls.crt", 7), "tls.crt"},
        {with("tls.crt", base64_encode("no PEM")), "tls.crt"},
        {with("tls.key", other), "tls.key"},
        {without("next.key"), "next.key"},
        {with("next.key", other), "next.key"},
        {with("previous.crt", base64_encode("no PEM")), "previous.crt"},
        {without("previous-until"), "previous-until"},
        {with("previous-until", base64_encode("tomorrow")), "previous-until"},
    };
    for (const auto& [secret, field] : rows) {
        const auto read = read_authorities(secret);
        ASSERT_FALSE(read) << field;
        EXPECT_TRUE(read.error().message.contains(field)) << read.error().message;
        EXPECT_FALSE(read.error().message.contains("PRIVATE")) << read.error().message;
    }
}

}  // namespace
}  // namespace kube
