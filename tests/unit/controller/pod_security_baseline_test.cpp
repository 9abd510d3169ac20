#include "tests/unit/controller/pod_security_table.hpp"

namespace endoscope::controller {
namespace {

using pod_security_table::check;

// The containers in the Pod of the table: `i` (init), `a`, `b`, `e` (ephemeral).

TEST(PodSecurityBaseline, CompliantPod) {
    check({{"unchanged", {}, {}}});
}

TEST(PodSecurityBaseline, AppArmor) {
    check({
        {"allowed types and annotations",
         {{"/spec/securityContext/appArmorProfile", R"({"type":"RuntimeDefault"})"},
          {"/spec/containers/0/securityContext/appArmorProfile", R"({"type":"Localhost","localhostProfile":"p"})"},
          {"/metadata/annotations", R"({"container.apparmor.security.beta.kubernetes.io/a":"runtime/default",
                                        "container.apparmor.security.beta.kubernetes.io/b":"localhost/p",
                                        "container.apparmor.security.beta.kubernetes.io/i":"",
                                        "apparmor.example/a":"unconfined"})"}},
         {}},
        {"Pod",
         {{"/spec/securityContext/appArmorProfile", R"({"type":"Unconfined"})"}},
         {{0, R"(forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined"))"}}},
        {"a profile without a type",
         {{"/spec/ephemeralContainers/0/securityContext/appArmorProfile", "{}"}},
         {{0, R"(forbidden AppArmor profile (container "e" must not set AppArmor profile type to ""))"}}},
        {"Pod, containers and annotations",
         {{"/spec/securityContext/appArmorProfile", R"({"type":"Unconfined"})"},
          {"/spec/initContainers/0/securityContext/appArmorProfile", R"({"type":"Unconfined"})"},
          {"/spec/ephemeralContainers/0/securityContext/appArmorProfile", R"({"type":"Odd"})"},
          {"/metadata/annotations", R"({"container.apparmor.security.beta.kubernetes.io/a":"unconfined",
                                        "container.apparmor.security.beta.kubernetes.io/a-b":"x\"\n"})"}},
         {{0,
           R"(forbidden AppArmor profiles (pod and containers "i", "e" and annotations must not set AppArmor profile type )"
           R"(to "Odd", "Unconfined", "container.apparmor.security.beta.kubernetes.io/a-b="x\"\n"", )"
           R"("container.apparmor.security.beta.kubernetes.io/a="unconfined""))"}}},
        {"an annotation for a container that the Pod does not have",
         {{"/metadata/annotations", R"({"container.apparmor.security.beta.kubernetes.io/gone":"localhost"})"}},
         {{0, R"(forbidden AppArmor profile (annotation must not set AppArmor profile type to )"
              R"("container.apparmor.security.beta.kubernetes.io/gone="localhost""))"}}},
    });
}

TEST(PodSecurityBaseline, Capabilities) {
    check({
        {"the whole default set",
         {{"/spec/containers/0/securityContext/capabilities/add",
           R"(["AUDIT_WRITE","CHOWN","DAC_OVERRIDE","FOWNER","FSETID","KILL","MKNOD","NET_BIND_SERVICE","SETFCAP",
               "SETGID","SETPCAP","SETUID","SYS_CHROOT"])"}},
         {},
         {{{22, R"(unrestricted capabilities (container "a" must not include "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", )"
                R"("FOWNER", "FSETID", "KILL", "MKNOD", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT" in )"
                R"(securityContext.capabilities.add))"}}}},
        {"others, and other spellings",
         {{"/spec/initContainers/0/securityContext/capabilities/add", R"(["SYS_ADMIN","CHOWN","SYS_ADMIN"])"},
          {"/spec/ephemeralContainers/0/securityContext/capabilities/add", R"(["chown","CAP_CHOWN","NET_RAW","ALL"])"}},
         {{0, R"(non-default capabilities (containers "i", "e" must not include "ALL", "CAP_CHOWN", "NET_RAW", )"
              R"("SYS_ADMIN", "chown" in securityContext.capabilities.add))"}},
         {{{0, R"(non-default capabilities (containers "i", "e" must not include "ALL", "CAP_CHOWN", "NET_RAW", )"
               R"("SYS_ADMIN", "chown" in securityContext.capabilities.add))"},
           {22, R"(unrestricted capabilities (containers "i", "e" must not include "ALL", "CAP_CHOWN", "CHOWN", )"
                R"("NET_RAW", "SYS_ADMIN", "chown" in securityContext.capabilities.add))"}}}},
        {"none to add", {{"/spec/containers/0/securityContext/capabilities/add", "[]"}}, {}},
    });
}

TEST(PodSecurityBaseline, HostNamespaces) {
    check({
        {"network", {{"/spec/hostNetwork", "true"}}, {{0, "host namespaces (hostNetwork=true)"}}},
        {"processes", {{"/spec/hostPID", "true"}}, {{0, "host namespaces (hostPID=true)"}}},
        {"IPC", {{"/spec/hostIPC", "true"}}, {{0, "host namespaces (hostIPC=true)"}}},
        {"all",
         {{"/spec/hostIPC", "true"}, {"/spec/hostPID", "true"}, {"/spec/hostNetwork", "true"}},
         {{0, "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"}}},
        {"none", {{"/spec/hostIPC", "false"}, {"/spec/hostPID", "null"}, {"/spec/hostNetwork", "false"}}, {}},
    });
}

TEST(PodSecurityBaseline, HostPathVolumes) {
    check({
        {"one",
         {{"/spec/volumes", R"([{"name":"v","hostPath":{"path":"/"}},{"name":"w","emptyDir":{}}])"}},
         {{0, R"(hostPath volumes (volume "v"))"}},
         {{{0, R"(restricted volume types (volume "v" uses restricted volume type "hostPath"))"}}}},
        {"two, in the order of the Pod",
         {{"/spec/volumes", R"([{"name":"w","hostPath":{}},{"name":"v","hostPath":{}}])"}},
         {{0, R"(hostPath volumes (volumes "w", "v"))"}},
         {{{0, R"(restricted volume types (volumes "w", "v" use restricted volume type "hostPath"))"}}}},
        {"null is none", {{"/spec/volumes", R"([{"name":"v","hostPath":null,"secret":{}}])"}}, {}},
        {"beside another source, which no API server stores",
         {{"/spec/volumes", R"([{"name":"v","hostPath":{},"emptyDir":{}}])"}},
         {{0, R"(hostPath volumes (volume "v"))"}},
         {std::vector<pod_security_table::Step>{}}},
    });
}

TEST(PodSecurityBaseline, HostPorts) {
    check({
        {"none", {{"/spec/containers/0/ports", R"([{"containerPort":80},{"containerPort":81,"hostPort":0}])"}}, {}},
        {"one",
         {{"/spec/containers/0/ports", R"([{"containerPort":80},{"containerPort":81,"hostPort":81}])"}},
         {{0, R"(hostPort (container "a" uses hostPort 81))"}}},
        {"several, sorted as texts, each once",
         {{"/spec/containers/1/ports", R"([{"hostPort":9},{"hostPort":8080}])"},
          {"/spec/ephemeralContainers/0/ports", R"([{"hostPort":10000},{"hostPort":9}])"}},
         {{0, R"(hostPort (containers "b", "e" use hostPorts 10000, 8080, 9))"}}},
        {"the same in two containers",
         {{"/spec/initContainers/0/ports", R"([{"hostPort":9}])"}, {"/spec/containers/0/ports", R"([{"hostPort":9}])"}},
         {{0, R"(hostPort (containers "i", "a" use hostPort 9))"}}},
    });
}

TEST(PodSecurityBaseline, HostsOfProbesAndLifecycleHandlers) {
    using pod_security_table::Row;
    std::vector<Row> rows = {
        {"none",
         {{"/spec/containers/0/livenessProbe", R"({"httpGet":{"port":80}})"},
          {"/spec/containers/0/readinessProbe", R"({"tcpSocket":{"port":80,"host":""}})"},
          {"/spec/containers/0/startupProbe", R"({"exec":{"command":["true"]}})"},
          {"/spec/containers/0/lifecycle", R"({"postStart":{"sleep":{"seconds":1}},"preStop":null})"}},
         {}},
        {"containers in the order of their names",
         {{"/spec/initContainers/0/livenessProbe", R"({"httpGet":{"host":"z"}})"},
          {"/spec/containers/0/lifecycle", R"({"preStop":{"tcpSocket":{"host":"x"},"httpGet":{"host":"y"}}})"}},
         {{34, R"(probe or lifecycle host (containers "a", "i" use probe or lifecycle hosts "x", "y", "z"))"}}},
    };
    for (const char* pointer :
         {"/spec/containers/0/livenessProbe", "/spec/containers/0/readinessProbe", "/spec/containers/0/startupProbe",
          "/spec/containers/0/lifecycle/postStart", "/spec/containers/0/lifecycle/preStop"}) {
        for (const char* handler : {R"({"httpGet":{"host":"10.0.0.1"}})", R"({"tcpSocket":{"host":"10.0.0.1"}})"}) {
            rows.push_back(
                {pointer,
                 {{pointer, handler}},
                 {{34, R"(probe or lifecycle host (container "a" uses probe or lifecycle host "10.0.0.1"))"}}});
        }
    }
    check(rows);
}

TEST(PodSecurityBaseline, Privileged) {
    check({
        {"false", {{"/spec/containers/0/securityContext/privileged", "false"}}, {}},
        {"true",
         {{"/spec/ephemeralContainers/0/securityContext/privileged", "true"}},
         {{0, R"(privileged (container "e" must not set securityContext.privileged=true))"}}},
        {"in several",
         {{"/spec/ephemeralContainers/0/securityContext/privileged", "true"},
          {"/spec/initContainers/0/securityContext/privileged", "true"}},
         {{0, R"(privileged (containers "i", "e" must not set securityContext.privileged=true))"}}},
    });
}

TEST(PodSecurityBaseline, ProcMount) {
    constexpr const char* kUnmasked =
        R"(procMount (containers "a", "e" must not set securityContext.procMount to "Odd", "Unmasked"))";
    check({
        {"default", {{"/spec/containers/0/securityContext/procMount", R"("Default")"}}, {}},
        {"unmasked",
         {{"/spec/containers/0/securityContext/procMount", R"("Unmasked")"},
          {"/spec/ephemeralContainers/0/securityContext/procMount", R"("Odd")"}},
         {{0, kUnmasked}}},
        {"in the user namespace of the host",
         {{"/spec/containers/0/securityContext/procMount", R"("")"}, {"/spec/hostUsers", "true"}},
         {{0, R"(procMount (container "a" must not set securityContext.procMount to ""))"}}},
        {"in its own user namespace",
         {{"/spec/containers/0/securityContext/procMount", R"("Unmasked")"},
          {"/spec/ephemeralContainers/0/securityContext/procMount", R"("Odd")"},
          {"/spec/hostUsers", "false"}},
         {{0, kUnmasked}, {35, nullptr}},
         {{{0, kUnmasked}}}},
    });
}

TEST(PodSecurityBaseline, SeLinuxOptions) {
    check({
        {"allowed types, any level",
         {{"/spec/securityContext/seLinuxOptions", R"({"level":"s0:c1"})"},
          {"/spec/initContainers/0/securityContext/seLinuxOptions", R"({"type":"container_t"})"},
          {"/spec/containers/0/securityContext/seLinuxOptions", R"({"type":"container_init_t","user":""})"},
          {"/spec/containers/1/securityContext/seLinuxOptions", R"({"type":"container_kvm_t","role":null})"},
          {"/spec/ephemeralContainers/0/securityContext/seLinuxOptions", R"({"type":""})"}},
         {}},
        {"the type of container engines",
         {{"/spec/containers/0/securityContext/seLinuxOptions", R"({"type":"container_engine_t"})"}},
         {{0, R"(seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: )"
              R"(type "container_engine_t"))"},
          {31, nullptr}}},
        {"user",
         {{"/spec/securityContext/seLinuxOptions", R"({"user":"u"})"}},
         {{0, "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: user may not be set)"}}},
        {"role",
         {{"/spec/ephemeralContainers/0/securityContext/seLinuxOptions", R"({"role":"r"})"}},
         {{0, R"(seLinuxOptions (container "e" set forbidden securityContext.seLinuxOptions: role may not be set))"}}},
        {"all",
         {{"/spec/securityContext/seLinuxOptions", R"({"type":"spc_t","user":"u"})"},
          {"/spec/initContainers/0/securityContext/seLinuxOptions", R"({"type":"other_t"})"},
          {"/spec/ephemeralContainers/0/securityContext/seLinuxOptions", R"({"type":"spc_t","role":"r"})"}},
         {{0, R"(seLinuxOptions (pod and containers "i", "e" set forbidden securityContext.seLinuxOptions: )"
              R"(types "other_t", "spc_t"; user may not be set; role may not be set))"}}},
    });
}

TEST(PodSecurityBaseline, Seccomp) {
    check({
        {"allowed annotations",
         {{"/metadata/annotations", R"({"seccomp.security.alpha.kubernetes.io/pod":"runtime/default",
                                        "container.seccomp.security.alpha.kubernetes.io/a":"docker/default",
                                        "container.seccomp.security.alpha.kubernetes.io/e":"localhost/p",
                                        "container.seccomp.security.alpha.kubernetes.io/gone":"unconfined"})"}},
         {}},
        {"forbidden annotations",
         {{"/metadata/annotations", R"({"seccomp.security.alpha.kubernetes.io/pod":"unconfined",
                                        "container.seccomp.security.alpha.kubernetes.io/a":"",
                                        "container.seccomp.security.alpha.kubernetes.io/e":"localhost"})"}},
         {{0, R"(seccompProfile (forbidden annotations container.seccomp.security.alpha.kubernetes.io/a="", )"
              R"(container.seccomp.security.alpha.kubernetes.io/e="localhost", )"
              R"(seccomp.security.alpha.kubernetes.io/pod="unconfined"))"},
          {19, nullptr}}},
        {"a forbidden annotation",
         {{"/metadata/annotations", R"({"seccomp.security.alpha.kubernetes.io/pod":"unconfined"})"}},
         {{0, R"(seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined"))"},
          {19, nullptr}}},
        {"allowed types",
         {{"/spec/securityContext/seccompProfile", R"({"type":"Localhost","localhostProfile":"p"})"},
          {"/spec/containers/0/securityContext/seccompProfile", R"({"type":"RuntimeDefault"})"}},
         {}},
        {"type of the Pod",
         {{"/spec/securityContext/seccompProfile", R"({"type":"Unconfined"})"}},
         {{19, R"(seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined"))"}}},
        {"types of Pod and containers",
         {{"/spec/securityContext/seccompProfile", R"({"type":"Unconfined"})"},
          {"/spec/initContainers/0/securityContext/seccompProfile", "{}"},
          {"/spec/ephemeralContainers/0/securityContext/seccompProfile", R"({"type":"Odd"})"}},
         {{19, R"(seccompProfile (pod and containers "i", "e" must not set securityContext.seccompProfile.type to )"
               R"("", "Odd", "Unconfined"))"}}},
    });
}

TEST(PodSecurityBaseline, Sysctls) {
    const auto one = [](const char* name) { return R"([{"name":")" + std::string(name) + R"(","value":"1"}])"; };
    constexpr const char* kPointer = "/spec/securityContext/sysctls";
    struct Allowed {
        const char* name;
        std::int64_t since;
    };
    for (const Allowed& allowed : std::initializer_list<Allowed>{
             {"kernel.shm_rmid_forced", 0},
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
             {"net.ipv4.tcp_notsent_lowat", 37},
         }) {
        const std::string value = one(allowed.name);
        const std::string finding = "forbidden sysctls (" + std::string(allowed.name) + ")";
        check({{allowed.name, {{kPointer, value.c_str()}}, {{0, finding.c_str()}, {allowed.since, nullptr}}}});
    }
    check({
        {"in the order of the Pod",
         {{kPointer, R"([{"name":"net/ipv4/tcp_rmem"},{"name":"kernel.shm_rmid_forced"},{"name":"kernel.msgmax"}])"}},
         {{0, "forbidden sysctls (net/ipv4/tcp_rmem, kernel.msgmax)"}}},
        {"without a name", {{kPointer, R"([{"value":"1"}])"}}, {{0, "forbidden sysctls"}}},
        {"none", {{kPointer, "[]"}}, {}},
    });
}

TEST(PodSecurityBaseline, WindowsHostProcess) {
    check({
        {"false",
         {{"/spec/securityContext/windowsOptions", R"({"hostProcess":false})"},
          {"/spec/containers/0/securityContext/windowsOptions", R"({"runAsUserName":"x"})"}},
         {}},
        {"Pod",
         {{"/spec/securityContext/windowsOptions", R"({"hostProcess":true})"}},
         {{0, "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"}}},
        {"containers of a Windows Pod",
         {{"/spec/os", R"({"name":"windows"})"},
          {"/spec/containers/1/securityContext/windowsOptions", R"({"hostProcess":true})"},
          {"/spec/ephemeralContainers/0/securityContext/windowsOptions", R"({"hostProcess":true})"}},
         {{0, R"(hostProcess (containers "b", "e" must not set securityContext.windowsOptions.hostProcess=true))"}}},
        {"both",
         {{"/spec/securityContext/windowsOptions", R"({"hostProcess":true})"},
          {"/spec/containers/0/securityContext/windowsOptions", R"({"hostProcess":true})"}},
         {{0, R"(hostProcess (pod and container "a" must not set securityContext.windowsOptions.hostProcess=true))"}}},
    });
}

}  // namespace
}  // namespace endoscope::controller
