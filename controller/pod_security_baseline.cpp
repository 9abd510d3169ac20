#include "controller/pod_security_checks.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace endoscope::controller {
namespace {

using Container = PodSecuritySubject::Container;
using Context = PodSecuritySubject::SecurityContext;
using Finding = std::optional<PodSecurityFinding>;

// The versions from which on a control allows more or looks elsewhere.
constexpr std::int64_t kSeccompField = 19;
constexpr std::int64_t kSeLinuxEngineType = 31;

constexpr std::string_view kLocalhostProfile = "localhost/";

Finding check_app_armor(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    std::set<std::string> types;
    const auto is_bad = [&](const Context& context) {
        const auto& type = context.app_armor_type;
        if (!type || *type == "RuntimeDefault" || *type == "Localhost") return false;
        types.insert(*type);
        return true;
    };
    std::string setters = setters_where(pod, is_bad);
    std::vector<std::string> values(types.begin(), types.end());
    std::vector<std::string> annotations;
    for (const auto& [key, value] : pod.annotations) {
        if (!key.starts_with(kAppArmorAnnotationPrefix)) continue;
        if (value.empty() || value == "runtime/default" || value.starts_with(kLocalhostProfile)) continue;
        annotations.push_back(key + "=" + go_quoted(value));
    }
    if (!annotations.empty()) {
        // As whole texts, which is not the order of the keys: "a-b=" is before "a=".
        std::ranges::sort(annotations);
        if (!setters.empty()) setters += " and ";
        setters += plural(annotations.size(), "annotation", "annotations");
        values.insert(values.end(), annotations.begin(), annotations.end());
    }
    if (setters.empty()) return std::nullopt;
    return PodSecurityFinding{
        std::string(plural(values.size(), "forbidden AppArmor profile", "forbidden AppArmor profiles")),
        words({setters, "must not set AppArmor profile type to", quoted(values)})};
}

Finding check_capabilities(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    constexpr std::array<std::string_view, 13> kAllowed = {
        "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",      "MKNOD",
        "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT"};
    std::set<std::string> capabilities;
    const auto containers = containers_where(pod, [&](const Container& container) {
        bool bad = false;
        for (const std::string& capability : container.added_capabilities) {
            if (is_one_of(kAllowed, capability)) continue;
            capabilities.insert(capability);
            bad = true;
        }
        return bad;
    });
    if (containers.empty()) return std::nullopt;
    return PodSecurityFinding{"non-default capabilities",
                              words({containers_text(containers), "must not include", quoted(capabilities),
                                     "in securityContext.capabilities.add"})};
}

Finding check_host_namespaces(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    std::vector<std::string> namespaces;
    if (pod.host_network) namespaces.emplace_back("hostNetwork=true");
    if (pod.host_pid) namespaces.emplace_back("hostPID=true");
    if (pod.host_ipc) namespaces.emplace_back("hostIPC=true");
    if (namespaces.empty()) return std::nullopt;
    return PodSecurityFinding{"host namespaces", join(namespaces, ", ")};
}

Finding check_host_path_volumes(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    std::vector<std::string> volumes;
    for (const auto& volume : pod.volumes) {
        if (volume.host_path) volumes.push_back(volume.name);
    }
    if (volumes.empty()) return std::nullopt;
    return PodSecurityFinding{"hostPath volumes",
                              words({plural(volumes.size(), "volume", "volumes"), quoted(volumes)})};
}

Finding check_host_ports(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    // Texts, not numbers: upstream sorts them as such, 10000 before 8080.
    std::set<std::string> ports;
    const auto containers = containers_where(pod, [&](const Container& container) {
        for (const std::int64_t port : container.host_ports) ports.insert(std::to_string(port));
        return !container.host_ports.empty();
    });
    if (containers.empty()) return std::nullopt;
    return PodSecurityFinding{"hostPort", words({containers_text(containers), plural(containers.size(), "uses", "use"),
                                                 plural(ports.size(), "hostPort", "hostPorts"), join(ports, ", ")})};
}

Finding check_handler_hosts(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    // Here, unlike in the other controls, upstream names the containers in the order of their names.
    std::set<std::string> containers;
    std::set<std::string> hosts;
    for (const auto& container : pod.containers) {
        if (!container.handler_hosts.empty()) containers.insert(container.name);
        hosts.insert(container.handler_hosts.begin(), container.handler_hosts.end());
    }
    if (containers.empty()) return std::nullopt;
    return PodSecurityFinding{
        "probe or lifecycle host",
        words({containers_text({containers.begin(), containers.end()}), plural(containers.size(), "uses", "use"),
               plural(hosts.size(), "probe or lifecycle host", "probe or lifecycle hosts"), quoted(hosts)})};
}

Finding check_privileged(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    const auto containers = containers_where(pod, [](const Container& container) { return container.privileged; });
    if (containers.empty()) return std::nullopt;
    return PodSecurityFinding{"privileged",
                              words({containers_text(containers), "must not set securityContext.privileged=true"})};
}

Finding check_proc_mount_of_baseline(const PodSecuritySubject& pod, std::int64_t minor) {
    return is_relaxed_by_user_namespace(pod, minor) ? std::nullopt : check_proc_mount(pod, minor);
}

Finding check_se_linux(const PodSecuritySubject& pod, std::int64_t minor) {
    std::set<std::string> types;
    bool sets_user = false;
    bool sets_role = false;
    const auto is_bad = [&](const Context& context) {
        if (!context.se_linux) return false;
        const auto& [type, user, role] = *context.se_linux;
        const bool type_allowed = type.empty() || type == "container_t" || type == "container_init_t" ||
                                  type == "container_kvm_t" ||
                                  (minor >= kSeLinuxEngineType && type == "container_engine_t");
        if (!type_allowed) types.insert(type);
        sets_user = sets_user || !user.empty();
        sets_role = sets_role || !role.empty();
        return !type_allowed || !user.empty() || !role.empty();
    };
    const std::string setters = setters_where(pod, is_bad);
    if (setters.empty()) return std::nullopt;
    std::vector<std::string> settings;
    if (!types.empty()) settings.push_back(words({plural(types.size(), "type", "types"), quoted(types)}));
    if (sets_user) settings.emplace_back("user may not be set");
    if (sets_role) settings.emplace_back("role may not be set");
    return PodSecurityFinding{"seLinuxOptions",
                              words({setters, "set forbidden securityContext.seLinuxOptions:", join(settings, "; ")})};
}

Finding check_seccomp_annotations(const PodSecuritySubject& pod) {
    std::set<std::string> forbidden;
    const auto look_at = [&](const std::string& key) {
        const auto found = pod.annotations.find(key);
        if (found == pod.annotations.end()) return;
        const std::string& value = found->second;
        if (value == "runtime/default" || value == "docker/default" || value.starts_with(kLocalhostProfile)) return;
        forbidden.insert(key + "=" + go_quoted(value));
    };
    look_at(std::string(kSeccompPodAnnotation));
    for (const auto& container : pod.containers) {
        look_at(std::string(kSeccompContainerAnnotationPrefix) + container.name);
    }
    if (forbidden.empty()) return std::nullopt;
    return PodSecurityFinding{
        "seccompProfile",
        words({"forbidden", plural(forbidden.size(), "annotation", "annotations"), join(forbidden, ", ")})};
}

Finding check_seccomp(const PodSecuritySubject& pod, std::int64_t minor) {
    if (minor < kSeccompField) return check_seccomp_annotations(pod);
    return check_seccomp_types(pod);
}

Finding check_sysctls(const PodSecuritySubject& pod, std::int64_t minor) {
    struct Allowed {
        std::string_view name;
        std::int64_t since;
    };
    constexpr std::array<Allowed, 14> kAllowed = {{{"kernel.shm_rmid_forced", 0},
                                                   {"net.ipv4.ip_local_port_range", 0},
                                                   {"net.ipv4.tcp_syncookies", 0},
                                                   {"net.ipv4.ping_group_range", 0},
                                                   {"net.ipv4.ip_unprivileged_port_start", 0},
                                                   {"net.ipv4.ip_local_reserved_ports", 27},
                                                   {"net.ipv4.tcp_keepalive_time", 29},
                                                   {"net.ipv4.tcp_fin_timeout", 29},
                                                   {"net.ipv4.tcp_keepalive_intvl", 29},
                                                   {"net.ipv4.tcp_keepalive_probes", 29},
                                                   {"net.ipv4.tcp_rmem", 32},
                                                   {"net.ipv4.tcp_wmem", 32},
                                                   {"net.ipv4.tcp_slow_start_after_idle", 37},
                                                   {"net.ipv4.tcp_notsent_lowat", 37}}};
    std::vector<std::string> forbidden;
    for (const std::string& sysctl : pod.sysctls) {
        const auto allows = [&](const Allowed& allowed) { return allowed.name == sysctl && allowed.since <= minor; };
        if (std::ranges::none_of(kAllowed, allows)) forbidden.push_back(sysctl);
    }
    if (forbidden.empty()) return std::nullopt;
    return PodSecurityFinding{"forbidden sysctls", join(forbidden, ", ")};
}

Finding check_host_process(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    const std::string setters = setters_where(pod, [](const Context& context) { return context.host_process; });
    if (setters.empty()) return std::nullopt;
    return PodSecurityFinding{"hostProcess", setters + " must not set securityContext.windowsOptions.hostProcess=true"};
}

constexpr std::array<PodSecurityControl, 12> kControls = {{
    {.id = "appArmorProfile", .since = 0, .check = check_app_armor},
    {.id = "capabilities_baseline", .since = 0, .check = check_capabilities},
    {.id = "hostNamespaces", .since = 0, .check = check_host_namespaces},
    {.id = "hostPathVolumes", .since = 0, .check = check_host_path_volumes},
    {.id = "hostPorts", .since = 0, .check = check_host_ports},
    {.id = "hostProbesAndHostLifecycle", .since = 34, .check = check_handler_hosts},
    {.id = "privileged", .since = 0, .check = check_privileged},
    {.id = "procMount", .since = 0, .check = check_proc_mount_of_baseline},
    {.id = "seLinuxOptions", .since = 0, .check = check_se_linux},
    {.id = "seccompProfile_baseline", .since = 0, .check = check_seccomp},
    {.id = "sysctls", .since = 0, .check = check_sysctls},
    {.id = "windowsHostProcess", .since = 0, .check = check_host_process},
}};

}  // namespace

std::span<const PodSecurityControl> baseline_controls() {
    return kControls;
}

Finding check_proc_mount(const PodSecuritySubject& pod, std::int64_t /*minor*/) {
    std::set<std::string> types;
    const auto containers = containers_where(pod, [&](const Container& container) {
        if (!container.proc_mount || *container.proc_mount == "Default") return false;
        types.insert(*container.proc_mount);
        return true;
    });
    if (containers.empty()) return std::nullopt;
    return PodSecurityFinding{
        "procMount", words({containers_text(containers), "must not set securityContext.procMount to", quoted(types)})};
}

Finding check_seccomp_types(const PodSecuritySubject& pod) {
    std::set<std::string> types;
    const std::string setters = setters_where(pod, [&](const Context& context) {
        const auto& type = context.seccomp_type;
        if (!type || *type == "RuntimeDefault" || *type == "Localhost") return false;
        types.insert(*type);
        return true;
    });
    if (setters.empty()) return std::nullopt;
    return PodSecurityFinding{"seccompProfile",
                              words({setters, "must not set securityContext.seccompProfile.type to", quoted(types)})};
}

}  // namespace endoscope::controller
