#include "controller/pod_security_subject.hpp"

#include "api/json_reader.hpp"
#include "controller/pod_security_checks.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace endoscope::controller {
namespace {

using api::JsonReader;

/// Every field of core/v1 VolumeSource, in the order in which upstream's `restricted` looks at them: those that it
/// allows come first, so that they decide if there are several.
constexpr std::array<std::string_view, 30> kVolumeSources = {
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
    "gcePersistentDisk",
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
    "storageos",
};

/// The `type` of a profile that may be absent.
std::optional<std::string> read_profile_type(JsonReader& reader, std::string_view key) {
    if (!reader.has(key)) return std::nullopt;
    return reader.object(key).text("type");
}

PodSecuritySubject::SecurityContext read_context(JsonReader& reader) {
    PodSecuritySubject::SecurityContext context;
    context.run_as_non_root = reader.boolean("runAsNonRoot");
    context.run_as_user = reader.integer("runAsUser");
    context.seccomp_type = read_profile_type(reader, "seccompProfile");
    context.app_armor_type = read_profile_type(reader, "appArmorProfile");
    if (reader.has("seLinuxOptions")) {
        JsonReader options = reader.object("seLinuxOptions");
        context.se_linux = {.type = options.text("type"), .user = options.text("user"), .role = options.text("role")};
    }
    context.host_process = reader.object("windowsOptions").boolean("hostProcess").value_or(false);
    return context;
}

void read_handler(JsonReader handler, std::vector<std::string>& hosts) {
    for (const std::string_view action : {"httpGet", "tcpSocket"}) {
        std::string host = handler.object(action).text("host");
        if (!host.empty()) hosts.push_back(std::move(host));
    }
}

PodSecuritySubject::Container read_container(JsonReader& reader) {
    PodSecuritySubject::Container container;
    container.name = reader.text("name");
    JsonReader security = reader.object("securityContext");
    container.context = read_context(security);
    container.privileged = security.boolean("privileged").value_or(false);
    container.allow_privilege_escalation = security.boolean("allowPrivilegeEscalation");
    container.proc_mount = security.optional_text("procMount");
    JsonReader capabilities = security.object("capabilities");
    container.added_capabilities = capabilities.texts("add");
    container.dropped_capabilities = capabilities.texts("drop");
    reader.objects("ports", [&](JsonReader& port) {
        const std::int64_t host_port = port.integer("hostPort").value_or(0);
        if (host_port != 0) container.host_ports.push_back(host_port);
    });
    for (const std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
        read_handler(reader.object(probe), container.handler_hosts);
    }
    JsonReader lifecycle = reader.object("lifecycle");
    for (const std::string_view event : {"postStart", "preStop"}) {
        read_handler(lifecycle.object(event), container.handler_hosts);
    }
    return container;
}

PodSecuritySubject::Volume read_volume(JsonReader& reader) {
    PodSecuritySubject::Volume volume{.name = reader.text("name"), .source = {}, .host_path = reader.has("hostPath")};
    for (const std::string_view source : kVolumeSources) {
        if (!reader.has(source)) continue;
        reader.object(source);  // For its type only: what is no object is an error.
        if (volume.source.empty()) volume.source = source;
    }
    return volume;
}

/// The source of a volume that has none of those that are known. The API server makes one with nothing but a name an
/// emptyDir; anything else is a kind of volume that is newer than this list.
std::string_view source_without_known(const nlohmann::json& volume) {
    const auto fields = volume.items();
    const bool only_name = std::all_of(fields.begin(), fields.end(), [](const auto& field) {
        return field.key() == "name" || field.value().is_null();
    });
    return only_name ? "emptyDir" : "unknown";
}

}  // namespace

std::expected<PodSecuritySubject, api::FieldError> parse_pod_security(const nlohmann::json& pod) {
    std::optional<api::FieldError> error;
    JsonReader reader(&pod, "", error);
    PodSecuritySubject subject;
    subject.annotations = reader.object("metadata").text_map("annotations");
    std::erase_if(subject.annotations, [](const auto& entry) { return !names_profile(entry.first); });
    JsonReader spec = reader.object("spec");
    subject.os = spec.object("os").text("name");
    subject.host_network = spec.boolean("hostNetwork").value_or(false);
    subject.host_pid = spec.boolean("hostPID").value_or(false);
    subject.host_ipc = spec.boolean("hostIPC").value_or(false);
    subject.host_users = spec.boolean("hostUsers");
    JsonReader security = spec.object("securityContext");
    subject.context = read_context(security);
    security.objects("sysctls", [&](JsonReader& sysctl) { subject.sysctls.push_back(sysctl.text("name")); });
    spec.objects("volumes", [&](JsonReader& volume) { subject.volumes.push_back(read_volume(volume)); });
    for (const std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
        spec.objects(list, [&](JsonReader& entry) { subject.containers.push_back(read_container(entry)); });
    }
    if (error) return std::unexpected(*std::move(error));
    for (std::size_t i = 0; i < subject.volumes.size(); ++i) {
        std::string& source = subject.volumes[i].source;
        if (source.empty()) source = source_without_known(pod.at("spec").at("volumes")[i]);
    }
    return subject;
}

void add_ephemeral_container(PodSecuritySubject& pod, const nlohmann::json& container) {
    std::optional<api::FieldError> error;
    // The reader takes null for an empty object, but a list of containers has no place for one.
    if (container.is_null()) error = api::FieldError{"(root)", "must be an object"};
    JsonReader reader(&container, "", error);
    pod.containers.push_back(read_container(reader));
    if (error && !pod.unreadable) pod.unreadable = *std::move(error);
}

}  // namespace endoscope::controller
