#pragma once

#include "api/security_context.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace endoscope::controller {

/// The debugging profiles of `kubectl debug`, the safest first. `restricted` is what a request gets that names none.
inline constexpr std::array<std::string_view, 5> kBuiltinProfiles = {"restricted", "baseline", "general", "netadmin",
                                                                     "sysadmin"};

/// The security context that the profile of that name gives an ephemeral container, exactly as kubectl (1.36,
/// pkg/cmd/debug/profiles.go) does: an empty one where it leaves the container without. Nothing for other names.
std::optional<api::SecurityContext> builtin_profile(std::string_view name);

}  // namespace endoscope::controller
