#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kube {

/// Standard base64 (RFC 4648 section 4, padded), as in Secrets and kubeconfigs.
std::string base64_encode(std::string_view bytes);
/// Nothing when `text` is not exactly valid; white space is not skipped.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace kube
