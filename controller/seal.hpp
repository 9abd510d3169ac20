#pragma once

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::controller {

/// The seal: a keyed digest by which the operator knows again what its own webhook stamped.
///
/// Sealed bytes (version 1): the compact JSON text of
///     {"kind":K,"name":N,"namespace":NS,"requester":R,"spec":S,"version":1}
/// where R is `spec.requester` without `seal`, S is `spec` without `requester`, both as stored (after defaulting), keys
/// sorted by bytes at every level, no white space, strings as UTF-8 with only the escapes that JSON demands, numbers
/// whole. Anything else (a fraction, invalid UTF-8) cannot be sealed.
/// Seal text: "v1.<key id>.<HMAC-SHA-256 of the bytes, base64url without padding>".
/// docs/seal.md says it at length, with test vectors.

/// One key.
struct SealKey {
    std::string id;  ///< See `is_key_id`.
    std::array<unsigned char, 32> bytes{};
};

/// Whether `id` is 1 to 32 of [A-Za-z0-9_-], as the id of a key must be.
bool is_key_id(std::string_view id);

/// The key that seals, and others that are accepted: older ones, and the one that seals next.
struct SealKeyRing {
    SealKey current;
    std::vector<SealKey> others = {};
};

/// Whether the stamp on an object is ours.
enum class IdentityCheck : std::uint8_t {
    valid,
    missing,  ///< There is no requester, or it has no seal: the webhook did not see the object.
    invalid,  ///< The seal is not ours, or not of this object, or the stamp is not of the time of creation.
    /// The seal names a key that the ring has not. It may be ours all the same: sealed with a key that this replica has
    /// not read yet, or that was lost.
    unknown_key,
};

/// What is sealed. `spec` is the whole `spec` with its `requester`, whose `seal` is not looked at.
struct SealedObject {
    std::string_view kind;  ///< "DebugRequest".
    std::string_view namespace_name;
    std::string_view name;
    const nlohmann::json& spec;
};

/// The sealed bytes, or why there are none (one line).
std::expected<std::string, std::string> sealed_bytes(const SealedObject& object);

/// The seal text to store in `spec.requester.seal`.
std::expected<std::string, std::string> make_seal(const SealKey& key, const SealedObject& object);

/// Whether `spec.requester.seal` is the seal of this object under a key of the ring. Compares in constant time.
IdentityCheck verify_seal(const SealKeyRing& keys, const SealedObject& object);

/// Whole identity check of a stored object with `metadata` and `spec`: `verify_seal`, and `spec.requester.stampedAt`
/// within `kStampWindowSeconds` of `metadata.creationTimestamp`, so that a sealed object cannot be posted again later.
IdentityCheck check_identity(const SealKeyRing& keys, std::string_view kind, const nlohmann::json& object);

inline constexpr std::int64_t kStampWindowSeconds = 60;

}  // namespace endoscope::controller
