#pragma once

#include "controller/verdict.hpp"

namespace endoscope::controller {

/// The verdict as this version of the operator carries it out: it takes no approvals yet, so one that waits for an
/// approval is a denial, and says so. The offline command judges by the rules alone.
Verdict as_carried_out(Verdict verdict);

}  // namespace endoscope::controller
