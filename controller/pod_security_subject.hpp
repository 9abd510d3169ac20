#pragma once

#include "api/field_error.hpp"
#include "api/label_selector.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::controller {

/// What the Pod Security Standards look at in a Pod, and nothing else. The difference between a field that is absent
/// and one that is empty is kept where a control makes it.
struct PodSecuritySubject {
    struct SeLinuxOptions {
        std::string type;
        std::string user;
        std::string role;

        bool operator==(const SeLinuxOptions&) const = default;
    };

    /// What spec.securityContext and the securityContext of a container have in common.
    struct SecurityContext {
        std::optional<bool> run_as_non_root;
        std::optional<std::int64_t> run_as_user;
        std::optional<std::string> seccomp_type;  ///< Set, if only to "", where there is a seccompProfile.
        std::optional<std::string> app_armor_type;
        std::optional<SeLinuxOptions> se_linux;
        bool host_process = false;  ///< windowsOptions.hostProcess

        bool operator==(const SecurityContext&) const = default;
    };

    struct Container {
        std::string name;
        SecurityContext context;
        bool privileged = false;
        std::optional<bool> allow_privilege_escalation;
        std::optional<std::string> proc_mount;
        std::vector<std::string> added_capabilities;
        std::vector<std::string> dropped_capabilities;
        std::vector<std::int64_t> host_ports;    ///< Without the zeros, which stand for none.
        std::vector<std::string> handler_hosts;  ///< Of probes and lifecycle handlers, without the empty ones.

        bool operator==(const Container&) const = default;
    };

    struct Volume {
        std::string name;
        /// The field of core/v1 VolumeSource that is set; "unknown" for one that is newer than this version, "emptyDir"
        /// if there is nothing but a name, as the API server has it. Where an object that no API server would store has
        /// several, the one that upstream's `restricted` decides by.
        std::string source;
        bool host_path = false;  ///< Whether hostPath is among them.

        bool operator==(const Volume&) const = default;
    };

    api::Labels annotations;  ///< Those that name a seccomp or AppArmor profile.
    std::string os;           ///< spec.os.name
    bool host_network = false;
    bool host_pid = false;
    bool host_ipc = false;
    std::optional<bool> host_users;
    SecurityContext context;
    std::vector<std::string> sysctls;
    std::vector<Volume> volumes;
    /// Init containers, containers, ephemeral containers, each in the order of the Pod. Upstream's messages name them
    /// in this order.
    std::vector<Container> containers;
    /// Why an ephemeral container could not be added as it is. Such a Pod complies with nothing but `privileged`.
    std::optional<api::FieldError> unreadable;

    bool operator==(const PodSecuritySubject&) const = default;
};

/// Null is the same as absent and unknown fields are skipped; a field that is read and has the wrong type is an error.
/// Never throws.
std::expected<PodSecuritySubject, api::FieldError> parse_pod_security(const nlohmann::json& pod);

/// Adds one ephemeral container, given as the entry of spec.ephemeralContainers. If a field of it has the wrong type,
/// the first such field is kept in `unreadable`, and the Pod is refused.
void add_ephemeral_container(PodSecuritySubject& pod, const nlohmann::json& container);

}  // namespace endoscope::controller
