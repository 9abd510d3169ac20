#pragma once

#include "controller/verdict.hpp"

#include <optional>

namespace endoscope::controller {

/// What this version of the operator cannot carry out although the rules allow it: requests with several possible
/// targets, kept output, and approvals. Such a request is denied, never half done. The offline command judges by the
/// rules alone and says this in a note.
std::optional<api::FieldError> not_yet(const api::DebugRequest& request);

/// The verdict as the operator carries it out: one that waits for an approval is a denial, and says so.
Verdict as_carried_out(Verdict verdict);

}  // namespace endoscope::controller
