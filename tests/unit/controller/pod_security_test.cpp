#include "controller/pod_security.hpp"

#include "controller/pod_security_checks.hpp"
#include "tests/unit/controller/pod_security_table.hpp"

#include <gtest/gtest.h>

namespace endoscope::controller {
namespace {

using nlohmann::json;
using pod_security_table::changed_pod;
using pod_security_table::compliant_pod;

TEST(PodSecurity, EnforcementOfANamespace) {
    constexpr const char* kLevel = "pod-security.kubernetes.io/enforce";
    constexpr const char* kVersion = "pod-security.kubernetes.io/enforce-version";
    using enum PodSecurityLevel;
    struct Row {
        api::Labels labels;
        PodSecurityEnforcement expected;
    };
    const Row rows[] = {
        {{}, {privileged, std::nullopt}},
        {{{"pod-security.kubernetes.io/warn", "restricted"}, {"pod-security.kubernetes.io/audit", "restricted"}},
         {privileged, std::nullopt}},
        {{{kLevel, "privileged"}}, {privileged, std::nullopt}},
        {{{kLevel, "baseline"}}, {baseline, std::nullopt}},
        {{{kLevel, "restricted"}}, {restricted, std::nullopt}},
        {{{kLevel, ""}}, {restricted, std::nullopt}},
        {{{kLevel, "Baseline"}}, {restricted, std::nullopt}},
        {{{kLevel, "baseline "}}, {restricted, std::nullopt}},
        {{{kVersion, "v1.20"}}, {privileged, 20}},
        {{{kLevel, "baseline"}, {kVersion, "latest"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.0"}}, {baseline, 0}},
        {{{kLevel, "baseline"}, {kVersion, "v1.36"}}, {baseline, 36}},
        {{{kLevel, "baseline"}, {kVersion, "v1.1000"}}, {baseline, 1000}},
        {{{kLevel, "unknown"}, {kVersion, "v1.24"}}, {restricted, 24}},
        {{{kLevel, "baseline"}, {kVersion, "v1.9223372036854775807"}}, {baseline, 9223372036854775807}},
        {{{kLevel, "baseline"}, {kVersion, "v1.9223372036854775808"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, ""}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1."}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.08"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.00"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.-1"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.+1"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.8.1"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v1.8 "}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "1.8"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "v2.8"}}, {baseline, std::nullopt}},
        {{{kLevel, "baseline"}, {kVersion, "V1.8"}}, {baseline, std::nullopt}},
    };
    for (const Row& row : rows) EXPECT_EQ(pod_security_enforcement(row.labels), row.expected) << json(row.labels);
}

TEST(PodSecurity, AnEphemeralContainerCountsLikeAnyOther) {
    auto pod = *parse_pod_security(compliant_pod());
    const PodSecurityEnforcement enforcement{.level = PodSecurityLevel::restricted, .minor = 36};
    json container = compliant_pod()["spec"]["ephemeralContainers"][0];
    container["name"] = "dbg-1";
    add_ephemeral_container(pod, container);
    EXPECT_EQ(pod_security_violation(pod, enforcement), std::nullopt);
    container = {{"name", "dbg-2"}};
    add_ephemeral_container(pod, container);
    EXPECT_EQ(pod_security_violation(pod, enforcement),
              R"(violates PodSecurity "restricted:v1.36": allowPrivilegeEscalation != false (container "dbg-2" must )"
              R"(set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "dbg-2" )"
              R"(must set securityContext.capabilities.drop=["ALL"]))");
    EXPECT_EQ(pod_security_violation(pod, {.level = PodSecurityLevel::baseline, .minor = std::nullopt}), std::nullopt);
}

TEST(PodSecurity, WhatCannotBeReadIsRefused) {
    struct Row {
        const char* container;
        const char* error;
    };
    const Row rows[] = {
        {R"("text")", "(root): must be an object"},
        {"null", "(root): must be an object"},
        {R"({"name":"e","securityContext":{"privileged":"true"}})",
         "securityContext.privileged: must be true or false, is string"},
    };
    for (const Row& row : rows) {
        auto pod = *parse_pod_security(changed_pod({}));
        add_ephemeral_container(pod, json::parse(row.container));
        EXPECT_EQ(pod_security_violation(pod, {.level = PodSecurityLevel::baseline, .minor = std::nullopt}),
                  std::string(R"(violates PodSecurity "baseline:latest": unreadable ephemeral container ()") +
                      row.error + ")");
        EXPECT_EQ(pod_security_violation(pod, {.level = PodSecurityLevel::privileged, .minor = std::nullopt}),
                  std::nullopt);
    }
}

TEST(PodSecurity, QuotesLikeGo) {
    struct Row {
        std::string_view text;
        std::string_view expected;
    };
    const Row rows[] = {
        {"", R"("")"},
        {"a b", R"("a b")"},
        {R"(a"b\c)", R"("a\"b\\c")"},
        {"\a\b\f\n\r\t\v", R"("\a\b\f\n\r\t\v")"},
        {"\x01\x1F\x7F", R"("\x01\x1f\x7f")"},
        {"\u00e9\u4e2d\U0001F600\uFFFD", "\"\u00e9\u4e2d\U0001F600\uFFFD\""},
        {"\u00A0\u200B\u2028", R"("\u00a0\u200b\u2028")"},
        {"\U000E0001", R"("\U000e0001")"},
        {"\xFF\xC3(", R"("\xff\xc3(")"},
    };
    for (const Row& row : rows) EXPECT_EQ(go_quoted(row.text), row.expected);
}

}  // namespace
}  // namespace endoscope::controller
