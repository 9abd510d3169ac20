#include "controller/pod_security_subject.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <utility>

namespace endoscope::controller {
namespace {

using nlohmann::json;

/// A container with everything that is read of one.
json whole_container(const char* name) {
    json container = json::parse(R"({"image":"app","securityContext":{"privileged":true,
        "allowPrivilegeEscalation":false,"procMount":"Unmasked","runAsNonRoot":true,"runAsUser":7,
        "capabilities":{"add":["NET_RAW"],"drop":["ALL"]},"seccompProfile":{"type":"Localhost"},
        "appArmorProfile":{"type":"Unconfined"},"seLinuxOptions":{"type":"t","user":"u","role":"r","level":"l"},
        "windowsOptions":{"hostProcess":true}},
        "ports":[{"containerPort":80},{"hostPort":0},{"hostPort":81}],
        "livenessProbe":{"httpGet":{"host":"l"}},"readinessProbe":{"tcpSocket":{"host":"r"}},
        "startupProbe":{"httpGet":{"host":"s"}},
        "lifecycle":{"postStart":{"httpGet":{"host":"p"}},"preStop":{"tcpSocket":{"host":"q"}}}})");
    container["name"] = name;
    return container;
}

json whole_pod() {
    json pod = json::parse(R"({"metadata":{"annotations":{"a":"b",
          "seccomp.security.alpha.kubernetes.io/pod":"x","container.seccomp.security.alpha.kubernetes.io/a":"y",
          "container.apparmor.security.beta.kubernetes.io/a":"z"}},
        "spec":{"os":{"name":"linux"},"hostNetwork":true,"hostPID":true,"hostIPC":true,"hostUsers":false,
          "securityContext":{"runAsNonRoot":false,"runAsUser":0,"seccompProfile":{},"appArmorProfile":{"type":"Localhost"},
            "seLinuxOptions":{},"windowsOptions":{"hostProcess":true},"sysctls":[{"name":"s","value":"1"}]},
          "volumes":[{"name":"v","hostPath":{}},{"name":"w","secret":{}},{"name":"x"},{"name":"y","mist":{}}]}})");
    pod["spec"]["containers"] = json::array({whole_container("a")});
    pod["spec"]["initContainers"] = json::array({whole_container("i")});
    pod["spec"]["ephemeralContainers"] = json::array({whole_container("e"), whole_container("f")});
    return pod;
}

TEST(PodSecuritySubject, ReadsWhatTheControlsNeed) {
    const PodSecuritySubject::Container container{
        .name = "i",
        .context = {.run_as_non_root = true,
                    .run_as_user = 7,
                    .seccomp_type = "Localhost",
                    .app_armor_type = "Unconfined",
                    .se_linux = PodSecuritySubject::SeLinuxOptions{.type = "t", .user = "u", .role = "r"},
                    .host_process = true},
        .privileged = true,
        .allow_privilege_escalation = false,
        .proc_mount = "Unmasked",
        .added_capabilities = {"NET_RAW"},
        .dropped_capabilities = {"ALL"},
        .host_ports = {81},
        .handler_hosts = {"l", "r", "s", "p", "q"}};
    PodSecuritySubject expected;
    expected.annotations = {{"seccomp.security.alpha.kubernetes.io/pod", "x"},
                            {"container.seccomp.security.alpha.kubernetes.io/a", "y"},
                            {"container.apparmor.security.beta.kubernetes.io/a", "z"}};
    expected.os = "linux";
    expected.host_network = expected.host_pid = expected.host_ipc = true;
    expected.host_users = false;
    expected.context = {.run_as_non_root = false,
                        .run_as_user = 0,
                        .seccomp_type = "",
                        .app_armor_type = "Localhost",
                        .se_linux = PodSecuritySubject::SeLinuxOptions{},
                        .host_process = true};
    expected.sysctls = {"s"};
    expected.volumes = {{.name = "v", .source = "hostPath", .host_path = true},
                        {.name = "w", .source = "secret"},
                        {.name = "x", .source = "emptyDir"},
                        {.name = "y", .source = "unknown"}};
    for (const char* name : {"i", "a", "e", "f"}) {
        expected.containers.push_back(container);
        expected.containers.back().name = name;
    }
    const auto read = parse_pod_security(whole_pod());
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, expected);
}

TEST(PodSecuritySubject, AddedEphemeralContainersAreAsIfTheyHadBeenThere) {
    json pod = whole_pod();
    const json added = std::exchange(pod["spec"]["ephemeralContainers"], nullptr);
    PodSecuritySubject subject = *parse_pod_security(pod);
    for (const json& container : added) add_ephemeral_container(subject, container);
    EXPECT_EQ(subject, *parse_pod_security(whole_pod()));
}

TEST(PodSecuritySubject, NullIsAbsent) {
    json pod = json::parse(R"({"metadata":{"annotations":null},"spec":{"os":null,"hostNetwork":null,"hostPID":null,
        "hostIPC":null,"hostUsers":null,"securityContext":null,"volumes":null,"initContainers":null,
        "ephemeralContainers":null,"containers":[{"name":"a","securityContext":null,"ports":null,"livenessProbe":null,
        "readinessProbe":{"httpGet":null},"startupProbe":null,"lifecycle":{"postStart":null,"preStop":null}}]}})");
    const json sparse = json::parse(R"({"spec":{"containers":[{"name":"a"}]}})");
    EXPECT_EQ(*parse_pod_security(pod), *parse_pod_security(sparse));
    pod["spec"]["containers"][0]["securityContext"] =
        json::parse(R"({"privileged":null,"allowPrivilegeEscalation":null,"procMount":null,"runAsNonRoot":null,
            "runAsUser":null,"capabilities":null,"seccompProfile":null,"appArmorProfile":null,"seLinuxOptions":null,
            "windowsOptions":null})");
    EXPECT_EQ(*parse_pod_security(pod), *parse_pod_security(sparse));
    EXPECT_EQ(*parse_pod_security(json()), PodSecuritySubject());
}

TEST(PodSecuritySubject, AWrongTypeIsAnErrorThatNamesTheField) {
    struct Row {
        const char* pointer;
        const char* value;
        const char* field;
    };
    const Row rows[] = {
        {"", "[]", "(root)"},
        {"/metadata", "1", "metadata"},
        {"/metadata/annotations", R"({"other":1})", "metadata.annotations.other"},
        {"/spec", R"("x")", "spec"},
        {"/spec/os", R"("windows")", "spec.os"},
        {"/spec/os/name", "1", "spec.os.name"},
        {"/spec/hostNetwork", R"("true")", "spec.hostNetwork"},
        {"/spec/hostPID", "1", "spec.hostPID"},
        {"/spec/hostIPC", "{}", "spec.hostIPC"},
        {"/spec/hostUsers", R"("false")", "spec.hostUsers"},
        {"/spec/securityContext", "[]", "spec.securityContext"},
        {"/spec/securityContext/runAsNonRoot", "1", "spec.securityContext.runAsNonRoot"},
        {"/spec/securityContext/runAsUser", R"("0")", "spec.securityContext.runAsUser"},
        {"/spec/securityContext/runAsUser", "0.0", "spec.securityContext.runAsUser"},
        {"/spec/securityContext/seccompProfile", R"("Unconfined")", "spec.securityContext.seccompProfile"},
        {"/spec/securityContext/seccompProfile/type", "1", "spec.securityContext.seccompProfile.type"},
        {"/spec/securityContext/appArmorProfile", "true", "spec.securityContext.appArmorProfile"},
        {"/spec/securityContext/seLinuxOptions", "[]", "spec.securityContext.seLinuxOptions"},
        {"/spec/securityContext/seLinuxOptions/type", "[]", "spec.securityContext.seLinuxOptions.type"},
        {"/spec/securityContext/seLinuxOptions/user", "1", "spec.securityContext.seLinuxOptions.user"},
        {"/spec/securityContext/seLinuxOptions/role", "1", "spec.securityContext.seLinuxOptions.role"},
        {"/spec/securityContext/windowsOptions", "true", "spec.securityContext.windowsOptions"},
        {"/spec/securityContext/windowsOptions/hostProcess", R"("true")",
         "spec.securityContext.windowsOptions.hostProcess"},
        {"/spec/securityContext/sysctls", "{}", "spec.securityContext.sysctls"},
        {"/spec/securityContext/sysctls/0", R"("kernel.msgmax")", "spec.securityContext.sysctls[0]"},
        {"/spec/securityContext/sysctls/0/name", "1", "spec.securityContext.sysctls[0].name"},
        {"/spec/volumes", "{}", "spec.volumes"},
        {"/spec/volumes/1", "null", "spec.volumes[1]"},
        {"/spec/volumes/0/hostPath", R"("/")", "spec.volumes[0].hostPath"},
        {"/spec/volumes/1/secret", "true", "spec.volumes[1].secret"},
        {"/spec/containers", "{}", "spec.containers"},
        {"/spec/containers/0", "1", "spec.containers[0]"},
        {"/spec/initContainers/0/name", "1", "spec.initContainers[0].name"},
        {"/spec/containers/0/securityContext", "1", "spec.containers[0].securityContext"},
        {"/spec/ephemeralContainers/1/securityContext/privileged", R"("true")",
         "spec.ephemeralContainers[1].securityContext.privileged"},
        {"/spec/containers/0/securityContext/allowPrivilegeEscalation", "0",
         "spec.containers[0].securityContext.allowPrivilegeEscalation"},
        {"/spec/containers/0/securityContext/procMount", "{}", "spec.containers[0].securityContext.procMount"},
        {"/spec/containers/0/securityContext/capabilities", "[]", "spec.containers[0].securityContext.capabilities"},
        {"/spec/containers/0/securityContext/capabilities/add", R"("ALL")",
         "spec.containers[0].securityContext.capabilities.add"},
        {"/spec/containers/0/securityContext/capabilities/drop/0", "1",
         "spec.containers[0].securityContext.capabilities.drop[0]"},
        {"/spec/containers/0/ports", "{}", "spec.containers[0].ports"},
        {"/spec/containers/0/ports/2/hostPort", R"("81")", "spec.containers[0].ports[2].hostPort"},
        {"/spec/containers/0/livenessProbe", "[]", "spec.containers[0].livenessProbe"},
        {"/spec/containers/0/readinessProbe/tcpSocket", "1", "spec.containers[0].readinessProbe.tcpSocket"},
        {"/spec/containers/0/startupProbe/httpGet/host", "1", "spec.containers[0].startupProbe.httpGet.host"},
        {"/spec/containers/0/lifecycle", "[]", "spec.containers[0].lifecycle"},
        {"/spec/containers/0/lifecycle/preStop", "1", "spec.containers[0].lifecycle.preStop"},
    };
    for (const Row& row : rows) {
        json pod = whole_pod();
        pod[json::json_pointer(row.pointer)] = json::parse(row.value);
        const auto read = parse_pod_security(pod);
        ASSERT_FALSE(read) << row.pointer;
        EXPECT_EQ(read.error().field, row.field);
    }
}

}  // namespace
}  // namespace endoscope::controller
