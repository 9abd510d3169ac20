#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace endoscope::controller {

/// The debugging profiles of `kubectl debug`.
enum class Profile : std::uint8_t { restricted, baseline, general, netadmin, sysadmin };

std::string_view to_string(Profile profile);
std::optional<Profile> profile_from_string(std::string_view text);

/// The securityContext that the profile gives an ephemeral container, exactly as kubectl (1.36,
/// pkg/cmd/debug/profiles.go) does; null where it leaves the container without one.
nlohmann::json security_context(Profile profile);

}  // namespace endoscope::controller
