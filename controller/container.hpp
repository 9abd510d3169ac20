#pragma once

#include "api/debug_request.hpp"
#include "api/security_context.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace endoscope::controller {

/// What the verdict decided about the container to inject.
struct ContainerPlan {
    std::string name;
    std::string image;        ///< Canonical reference.
    bool has_digest = false;  ///< Whether `image` carries a digest.
    std::string target_container;
    std::string profile;                    ///< Its name, for the record.
    api::SecurityContext security_context;  ///< The profile's, with the user and group of `runAs`.

    bool operator==(const ContainerPlan&) const = default;
};

/// Digest of what a request asks for, without who asked and when: SHA-256, 64 lower-case hex digits, of the compact
/// JSON of `api::to_json(spec)` without `requester`. A spec with its defaults written out has the same digest as
/// without.
std::string spec_digest(const api::DebugRequestSpec& spec);

/// The default name of the container: "dbg-" and the first 10 characters of the base32 form (RFC 4648, lower case) of
///     SHA-256(namespace NUL name NUL spec_digest NUL pod_uid)
/// where NUL is one zero byte, which none of the four can contain. It depends on nothing else, so that a request that
/// was deleted and created again, or seen again after a restart, finds its container.
std::string container_name(std::string_view namespace_name, std::string_view name, std::string_view digest,
                           std::string_view pod_uid);

/// The name that the request's container gets in that Pod: `spec.containerName`, else the default one.
std::string container_name(const api::DebugRequest& request, std::string_view pod_uid);

/// The entry for `spec.ephemeralContainers`, complete but for what the API server fills in. Two calls with equal
/// arguments give equal JSON, so that sending it twice adds nothing.
nlohmann::json build_ephemeral_container(const api::DebugRequest& request, const ContainerPlan& plan);

}  // namespace endoscope::controller
