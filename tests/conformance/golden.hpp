#pragma once

#include "tests/conformance/script.hpp"

#include <string>

namespace endoscope::conformance {

/// JSON for people and for diffs: whatever fits a line of 118 columns is on one line.
std::string pretty(const json& value);

/// Compares a run with the golden transcript, both `{step: answer}`. "" when they agree; else one paragraph for each
/// step that does not. With `is_model`, the places that the script lists as different must differ, and nothing else.
std::string compare(const Script& script, const json& golden, const json& transcript, bool is_model);

}  // namespace endoscope::conformance
