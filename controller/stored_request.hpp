#pragma once

#include "api/debug_request.hpp"

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <string>

namespace endoscope::controller {

/// A DebugRequest as it was last seen.
struct StoredRequest {
    std::string ns;
    std::string name;
    std::string uid;
    std::string resource_version;
    bool deleting = false;
    /// The recorded phase, Pending when there is none. Read apart from `parsed`, so that a denial stays on record for a
    /// spec that cannot be read.
    api::Phase phase = api::Phase::pending;
    /// The object, or why its spec cannot be read (then the request is denied, never guessed at).
    std::expected<api::DebugRequest, api::FieldError> parsed;
    std::string text;  ///< metadata, spec and status as compact JSON, for `check_identity`.

    std::string key() const { return ns + "/" + name; }
};

/// What the cache keeps of a DebugRequest: what is asked about all of them, and the rest as text, which takes a third
/// of what the read object does.
struct CachedRequest {
    std::string ns;
    std::string name;
    std::string uid;
    bool deleting = false;
    bool is_readable = false;  ///< Its spec can be read.
    bool has_targets = false;  ///< `status.targets` is not empty.
    api::Phase phase = api::Phase::pending;
    std::string subject;  ///< User name, see `subject_name`.
    std::string pod;
    std::string container;  ///< `spec.target.container`.
    /// metadata, spec and status as compact JSON. The status of a request that is over keeps its generation, phase,
    /// reason and message only; Expired is whole, as its container may still have to be followed.
    std::string text;

    std::string key() const { return ns + "/" + name; }
};

CachedRequest cache_request(const nlohmann::json& object);
StoredRequest read_request(const CachedRequest& cached);

/// Whether that status is on record. Of a request that is over (see `CachedRequest::text`) only what is kept counts.
bool is_recorded(const StoredRequest& stored, const api::DebugRequestStatus& status);

}  // namespace endoscope::controller
