#include "tests/upstream/pod_generator.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <string_view>

namespace endoscope::test {
namespace {

using nlohmann::json;
using Words = std::initializer_list<std::string_view>;

constexpr std::string_view kContainerLists[] = {"initContainers", "containers", "ephemeralContainers"};

constexpr std::string_view kCapabilities[] = {
    "AUDIT_WRITE", "CHOWN",    "DAC_OVERRIDE",     "FOWNER",    "FSETID", "KILL",      "MKNOD",      "NET_BIND_SERVICE",
    "SETFCAP",     "SETGID",   "SETPCAP",          "SETUID",    "ALL",    "NET_ADMIN", "SYS_PTRACE", "NET_RAW",
    "SYS_CHROOT",  "CAP_KILL", "net_bind_service", "CAP_CHOWN", "",       "SYS_ADMIN", "all",        "\xc3\xa9\"\\",
};

constexpr std::string_view kVolumeSources[] = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "hostPath",
    "nfs",
    "iscsi",
    "rbd",
    "gcePersistentDisk",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "azureDisk",
    "awsElasticBlockStore",
    "quobyte",
    "glusterfs",
    "photonPersistentDisk",
    "scaleIO",
    "storageos",
    "flexVolume",
    "vsphereVolume",
    "gitRepo",
    "portworxVolume",
    "aSourceOfTheFuture",
};

json& any_container(Dice& dice, json& pod) {
    while (true) {
        json& list = pod["spec"][kContainerLists[dice.below(std::size(kContainerLists))]];
        if (!list.empty()) return list[dice.below(list.size())];
    }
}

/// The securityContext of the Pod or of one of its containers.
json& any_context(Dice& dice, json& pod) {
    return dice.one_in(3) ? pod["spec"]["securityContext"] : any_container(dice, pod)["securityContext"];
}

void add_capability(Dice& dice, json& context) {
    json& list = context["capabilities"][dice.one_in(3) ? "drop" : "add"];
    if (list.is_array() && dice.one_in(4)) list.clear();
    list.push_back(kCapabilities[dice.below(std::size(kCapabilities))]);
}

json volume(Dice& dice, std::size_t number) {
    json result = {{"name", "v" + std::to_string(number)}};
    json source = json::object();
    const std::string_view kind = kVolumeSources[dice.below(std::size(kVolumeSources))];
    if (kind == "hostPath") source["path"] = "/";
    result[kind] = std::move(source);
    return result;
}

void add_volumes(Dice& dice, json& spec) {
    json& volumes = spec["volumes"];
    do volumes.push_back(volume(dice, volumes.size()));
    while (dice.one_in(2));
}

void set_profile_type(Dice& dice, json& context) {
    json& profile = context[dice.one_in(2) ? "seccompProfile" : "appArmorProfile"];
    if (dice.one_in(6)) {
        profile = dice.one_in(2) ? json(nullptr) : json::object();
        return;
    }
    profile["type"] = dice.any_of({"RuntimeDefault", "Localhost", "Unconfined", "", "unconfined", "\"quoted\\\""});
}

void set_selinux(Dice& dice, json& context) {
    json& options = context["seLinuxOptions"];
    options["type"] = dice.any_of(
        {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "container_T"});
    if (dice.one_in(3)) options["user"] = dice.any_of({"", "system_u"});
    if (dice.one_in(3)) options["role"] = dice.any_of({"", "system_r"});
    options["level"] = "s0";
}

void add_sysctls(Dice& dice, json& spec) {
    json& sysctls = spec["securityContext"]["sysctls"];
    do {
        std::string_view name =
            dice.any_of({"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
                         "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
                         "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
                         "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
                         "net.ipv4.tcp_wmem", "kernel.msgmax", "", "net/ipv4/tcp_rmem", "net.ipv4.TCP_RMEM"});
        const std::vector<std::string> newest = sysctls_of_1_37();
        if (dice.one_in(20)) name = newest[dice.below(newest.size())];
        sysctls.push_back({{"name", name}, {"value", "1"}});
    } while (dice.one_in(2));
}

void add_annotation(Dice& dice, json& pod) {
    std::string key(
        dice.any_of({"container.apparmor.security.beta.kubernetes.io/",
                     "container.seccomp.security.alpha.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/pod",
                     "seccomp.security.alpha.kubernetes.io/", "apparmor.security.beta.kubernetes.io/"}));
    if (key.ends_with('/')) {
        key += dice.one_in(6) ? "nobody" : any_container(dice, pod)["name"].get<std::string>();
    }
    pod["metadata"]["annotations"][key] =
        dice.any_of({"", "runtime/default", "docker/default", "localhost/x", "localhost/", "unconfined", "localhost",
                     "Runtime/default", "a \"b\"\\\t\xc3\xa9\xe2\x80\xa8\x01<&>"});
}

void add_handler(Dice& dice, json& container) {
    json& handler = dice.one_in(2) ? container["lifecycle"][dice.any_of({"postStart", "preStop"})]
                                   : container[dice.any_of({"livenessProbe", "readinessProbe", "startupProbe"})];
    const std::string_view action = dice.any_of({"httpGet", "tcpSocket", "httpGet", "exec", "grpc", "sleep"});
    if (action == "exec") {
        handler[action]["command"] = {"true"};
    } else if (action == "grpc") {
        handler[action]["port"] = 80;
    } else if (action == "sleep") {
        handler[action]["seconds"] = 1;
    } else {
        handler[action]["port"] = 80;
        if (!dice.one_in(4)) handler[action]["host"] = dice.any_of({"", "127.0.0.1", "10.0.0.1", "example.com", "::1"});
    }
}

void add_port(Dice& dice, json& container) {
    json port = {{"containerPort", 80}};
    if (!dice.one_in(4)) port["hostPort"] = dice.one_in(3) ? 0U : 8000U + dice.below(3);
    container["ports"].push_back(std::move(port));
}

void set_number_or_flag(Dice& dice, json& pod) {
    json& spec = pod["spec"];
    const auto flag = [&]() -> json { return dice.one_in(8) ? json(nullptr) : json(dice.one_in(2)); };
    switch (dice.below(10)) {
        case 0:
            spec[dice.any_of({"hostPID", "hostNetwork", "hostIPC"})] = flag();
            break;
        case 1:
        case 2:
            spec["hostUsers"] = flag();
            break;
        case 3:
            any_container(dice, pod)["securityContext"]["privileged"] = flag();
            break;
        case 4:
            any_container(dice, pod)["securityContext"]["allowPrivilegeEscalation"] = flag();
            break;
        case 5:
        case 6:
            any_context(dice, pod)["runAsNonRoot"] = flag();
            break;
        case 7:
        case 8:
            any_context(dice, pod)["runAsUser"] = dice.one_in(2)   ? json(0)
                                                  : dice.one_in(4) ? json(nullptr)
                                                                   : json(1000);
            break;
        default:
            any_context(dice, pod)["windowsOptions"]["hostProcess"] = flag();
            break;
    }
}

/// Takes something away that `restricted` asks for.
void remove_something(Dice& dice, json& pod) {
    json& context = any_context(dice, pod);
    if (context.is_null()) return;
    if (dice.one_in(4)) {
        context = dice.one_in(2) ? json(nullptr) : json::object();
    } else {
        context.erase(std::string(
            dice.any_of({"allowPrivilegeEscalation", "capabilities", "runAsNonRoot", "runAsUser", "seccompProfile"})));
    }
}

void deviate(Dice& dice, json& pod) {
    switch (dice.below(14)) {
        case 0:
            add_capability(dice, any_container(dice, pod)["securityContext"]);
            break;
        case 1:
            add_volumes(dice, pod["spec"]);
            break;
        case 2:
        case 3:
            set_profile_type(dice, any_context(dice, pod));
            break;
        case 4:
            set_selinux(dice, any_context(dice, pod));
            break;
        case 5:
            add_sysctls(dice, pod["spec"]);
            break;
        case 6:
            add_annotation(dice, pod);
            break;
        case 7:
            add_handler(dice, any_container(dice, pod));
            break;
        case 8:
            add_port(dice, any_container(dice, pod));
            break;
        case 9:
            any_container(dice, pod)["securityContext"]["procMount"] =
                dice.any_of({"Default", "Unmasked", "", "default"});
            break;
        case 10:
            remove_something(dice, pod);
            break;
        case 11:
            pod["spec"]["os"] = {{"name", dice.any_of({"windows", "linux", "Windows"})}};
            break;
        default:
            set_number_or_flag(dice, pod);
            break;
    }
}

/// What `restricted` wants in two places: it may stand in the Pod, in each container, or in both.
void add_required(Dice& dice, json& pod) {
    const bool non_root_in_pod = dice.one_in(2);
    const bool seccomp_in_pod = dice.one_in(2);
    json& context = pod["spec"]["securityContext"];
    if (non_root_in_pod) context["runAsNonRoot"] = true;
    if (seccomp_in_pod) context["seccompProfile"] = {{"type", "RuntimeDefault"}};
    for (const std::string_view list : kContainerLists) {
        for (json& container : pod["spec"][list]) {
            json& own = container["securityContext"];
            own["allowPrivilegeEscalation"] = false;
            own["capabilities"]["drop"] = {"ALL"};
            if (dice.one_in(5)) own["capabilities"]["add"] = {"NET_BIND_SERVICE"};
            if (!non_root_in_pod || dice.one_in(3)) own["runAsNonRoot"] = true;
            if (!seccomp_in_pod || dice.one_in(3)) own["seccompProfile"] = {{"type", "RuntimeDefault"}};
        }
    }
}

}  // namespace

std::vector<std::string> sysctls_of_1_37() {
    return {"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"};
}

json random_pod(Dice& dice, std::size_t deviations) {
    json pod = {{"metadata", {{"name", "web"}, {"namespace", "production"}, {"uid", "u"}}},
                {"spec", {{"nodeName", "node-1"}}},
                {"status", {{"phase", "Running"}}}};
    std::size_t number = 0;
    for (const std::string_view list : kContainerLists) {
        json& containers = pod["spec"][list] = json::array();
        const std::size_t least = list == "containers" ? 1 : 0;
        for (std::size_t count = least + dice.below(3); count > 0; --count) {
            containers.push_back({{"name", "c" + std::to_string(number++)}, {"image", "busybox"}});
        }
    }
    add_required(dice, pod);
    for (std::size_t count = dice.below(deviations + 1); count > 0; --count) deviate(dice, pod);
    return pod;
}

}  // namespace endoscope::test
