#pragma once

#include "api/debug_request.hpp"
#include "api/timestamp.hpp"

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace endoscope::controller {

/// A DebugRequest as it was last seen.
struct StoredRequest {
    std::string ns;
    std::string name;
    std::string uid;
    std::string resource_version;
    bool deleting = false;
    bool has_finalizer = false;  ///< `api::kFinalizer`, also where the spec cannot be read.
    /// All of them, also where the spec cannot be read: such a request has to be let go as well.
    std::vector<std::string> finalizers;
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
    bool has_finalizer = false;  ///< `api::kFinalizer`.
    bool is_readable = false;    ///< Its spec can be read.
    bool has_targets = false;    ///< `status.targets` is not empty.
    api::Phase phase = api::Phase::pending;
    std::optional<api::TimePoint> removable_since;  ///< See the function of that name in retention.hpp.
    std::string subject;                            ///< User name, see `subject_name`.
    std::string pods;       ///< The Pods on record or, where there are none, the one of the spec; with commas between.
    std::string container;  ///< `spec.target.container`.
    /// metadata, spec and status as compact JSON. The status of a request that is over keeps its generation, phase,
    /// reason and message only; it is whole where something is still to be done: Expired, or with a container that
    /// still runs, and a request with `api::kFinalizer`.
    std::string text;

    std::string key() const { return ns + "/" + name; }
    std::vector<std::string> pod_names() const;
};

CachedRequest cache_request(const nlohmann::json& object);
StoredRequest read_request(const CachedRequest& cached);

/// Whether that status is on record. Of a request that is over (see `CachedRequest::text`) only what is kept counts.
bool is_recorded(const StoredRequest& stored, const api::DebugRequestStatus& status);

}  // namespace endoscope::controller
