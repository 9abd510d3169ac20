#include "controller/pod_security.hpp"

#include "controller/pod_security_checks.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace endoscope::controller {
namespace {

PodSecurityLevel parse_level(std::string_view text) {
    if (text == "privileged") return PodSecurityLevel::privileged;
    if (text == "baseline") return PodSecurityLevel::baseline;
    return PodSecurityLevel::restricted;
}

/// Of "v1.<minor>", written without leading zeros; for anything else, also "latest", absent.
std::optional<std::int64_t> parse_minor(std::string_view text) {
    constexpr std::string_view kMajor = "v1.";
    if (!text.starts_with(kMajor)) return std::nullopt;
    text.remove_prefix(kMajor.size());
    if (text.empty() || text.front() == '-' || (text.front() == '0' && text.size() > 1)) return std::nullopt;
    std::int64_t minor = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minor);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return minor;
}

std::string policy_text(const PodSecurityEnforcement& enforcement) {
    const std::string_view level = enforcement.level == PodSecurityLevel::restricted ? "restricted" : "baseline";
    return std::string(level) + (enforcement.minor ? ":v1." + std::to_string(*enforcement.minor) : ":latest");
}

std::vector<const PodSecurityControl*> controls_for(PodSecurityLevel level, std::int64_t minor) {
    std::vector<const PodSecurityControl*> restricted;
    if (level == PodSecurityLevel::restricted) {
        for (const auto& control : restricted_controls()) {
            if (control.since <= minor) restricted.push_back(&control);
        }
    }
    std::vector<const PodSecurityControl*> controls;
    for (const auto& control : baseline_controls()) {
        const auto overrides = [&](const auto* other) { return other->overrides == control.id; };
        if (control.since <= minor && std::ranges::none_of(restricted, overrides)) controls.push_back(&control);
    }
    controls.insert(controls.end(), restricted.begin(), restricted.end());
    return controls;
}

}  // namespace

PodSecurityEnforcement pod_security_enforcement(const api::Labels& namespace_labels) {
    PodSecurityEnforcement enforcement;
    if (const auto level = namespace_labels.find("pod-security.kubernetes.io/enforce");
        level != namespace_labels.end()) {
        enforcement.level = parse_level(level->second);
    }
    if (const auto version = namespace_labels.find("pod-security.kubernetes.io/enforce-version");
        version != namespace_labels.end()) {
        enforcement.minor = parse_minor(version->second);
    }
    return enforcement;
}

std::optional<std::string> pod_security_violation(const PodSecuritySubject& pod,
                                                  const PodSecurityEnforcement& enforcement) {
    if (enforcement.level == PodSecurityLevel::privileged) return std::nullopt;
    std::vector<std::string> findings;
    if (pod.unreadable) findings.push_back("unreadable ephemeral container (" + pod.unreadable->text() + ")");
    const std::int64_t minor = enforcement.minor.value_or(std::numeric_limits<std::int64_t>::max());
    for (const PodSecurityControl* const control : controls_for(enforcement.level, minor)) {
        const auto finding = control->check(pod, minor);
        if (!finding) continue;
        findings.push_back(finding->detail.empty() ? finding->reason : finding->reason + " (" + finding->detail + ")");
    }
    if (findings.empty()) return std::nullopt;
    return "violates PodSecurity \"" + policy_text(enforcement) + "\": " + join(findings, ", ");
}

}  // namespace endoscope::controller
