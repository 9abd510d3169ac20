#pragma once

#include "api/debug_request.hpp"

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <string>

namespace endoscope::controller {

/// What the cache keeps of a DebugRequest. No JSON tree; the text needed to check the seal only while the request is
/// not finished.
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
    std::string sealed_text;  ///< metadata and spec as compact JSON, for `check_identity`.

    std::string key() const { return ns + "/" + name; }
};

StoredRequest project_request(const nlohmann::json& object);

}  // namespace endoscope::controller
