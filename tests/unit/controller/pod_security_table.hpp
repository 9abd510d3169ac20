#pragma once

#include "controller/pod_security.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::controller::pod_security_table {

/// What is found from this minor version on, until the next step; nullptr: nothing.
struct Step {
    std::int64_t since;
    const char* finding;
};

/// A field of the compliant Pod set to something else; "null" takes it away.
struct Change {
    const char* pointer;
    const char* value;
};

struct Row {
    const char* what;
    std::vector<Change> changes;
    std::vector<Step> baseline;
    std::optional<std::vector<Step>> restricted = std::nullopt;  ///< Absent: the same as `baseline`.
};

inline constexpr std::int64_t kNewestVersion = 37;

/// A Pod with an init container `i`, containers `a` and `b` and an ephemeral container `e` that complies with
/// `restricted` in every version.
inline nlohmann::json compliant_pod() {
    const auto containers = [](std::initializer_list<const char*> names) {
        nlohmann::json list = nlohmann::json::array();
        for (const char* const name : names) {
            list.push_back(nlohmann::json::parse(
                R"({"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}})"));
            list.back()["name"] = name;
        }
        return list;
    };
    nlohmann::json pod = nlohmann::json::parse(R"({"metadata":{"name":"web"},"spec":{"securityContext":
        {"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}}})");
    pod["spec"]["initContainers"] = containers({"i"});
    pod["spec"]["containers"] = containers({"a", "b"});
    pod["spec"]["ephemeralContainers"] = containers({"e"});
    return pod;
}

inline nlohmann::json changed_pod(const std::vector<Change>& changes) {
    nlohmann::json pod = compliant_pod();
    for (const Change& change : changes) {
        pod[nlohmann::json::json_pointer(change.pointer)] = nlohmann::json::parse(change.value);
    }
    return pod;
}

/// What `steps` say about a version, as the whole text that is expected of it.
inline std::optional<std::string> expected_text(const std::vector<Step>& steps, std::int64_t minor,
                                                const std::string& policy) {
    const char* finding = nullptr;
    for (const Step& step : steps) {
        if (step.since <= minor) finding = step.finding;
    }
    if (finding == nullptr) return std::nullopt;
    return "violates PodSecurity \"" + policy + "\": " + finding;
}

/// Holds each Pod of the table against both levels in all versions, one that is yet to come, and the latest.
inline void check(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        const auto pod = parse_pod_security(changed_pod(row.changes));
        ASSERT_TRUE(pod) << pod.error().text();
        for (const auto level : {PodSecurityLevel::baseline, PodSecurityLevel::restricted}) {
            const bool is_baseline = level == PodSecurityLevel::baseline;
            const auto& steps = is_baseline ? row.baseline : row.restricted.value_or(row.baseline);
            const std::string name = is_baseline ? "baseline" : "restricted";
            for (std::int64_t minor = 0; minor <= kNewestVersion + 1; ++minor) {
                EXPECT_EQ(pod_security_violation(*pod, {.level = level, .minor = minor}),
                          expected_text(steps, minor, name + ":v1." + std::to_string(minor)));
            }
            EXPECT_EQ(pod_security_violation(*pod, {.level = level, .minor = std::nullopt}),
                      expected_text(steps, kNewestVersion, name + ":latest"));
        }
        EXPECT_EQ(pod_security_violation(*pod, {.level = PodSecurityLevel::privileged, .minor = std::nullopt}),
                  std::nullopt);
    }
}

}  // namespace endoscope::controller::pod_security_table
