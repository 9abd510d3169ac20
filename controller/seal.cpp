#include "controller/seal.hpp"

#include "api/timestamp.hpp"

#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace endoscope::controller {
namespace {

using nlohmann::json;

constexpr std::string_view kPrefix = "v1.";
constexpr std::size_t kDigestLength = 43;  ///< 32 bytes in base64url.

/// Whether every number is whole. Fractions have no single spelling, and the API has none.
bool is_sealable(const json& value) {
    if (value.is_number_float() || value.is_binary() || value.is_discarded()) return false;
    return !value.is_structured() || std::ranges::all_of(value, is_sealable);
}

std::string base64url(const std::array<unsigned char, 32>& bytes) {
    std::array<unsigned char, 48> encoded{};  // 44 characters and a final zero.
    const int size = EVP_EncodeBlock(encoded.data(), bytes.data(), static_cast<int>(bytes.size()));
    std::string text;
    for (int i = 0; i < size; ++i) {
        const char c = static_cast<char>(encoded.at(static_cast<std::size_t>(i)));
        if (c != '=') text += c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return text;
}

std::expected<std::string, std::string> seal_text(const SealKey& key, std::string_view bytes) {
    std::array<unsigned char, 32> digest{};
    const auto* const data = reinterpret_cast<const unsigned char*>(bytes.data());
    if (HMAC(EVP_sha256(), key.bytes.data(), static_cast<int>(key.bytes.size()), data, bytes.size(), digest.data(),
             nullptr) == nullptr) {
        return std::unexpected("OpenSSL cannot compute HMAC-SHA-256");
    }
    return std::string(kPrefix).append(key.id).append(".").append(base64url(digest));
}

bool equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// The id of the key that a seal names, or nothing where the text is no seal.
std::optional<std::string_view> key_id_of(std::string_view seal) {
    if (!seal.starts_with(kPrefix)) return std::nullopt;
    seal.remove_prefix(kPrefix.size());
    const std::size_t dot = seal.find('.');
    if (dot == std::string_view::npos || seal.size() - dot - 1 != kDigestLength) return std::nullopt;
    const std::string_view id = seal.substr(0, dot);
    return is_key_id(id) ? std::optional(id) : std::nullopt;
}

/// The id is no secret; the comparison of the whole text decides.
const SealKey* find_key(const SealKeyRing& keys, std::string_view id) {
    if (keys.current.id == id) return &keys.current;
    const auto other = std::ranges::find(keys.others, id, &SealKey::id);
    return other == keys.others.end() ? nullptr : &*other;
}

const json* member(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

std::string_view text(const json* value) {
    return value != nullptr && value->is_string() ? std::string_view(value->get_ref<const std::string&>())
                                                  : std::string_view();
}

}  // namespace

bool is_key_id(std::string_view id) {
    return !id.empty() && id.size() <= 32 && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

std::expected<std::string, std::string> sealed_bytes(const SealedObject& object) {
    if (!object.spec.is_object()) return std::unexpected("the spec is not an object");
    json spec = object.spec;
    json requester = std::move(spec["requester"]);
    spec.erase("requester");
    if (!requester.is_object()) return std::unexpected("the spec has no requester");
    requester.erase("seal");
    const json sealed = {{"kind", object.kind},
                         {"name", object.name},
                         {"namespace", object.namespace_name},
                         {"requester", std::move(requester)},
                         {"spec", std::move(spec)},
                         {"version", 1}};
    if (!is_sealable(sealed)) return std::unexpected("the spec holds a number that is not whole");
    try {
        return sealed.dump();
    } catch (const json::exception&) {
        return std::unexpected("the spec holds text that is not UTF-8");
    }
}

std::expected<std::string, std::string> make_seal(const SealKey& key, const SealedObject& object) {
    const auto bytes = sealed_bytes(object);
    if (!bytes) return std::unexpected(bytes.error());
    return seal_text(key, *bytes);
}

IdentityCheck verify_seal(const SealKeyRing& keys, const SealedObject& object) {
    const json* const requester = member(object.spec, "requester");
    if (requester == nullptr || requester->is_null()) return IdentityCheck::missing;
    const json* const stored = member(*requester, "seal");
    if (requester->is_object() && stored == nullptr) return IdentityCheck::missing;
    const std::string_view seal = text(stored);
    const auto id = key_id_of(seal);
    if (!id) return IdentityCheck::invalid;
    const SealKey* const key = find_key(keys, *id);
    if (key == nullptr) return IdentityCheck::unknown_key;
    const auto expected = make_seal(*key, object);
    return expected && equal(*expected, seal) ? IdentityCheck::valid : IdentityCheck::invalid;
}

IdentityCheck check_identity(const SealKeyRing& keys, std::string_view kind, const json& object) {
    const json* const metadata = member(object, "metadata");
    const json* const spec = member(object, "spec");
    if (metadata == nullptr || spec == nullptr) return IdentityCheck::missing;
    const IdentityCheck seal = verify_seal(keys, {.kind = kind,
                                                  .namespace_name = text(member(*metadata, "namespace")),
                                                  .name = text(member(*metadata, "name")),
                                                  .spec = *spec});
    if (seal != IdentityCheck::valid) return seal;
    const auto stamped = api::parse_timestamp(text(member(spec->at("requester"), "stampedAt")));
    const auto created = api::parse_timestamp(text(member(*metadata, "creationTimestamp")));
    if (!stamped || !created) return IdentityCheck::invalid;
    const auto distance = *stamped > *created ? *stamped - *created : *created - *stamped;
    return distance <= std::chrono::seconds(kStampWindowSeconds) ? IdentityCheck::valid : IdentityCheck::invalid;
}

}  // namespace endoscope::controller
