#pragma once

#include "api/label_selector.hpp"
#include "controller/pod_security_subject.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace endoscope::controller {

enum class PodSecurityLevel : std::uint8_t { privileged, baseline, restricted };

/// What the namespace demands of its Pods: a level of the Pod Security Standards, as of a version of Kubernetes.
struct PodSecurityEnforcement {
    PodSecurityLevel level = PodSecurityLevel::privileged;
    std::optional<std::int64_t> minor;  ///< v1.<minor>; absent: latest

    bool operator==(const PodSecurityEnforcement&) const = default;
};

/// From the labels of the namespace, pod-security.kubernetes.io/enforce and enforce-version, as the admission plugin
/// with its default configuration reads them: without a label `privileged` and `latest`; a level that is none counts
/// as `restricted`, a version that is none as `latest`.
PodSecurityEnforcement pod_security_enforcement(const api::Labels& namespace_labels);

/// Absent if the Pod complies, else what the admission plugin says, without its "pods "x" is forbidden: " in front:
/// `violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "x" must set ...), ...`.
/// The rules are those of Kubernetes up to v1.37, which is also what `latest` and every later version mean.
std::optional<std::string> pod_security_violation(const PodSecuritySubject& pod,
                                                  const PodSecurityEnforcement& enforcement);

}  // namespace endoscope::controller
