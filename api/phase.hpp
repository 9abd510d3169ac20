#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace endoscope::api {

/// Where a DebugRequest stands in its life (`status.phase`).
enum class Phase : std::uint8_t {
    pending,
    awaiting_approval,
    injecting,
    starting,
    running,
    succeeded,
    failed,
    denied,
    expired,
};

/// The word as written in the API, e.g. "AwaitingApproval".
std::string_view to_string(Phase phase);

/// The phase of that exact word, or nothing for any other text.
std::optional<Phase> phase_from_string(std::string_view text);

/// Whether the phase is never left again: Succeeded, Failed, Denied, Expired.
bool is_terminal(Phase phase);

/// Whether a request in this phase takes one of the places that `limits` counts: from the verdict on, until it ends.
bool holds_a_place(Phase phase);

}  // namespace endoscope::api
