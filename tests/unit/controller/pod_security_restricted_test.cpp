#include "tests/unit/controller/pod_security_table.hpp"

namespace endoscope::controller {
namespace {

using pod_security_table::check;
using pod_security_table::Step;

// The containers in the Pod of the table: `i` (init), `a`, `b`, `e` (ephemeral). What both levels refuse is in the
// tests of `baseline`.

using Steps = std::vector<Step>;

TEST(PodSecurityRestricted, PrivilegeEscalation) {
    constexpr const char* kOfA =
        R"(allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false))";
    constexpr const char* kPointer = "/spec/containers/0/securityContext/allowPrivilegeEscalation";
    check({
        {"true", {{kPointer, "true"}}, {}, Steps{{8, kOfA}}},
        {"absent", {{kPointer, "null"}}, {}, Steps{{8, kOfA}}},
        {"several",
         {{"/spec/initContainers/0/securityContext/allowPrivilegeEscalation", "true"},
          {"/spec/ephemeralContainers/0/securityContext/allowPrivilegeEscalation", "null"}},
         {},
         Steps{{8, R"(allowPrivilegeEscalation != false (containers "i", "e" must set )"
                   R"(securityContext.allowPrivilegeEscalation=false))"}}},
        {"Windows", {{kPointer, "null"}, {"/spec/os", R"({"name":"windows"})"}}, {}, Steps{{8, kOfA}, {25, nullptr}}},
        {"Linux", {{kPointer, "null"}, {"/spec/os", R"({"name":"linux"})"}}, {}, Steps{{8, kOfA}}},
        {"a user namespace is no excuse", {{kPointer, "true"}, {"/spec/hostUsers", "false"}}, {}, Steps{{8, kOfA}}},
    });
}

TEST(PodSecurityRestricted, Capabilities) {
    constexpr const char* kDropOfE =
        R"(unrestricted capabilities (container "e" must set securityContext.capabilities.drop=["ALL"]))";
    constexpr const char* kPointer = "/spec/ephemeralContainers/0/securityContext/capabilities";
    check({
        {"nothing dropped", {{kPointer, "null"}}, {}, Steps{{22, kDropOfE}}},
        {"single ones dropped", {{kPointer, R"({"drop":["NET_RAW","all"]})"}}, {}, Steps{{22, kDropOfE}}},
        {"all and more dropped", {{kPointer, R"({"drop":["NET_RAW","ALL"]})"}}, {}},
        {"the one that may be added", {{kPointer, R"({"drop":["ALL"],"add":["NET_BIND_SERVICE"]})"}}, {}},
        {"one of the default set added",
         {{kPointer, R"({"drop":["ALL"],"add":["NET_BIND_SERVICE","KILL"]})"}},
         {},
         Steps{{22, R"(unrestricted capabilities (container "e" must not include "KILL" in )"
                    R"(securityContext.capabilities.add))"}}},
        {"both, in several",
         {{kPointer, R"({"add":["KILL"]})"},
          {"/spec/initContainers/0/securityContext/capabilities", R"({"add":["CHOWN","KILL"]})"}},
         {},
         Steps{{22,
                R"(unrestricted capabilities (containers "i", "e" must set )"
                R"(securityContext.capabilities.drop=["ALL"]; containers "i", "e" must not include "CHOWN", "KILL" )"
                R"(in securityContext.capabilities.add))"}}},
        {"Windows",
         {{kPointer, "null"}, {"/spec/os", R"({"name":"windows"})"}},
         {},
         Steps{{22, kDropOfE}, {25, nullptr}}},
    });
}

TEST(PodSecurityRestricted, Volumes) {
    // Each kind of volume on its own.
    for (const char* source : {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
                               "persistentVolumeClaim", "projected", "secret"}) {
        const std::string volumes = R"([{"name":"v",")" + std::string(source) + R"(":{}}])";
        check({{source, {{"/spec/volumes", volumes.c_str()}}, {}}});
    }
    for (const char* source : {"gcePersistentDisk",
                               "awsElasticBlockStore",
                               "gitRepo",
                               "nfs",
                               "iscsi",
                               "glusterfs",
                               "rbd",
                               "flexVolume",
                               "cinder",
                               "cephfs",
                               "flocker",
                               "fc",
                               "azureFile",
                               "vsphereVolume",
                               "quobyte",
                               "azureDisk",
                               "photonPersistentDisk",
                               "portworxVolume",
                               "scaleIO",
                               "storageos"}) {
        const std::string volumes = R"([{"name":"v",")" + std::string(source) + R"(":{}}])";
        const std::string finding =
            R"(restricted volume types (volume "v" uses restricted volume type ")" + std::string(source) + R"("))";
        check({{source, {{"/spec/volumes", volumes.c_str()}}, {}, Steps{{0, finding.c_str()}}}});
    }
    check({
        {"of a kind that is yet to come",
         {{"/spec/volumes", R"([{"name":"v","hologram":{}},{"name":"w","emptyDir":null,"mist":{}}])"}},
         {},
         Steps{{0, R"(restricted volume types (volumes "v", "w" use restricted volume type "unknown"))"}}},
        {"of no kind, which the API server makes an emptyDir",
         {{"/spec/volumes", R"([{"name":"v"},{"name":"w","hostPath":null}])"}},
         {}},
        {"several",
         {{"/spec/volumes", R"([{"name":"y","nfs":{}},{"name":"x","secret":{}},{"name":"v","gitRepo":{}}])"}},
         {},
         Steps{{0, R"(restricted volume types (volumes "y", "v" use restricted volume types "gitRepo", "nfs"))"}}},
    });
}

TEST(PodSecurityRestricted, RunAsNonRoot) {
    constexpr const char* kPodFalse = "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)";
    check({
        {"Pod", {{"/spec/securityContext/runAsNonRoot", "false"}}, {}, Steps{{0, kPodFalse}}},
        {"Pod, though all containers say otherwise",
         {{"/spec/securityContext/runAsNonRoot", "false"},
          {"/spec/initContainers/0/securityContext/runAsNonRoot", "true"},
          {"/spec/containers/0/securityContext/runAsNonRoot", "true"},
          {"/spec/containers/1/securityContext/runAsNonRoot", "true"},
          {"/spec/ephemeralContainers/0/securityContext/runAsNonRoot", "true"}},
         {},
         Steps{{0, kPodFalse}}},
        {"Pod and containers",
         {{"/spec/securityContext/runAsNonRoot", "false"},
          {"/spec/initContainers/0/securityContext/runAsNonRoot", "false"},
          {"/spec/ephemeralContainers/0/securityContext/runAsNonRoot", "false"}},
         {},
         Steps{{0, R"(runAsNonRoot != true (pod and containers "i", "e" must not set )"
                   R"(securityContext.runAsNonRoot=false))"}}},
        {"a container overrides the Pod",
         {{"/spec/ephemeralContainers/0/securityContext/runAsNonRoot", "false"}},
         {},
         Steps{{0, R"(runAsNonRoot != true (container "e" must not set securityContext.runAsNonRoot=false))"}}},
        {"absent in the Pod, true in some containers",
         {{"/spec/securityContext/runAsNonRoot", "null"},
          {"/spec/initContainers/0/securityContext/runAsNonRoot", "true"},
          {"/spec/containers/0/securityContext/runAsNonRoot", "true"}},
         {},
         Steps{{0, R"(runAsNonRoot != true (pod or containers "b", "e" must set securityContext.runAsNonRoot=true))"}}},
        {"absent in the Pod, true in all containers",
         {{"/spec/securityContext/runAsNonRoot", "null"},
          {"/spec/initContainers/0/securityContext/runAsNonRoot", "true"},
          {"/spec/containers/0/securityContext/runAsNonRoot", "true"},
          {"/spec/containers/1/securityContext/runAsNonRoot", "true"},
          {"/spec/ephemeralContainers/0/securityContext/runAsNonRoot", "true"}},
         {}},
        {"Windows is no excuse",
         {{"/spec/securityContext/runAsNonRoot", "false"}, {"/spec/os", R"({"name":"windows"})"}},
         {},
         Steps{{0, kPodFalse}}},
        {"in its own user namespace",
         {{"/spec/securityContext/runAsNonRoot", "false"}, {"/spec/hostUsers", "false"}},
         {},
         Steps{{0, kPodFalse}, {35, nullptr}}},
        {"in the user namespace of the host",
         {{"/spec/securityContext/runAsNonRoot", "false"}, {"/spec/hostUsers", "true"}},
         {},
         Steps{{0, kPodFalse}}},
    });
}

TEST(PodSecurityRestricted, RunAsUser) {
    constexpr const char* kOfPod = "runAsUser=0 (pod must not set runAsUser=0)";
    check({
        {"others",
         {{"/spec/securityContext/runAsUser", "1000"}, {"/spec/containers/0/securityContext/runAsUser", "1"}},
         {}},
        {"Pod", {{"/spec/securityContext/runAsUser", "0"}}, {}, Steps{{23, kOfPod}}},
        {"container",
         {{"/spec/ephemeralContainers/0/securityContext/runAsUser", "0"}},
         {},
         Steps{{23, R"(runAsUser=0 (container "e" must not set runAsUser=0))"}}},
        {"both",
         {{"/spec/securityContext/runAsUser", "0"},
          {"/spec/initContainers/0/securityContext/runAsUser", "0"},
          {"/spec/containers/1/securityContext/runAsUser", "0"}},
         {},
         Steps{{23, R"(runAsUser=0 (pod and containers "i", "b" must not set runAsUser=0))"}}},
        {"in its own user namespace",
         {{"/spec/securityContext/runAsUser", "0"}, {"/spec/hostUsers", "false"}},
         {},
         Steps{{23, kOfPod}, {35, nullptr}}},
    });
}

TEST(PodSecurityRestricted, Seccomp) {
    constexpr const char* kUnset = R"(seccompProfile (pod or containers "b", "e" must set )"
                                   R"(securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"))";
    check({
        {"absent in the Pod, set in some containers",
         {{"/spec/securityContext/seccompProfile", "null"},
          {"/spec/initContainers/0/securityContext/seccompProfile", R"({"type":"RuntimeDefault"})"},
          {"/spec/containers/0/securityContext/seccompProfile", R"({"type":"Localhost"})"}},
         {},
         Steps{{19, kUnset}}},
        {"the same on Windows",
         {{"/spec/securityContext/seccompProfile", "null"},
          {"/spec/initContainers/0/securityContext/seccompProfile", R"({"type":"RuntimeDefault"})"},
          {"/spec/containers/0/securityContext/seccompProfile", R"({"type":"Localhost"})"},
          {"/spec/os", R"({"name":"windows"})"}},
         {},
         Steps{{19, kUnset}, {25, nullptr}}},
        {"absent in the Pod, set in all containers",
         {{"/spec/securityContext/seccompProfile", "null"},
          {"/spec/initContainers/0/securityContext/seccompProfile", R"({"type":"RuntimeDefault"})"},
          {"/spec/containers/0/securityContext/seccompProfile", R"({"type":"Localhost"})"},
          {"/spec/containers/1/securityContext/seccompProfile", R"({"type":"RuntimeDefault"})"},
          {"/spec/ephemeralContainers/0/securityContext/seccompProfile", R"({"type":"RuntimeDefault"})"}},
         {}},
        {"a forbidden type goes before an absent one",
         {{"/spec/securityContext/seccompProfile", "null"},
          {"/spec/ephemeralContainers/0/securityContext/seccompProfile", R"({"type":"Unconfined"})"}},
         {{19, R"(seccompProfile (container "e" must not set securityContext.seccompProfile.type to "Unconfined"))"}}},
    });
}

TEST(PodSecurityRestricted, FindingsInTheOrderOfTheirIdsThoseOfBaselineFirst) {
    const auto pod = parse_pod_security(pod_security_table::changed_pod(
        {{"/spec/hostPID", "true"},
         {"/spec/volumes", R"([{"name":"v","hostPath":{}}])"},
         {"/spec/securityContext", "{}"},
         {"/spec/ephemeralContainers/0/securityContext",
          R"({"privileged":true,"procMount":"Unmasked","runAsUser":0,"capabilities":{"add":["SYS_PTRACE"]}})"}}));
    ASSERT_TRUE(pod) << pod.error().text();
    struct Case {
        PodSecurityEnforcement enforcement;
        const char* expected;
    };
    const Case cases[] = {
        {{.level = PodSecurityLevel::baseline, .minor = std::nullopt},
         R"(violates PodSecurity "baseline:latest": )"
         R"(non-default capabilities (container "e" must not include "SYS_PTRACE" in securityContext.capabilities.add), )"
         R"(host namespaces (hostPID=true), hostPath volumes (volume "v"), )"
         R"(privileged (container "e" must not set securityContext.privileged=true), )"
         R"(procMount (container "e" must not set securityContext.procMount to "Unmasked"))"},
        {{.level = PodSecurityLevel::restricted, .minor = 18},
         R"(violates PodSecurity "restricted:v1.18": )"
         R"(non-default capabilities (container "e" must not include "SYS_PTRACE" in securityContext.capabilities.add), )"
         R"(host namespaces (hostPID=true), )"
         R"(privileged (container "e" must not set securityContext.privileged=true), )"
         R"(procMount (container "e" must not set securityContext.procMount to "Unmasked"), )"
         R"(allowPrivilegeEscalation != false (container "e" must set securityContext.allowPrivilegeEscalation=false), )"
         R"(restricted volume types (volume "v" uses restricted volume type "hostPath"), )"
         R"(runAsNonRoot != true (pod or containers "i", "a", "b", "e" must set securityContext.runAsNonRoot=true))"},
        {{.level = PodSecurityLevel::restricted, .minor = std::nullopt},
         R"(violates PodSecurity "restricted:latest": host namespaces (hostPID=true), )"
         R"(privileged (container "e" must not set securityContext.privileged=true), )"
         R"(allowPrivilegeEscalation != false (container "e" must set securityContext.allowPrivilegeEscalation=false), )"
         R"(unrestricted capabilities (container "e" must set securityContext.capabilities.drop=["ALL"]; )"
         R"(container "e" must not include "SYS_PTRACE" in securityContext.capabilities.add), )"
         R"(procMount (container "e" must not set securityContext.procMount to "Unmasked"), )"
         R"(restricted volume types (volume "v" uses restricted volume type "hostPath"), )"
         R"(runAsNonRoot != true (pod or containers "i", "a", "b", "e" must set securityContext.runAsNonRoot=true), )"
         R"(runAsUser=0 (container "e" must not set runAsUser=0), )"
         R"(seccompProfile (pod or containers "i", "a", "b", "e" must set )"
         R"(securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"))"},
    };
    for (const Case& one : cases) EXPECT_EQ(pod_security_violation(*pod, one.enforcement), one.expected);
}

}  // namespace
}  // namespace endoscope::controller
