#pragma once

#include "api/debug_request.hpp"

#include <nlohmann/json_fwd.hpp>

namespace endoscope::api {

/// Reads a status. What is not as this project writes it is left out: a status is a record, never an input.
DebugRequestStatus parse_status(const nlohmann::json& status);

}  // namespace endoscope::api
