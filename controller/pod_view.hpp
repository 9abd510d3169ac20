#pragma once

#include "api/field_error.hpp"
#include "api/label_selector.hpp"
#include "controller/pod_security_subject.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::controller {

/// What Endoscope looks at of a Pod. Absent strings are empty.
struct PodView {
    enum class ContainerKind : std::uint8_t { regular, init };

    /// A container or init container of the spec.
    struct Container {
        std::string name;
        ContainerKind kind = ContainerKind::regular;
        bool privileged = false;
        std::optional<std::int64_t> run_as_user;
        std::optional<std::int64_t> run_as_group;
    };

    /// An ephemeral container of the spec.
    struct EphemeralContainer {
        std::string name;
        std::string image;
        std::string target_container;  ///< `targetContainerName`.
        std::string request;           ///< Value of the environment variable ENDOSCOPE_REQUEST.
        std::string json;              ///< The whole entry as compact JSON with sorted keys, for comparison.
    };

    enum class State : std::uint8_t { unknown, waiting, running, terminated };

    /// An entry of `status.ephemeralContainerStatuses`.
    struct EphemeralStatus {
        std::string name;
        State state = State::unknown;
        std::string reason;
        std::string message;
        std::int64_t exit_code = 0;  ///< Of `terminated`.
        std::string started_at;      ///< RFC 3339.
        std::string finished_at;     ///< RFC 3339.
        std::string image_id;
        /// How often the kubelet had to start it anew because its runtime had lost it. No other end is followed by a
        /// start.
        std::int64_t restart_count = 0;
    };

    std::string namespace_name;
    std::string name;
    std::string uid;
    std::string resource_version;
    api::Labels labels;
    std::string created_at;   ///< RFC 3339.
    std::string owner_group;  ///< API group of the ownerReference that is the controller; empty for the core group.
    std::string owner_kind;   ///< Of the same.
    std::string owner_name;   ///< Of the same.
    bool deleting = false;    ///< Has a deletionTimestamp.
    std::string default_container;  ///< Annotation kubectl.kubernetes.io/default-container.
    bool is_static = false;         ///< A mirror Pod, or one whose kubernetes.io/config.source is not "api".
    bool is_windows = false;        ///< By spec.os.name or node selector.
    std::string node_name;
    std::string service_account = "default";
    bool host_pid = false;
    bool host_network = false;
    bool host_ipc = false;
    std::optional<std::int64_t> run_as_user;   ///< Of the Pod's own securityContext.
    std::optional<std::int64_t> run_as_group;  ///< Of the Pod's own securityContext.
    std::optional<bool> run_as_non_root;       ///< Of the Pod's own securityContext.
    std::vector<Container> containers;         ///< Regular ones first, in the order of the spec, then init containers.
    std::vector<EphemeralContainer> ephemeral_containers;
    std::string phase;
    bool is_ready = false;                            ///< Condition Ready is True.
    std::string reason;                               ///< `status.reason`, e.g. "Evicted" or "NodeLost".
    std::vector<EphemeralStatus> ephemeral_statuses;  ///< In no order that means anything: join by name.

    /// What Pod Security Standards look at; shared, since a Pod is copied more often than judged.
    std::shared_ptr<const PodSecuritySubject> security;

    /// The container that a debugger joins when the request names none: the annotated one if it exists, else the first
    /// regular one (as kubectl does). Nullptr for a Pod without containers.
    const Container* default_target() const;

    /// The regular or init container of that name, or nullptr.
    const Container* find_container(std::string_view container_name) const;
    const EphemeralContainer* find_ephemeral(std::string_view container_name) const;
    const EphemeralStatus* find_ephemeral_status(std::string_view container_name) const;
};

/// Projects a Pod. Null is the same as absent and unknown fields are skipped, but a wrong type in a field that is read
/// is an error: a Pod that cannot be read must not pass for a harmless one. Never throws.
std::expected<PodView, api::FieldError> parse_pod(const nlohmann::json& pod);

}  // namespace endoscope::controller
