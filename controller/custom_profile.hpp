#pragma once

#include "api/debug_policy.hpp"
#include "api/field_error.hpp"

#include <optional>

namespace endoscope::controller {

/// What is wrong with a custom profile, or nothing; the field is relative to the profile, e.g.
/// "securityContext.capabilities.add[0]". Refuses what the API server (validation.go, ValidateSecurityContext), the
/// kubelet or the container runtime would refuse only when somebody needs a shell: an administrator should hear of it
/// when the policy is written.
std::optional<api::FieldError> check_custom_profile(const api::CustomProfile& profile);

}  // namespace endoscope::controller
