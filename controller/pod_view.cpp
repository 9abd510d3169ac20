#include "controller/pod_view.hpp"

#include "api/debug_request.hpp"
#include "api/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace endoscope::controller {
namespace {

using api::JsonReader;
using nlohmann::json;

PodView::Container read_container(JsonReader& reader, PodView::ContainerKind kind) {
    JsonReader security = reader.object("securityContext");
    return {.name = reader.text("name"),
            .kind = kind,
            .privileged = security.boolean("privileged").value_or(false),
            .run_as_user = security.integer("runAsUser"),
            .run_as_group = security.integer("runAsGroup")};
}

PodView::EphemeralContainer read_ephemeral(JsonReader& reader) {
    PodView::EphemeralContainer container{.name = reader.text("name"),
                                          .image = reader.text("image"),
                                          .target_container = reader.text("targetContainerName"),
                                          .request = {},
                                          .json = {}};
    reader.objects("env", [&](JsonReader& variable) {
        if (variable.text("name") == api::kRequestEnv) container.request = variable.text("value");
    });
    return container;
}

PodView::EphemeralStatus read_ephemeral_status(JsonReader& reader) {
    PodView::EphemeralStatus status;
    status.name = reader.text("name");
    status.image_id = reader.text("imageID");
    status.restart_count = reader.integer("restartCount").value_or(0);
    JsonReader state = reader.object("state");
    const auto take = [&](std::string_view key, PodView::State kind) {
        if (!state.has(key)) return;
        JsonReader detail = state.object(key);
        status.state = kind;
        status.reason = detail.text("reason");
        status.message = detail.text("message");
        status.exit_code = detail.integer("exitCode").value_or(0);
        status.started_at = detail.text("startedAt");
        status.finished_at = detail.text("finishedAt");
    };
    // One of the three is set. Were it more, the one that says most about the end counts.
    take("waiting", PodView::State::waiting);
    take("running", PodView::State::running);
    take("terminated", PodView::State::terminated);
    return status;
}

void read_metadata(JsonReader metadata, PodView& pod) {
    pod.namespace_name = metadata.text("namespace");
    pod.name = metadata.text("name");
    pod.uid = metadata.text("uid");
    pod.resource_version = metadata.text("resourceVersion");
    pod.labels = metadata.text_map("labels");
    pod.created_at = metadata.text("creationTimestamp");
    metadata.objects("ownerReferences", [&](JsonReader& owner) {
        if (!owner.boolean("controller").value_or(false)) return;
        const std::string version = owner.text("apiVersion");
        const std::size_t slash = version.find('/');
        pod.owner_group = slash == std::string::npos ? std::string() : version.substr(0, slash);
        pod.owner_kind = owner.text("kind");
        pod.owner_name = owner.text("name");
    });
    pod.deleting = metadata.has("deletionTimestamp");
    JsonReader annotations = metadata.object("annotations");
    pod.default_container = annotations.text("kubectl.kubernetes.io/default-container");
    const std::string source = annotations.text("kubernetes.io/config.source");
    pod.is_static = annotations.has("kubernetes.io/config.mirror") || (!source.empty() && source != "api");
}

void read_spec(JsonReader spec, PodView& pod) {
    pod.node_name = spec.text("nodeName");
    const std::string account = spec.text("serviceAccountName");
    if (!account.empty()) pod.service_account = account;
    pod.host_pid = spec.boolean("hostPID").value_or(false);
    pod.host_network = spec.boolean("hostNetwork").value_or(false);
    pod.host_ipc = spec.boolean("hostIPC").value_or(false);
    constexpr std::string_view kWindows = "windows";
    pod.is_windows =
        spec.object("os").text("name") == kWindows || spec.object("nodeSelector").text("kubernetes.io/os") == kWindows;
    JsonReader security = spec.object("securityContext");
    pod.run_as_user = security.integer("runAsUser");
    pod.run_as_group = security.integer("runAsGroup");
    pod.run_as_non_root = security.boolean("runAsNonRoot");
    spec.objects("containers", [&](JsonReader& container) {
        pod.containers.push_back(read_container(container, PodView::ContainerKind::regular));
    });
    spec.objects("initContainers", [&](JsonReader& container) {
        pod.containers.push_back(read_container(container, PodView::ContainerKind::init));
    });
    spec.objects("ephemeralContainers",
                 [&](JsonReader& container) { pod.ephemeral_containers.push_back(read_ephemeral(container)); });
}

void read_status(JsonReader status, PodView& pod) {
    pod.phase = status.text("phase");
    pod.reason = status.text("reason");
    status.objects("conditions", [&](JsonReader& condition) {
        if (condition.text("type") == "Ready") pod.is_ready = condition.text("status") == "True";
    });
    status.objects("ephemeralContainerStatuses",
                   [&](JsonReader& entry) { pod.ephemeral_statuses.push_back(read_ephemeral_status(entry)); });
}

/// Of a list of things with a name, the one with that name.
template <class List>
auto find_named(const List& list, std::string_view name) -> const typename List::value_type* {
    const auto found = std::ranges::find_if(list, [&](const auto& entry) { return entry.name == name; });
    return found == list.end() ? nullptr : &*found;
}

}  // namespace

const PodView::Container* PodView::default_target() const {
    if (!default_container.empty()) return find_container(default_container);
    return containers.empty() || containers.front().kind != ContainerKind::regular ? nullptr : &containers.front();
}

const PodView::Container* PodView::find_container(std::string_view container_name) const {
    return find_named(containers, container_name);
}

const PodView::EphemeralContainer* PodView::find_ephemeral(std::string_view container_name) const {
    return find_named(ephemeral_containers, container_name);
}

const PodView::EphemeralStatus* PodView::find_ephemeral_status(std::string_view container_name) const {
    return find_named(ephemeral_statuses, container_name);
}

std::expected<PodView, api::FieldError> parse_pod(const json& object) {
    std::optional<api::FieldError> error;
    JsonReader reader(&object, "", error);
    PodView pod;
    read_metadata(reader.object("metadata"), pod);
    read_spec(reader.object("spec"), pod);
    read_status(reader.object("status"), pod);
    if (error) return std::unexpected(*std::move(error));
    auto security = parse_pod_security(object);
    if (!security) return std::unexpected(std::move(security.error()));
    pod.security = std::make_shared<const PodSecuritySubject>(*std::move(security));
    if (!pod.ephemeral_containers.empty()) {
        const json& list = object.at("spec").at("ephemeralContainers");
        for (std::size_t i = 0; i < list.size(); ++i) {
            // `replace`: text that is not UTF-8 must not throw, and compares well enough when it is replaced.
            pod.ephemeral_containers[i].json = list[i].dump(-1, ' ', false, json::error_handler_t::replace);
        }
    }
    return pod;
}

}  // namespace endoscope::controller
