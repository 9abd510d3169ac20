#include "controller/pod_security_checks.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace endoscope::controller {
namespace {

using Container = PodSecuritySubject::Container;
using Context = PodSecuritySubject::SecurityContext;
using Finding = std::optional<PodSecurityFinding>;

/// Some controls know nothing that a Windows Pod could set, and exempt it from v1.25 on.
bool is_exempt_as_windows(const PodSecuritySubject& pod, std::int64_t minor) {
    constexpr std::int64_t kSince = 25;
    return minor >= kSince && pod.os == "windows";
}

Finding check_privilege_escalation(const PodSecuritySubject& pod, std::int64_t minor) {
    if (is_exempt_as_windows(pod, minor)) return std::nullopt;
    const auto containers = containers_where(
        pod, [](const Container& container) { return container.allow_privilege_escalation.value_or(true); });
    if (containers.empty()) return std::nullopt;
    return PodSecurityFinding{"allowPrivilegeEscalation != false",
                              containers_text(containers) + " must set securityContext.allowPrivilegeEscalation=false"};
}

Finding check_capabilities(const PodSecuritySubject& pod, std::int64_t minor) {
    if (is_exempt_as_windows(pod, minor)) return std::nullopt;
    const auto keeping = containers_where(pod, [](const Container& container) {
        return std::ranges::find(container.dropped_capabilities, "ALL") == container.dropped_capabilities.end();
    });
    std::set<std::string> capabilities;
    const auto adding = containers_where(pod, [&](const Container& container) {
        bool bad = false;
        for (const std::string& capability : container.added_capabilities) {
            if (capability == "NET_BIND_SERVICE") continue;
            capabilities.insert(capability);
            bad = true;
        }
        return bad;
    });
    std::vector<std::string> details;
    if (!keeping.empty()) {
        details.push_back(containers_text(keeping) + R"( must set securityContext.capabilities.drop=["ALL"])");
    }
    if (!adding.empty()) {
        details.push_back(words({containers_text(adding), "must not include", quoted(capabilities),
                                 "in securityContext.capabilities.add"}));
    }
    if (details.empty()) return std::nullopt;
    return PodSecurityFinding{"unrestricted capabilities", join(details, "; ")};
}

/// A kind of volume that is not known here, since it is newer, is refused.
Finding check_volumes(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    constexpr std::array<std::string_view, 9> kAllowed = {"configMap", "csi",   "downwardAPI",           "emptyDir",
                                                          "ephemeral", "image", "persistentVolumeClaim", "projected",
                                                          "secret"};
    std::vector<std::string> volumes;
    std::set<std::string> sources;
    for (const auto& volume : pod.volumes) {
        if (is_one_of(kAllowed, volume.source)) continue;
        volumes.push_back(volume.name);
        sources.insert(volume.source);
    }
    if (volumes.empty()) return std::nullopt;
    return PodSecurityFinding{
        "restricted volume types",
        words({plural(volumes.size(), "volume", "volumes"), quoted(volumes), plural(volumes.size(), "uses", "use"),
               plural(sources.size(), "restricted volume type", "restricted volume types"), quoted(sources)})};
}

Finding check_run_as_non_root(const PodSecuritySubject& pod, std::int64_t minor) {
    if (is_relaxed_by_user_namespace(pod, minor)) return std::nullopt;
    constexpr const char* kReason = "runAsNonRoot != true";
    const std::string setters =
        setters_where(pod, [](const Context& context) { return !context.run_as_non_root.value_or(true); });
    if (!setters.empty()) {
        return PodSecurityFinding{kReason, setters + " must not set securityContext.runAsNonRoot=false"};
    }
    if (pod.context.run_as_non_root) return std::nullopt;
    const auto unset = containers_where(
        pod, [](const Container& container) { return !container.context.run_as_non_root.has_value(); });
    if (unset.empty()) return std::nullopt;
    return PodSecurityFinding{kReason,
                              "pod or " + containers_text(unset) + " must set securityContext.runAsNonRoot=true"};
}

Finding check_run_as_user(const PodSecuritySubject& pod, std::int64_t minor) {
    if (is_relaxed_by_user_namespace(pod, minor)) return std::nullopt;
    const std::string setters = setters_where(pod, [](const Context& context) { return context.run_as_user == 0; });
    if (setters.empty()) return std::nullopt;
    return PodSecurityFinding{"runAsUser=0", setters + " must not set runAsUser=0"};
}

Finding check_seccomp(const PodSecuritySubject& pod, std::int64_t minor) {
    if (is_exempt_as_windows(pod, minor)) return std::nullopt;
    if (Finding finding = check_seccomp_types(pod)) return finding;
    if (pod.context.seccomp_type) return std::nullopt;
    const auto unset =
        containers_where(pod, [](const Container& container) { return !container.context.seccomp_type.has_value(); });
    if (unset.empty()) return std::nullopt;
    return PodSecurityFinding{
        "seccompProfile",
        words({R"(pod or)", containers_text(unset),
               R"(must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"})};
}

constexpr std::array<PodSecurityControl, 7> kControls = {{
    {.id = "allowPrivilegeEscalation", .since = 8, .check = check_privilege_escalation},
    {.id = "capabilities_restricted", .since = 22, .check = check_capabilities, .overrides = "capabilities_baseline"},
    {.id = "procMount_restricted", .since = 35, .check = check_proc_mount, .overrides = "procMount"},
    {.id = "restrictedVolumes", .since = 0, .check = check_volumes, .overrides = "hostPathVolumes"},
    {.id = "runAsNonRoot", .since = 0, .check = check_run_as_non_root},
    {.id = "runAsUser", .since = 23, .check = check_run_as_user},
    {.id = "seccompProfile_restricted", .since = 19, .check = check_seccomp, .overrides = "seccompProfile_baseline"},
}};

}  // namespace

std::span<const PodSecurityControl> restricted_controls() {
    return kControls;
}

}  // namespace endoscope::controller
