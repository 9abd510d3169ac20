#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace model {

/// RFC 4648 with padding.
std::string base64_encode(std::string_view bytes);
/// Line breaks are skipped; anything else that is not base64 is nothing.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace model
