#pragma once

#include "controller/seal.hpp"
#include "kube/base/clock.hpp"

#include <nlohmann/json_fwd.hpp>

#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// Name of the Secret, in the operator's own namespace.
inline constexpr std::string_view kSealSecret = "endoscope-seal-key";
/// Annotation: any new value asks for a new key.
inline constexpr std::string_view kRotateAnnotation = "endoscope.dev/rotate";
/// Annotation, the operator's own: the value of `kRotateAnnotation` that was last served.
inline constexpr std::string_view kRotatedAnnotation = "endoscope.dev/rotated";

/// What the Secret of the seal keys says. Its data: `current` and, during a rotation, `next` hold the ids of keys,
/// `key-<id>` the 32 bytes of each, `since-<id>` (RFC 3339) when the current key began and an old one ceased to seal.
struct SealSecret {
    SealKeyRing ring;
    std::string next;  ///< Id of the one among `ring.others` that is to seal next; empty: there is none.
    std::map<std::string, kube::WallTime, std::less<>> since;  ///< By id. One that cannot be read is not there.
    std::string rotate;                                        ///< Value of the annotation.
    std::string rotated;                                       ///< Likewise.
};

/// Reads the Secret; or why it cannot be understood, in words that follow its name, such as `has no data`.
std::expected<SealSecret, std::string> parse_seal_secret(const nlohmann::json& secret);

/// Writes what `content` says into a Secret as it was read, or into an empty object. What is not ours there stays.
void write_seal_secret(nlohmann::json& secret, const SealSecret& content);

}  // namespace endoscope::controller
