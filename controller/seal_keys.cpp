#include "controller/seal_keys.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>
#include <openssl/rand.h>

#include <algorithm>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kKeyPrefix = "key-";

std::string secrets_path(const std::string& ns) {
    return "/api/v1/namespaces/" + kube::percent_encode(ns) + "/secrets";
}

kube::Result<SealKey> make_key() {
    SealKey key;
    std::array<unsigned char, 5> id{};
    if (RAND_bytes(key.bytes.data(), static_cast<int>(key.bytes.size())) != 1 ||
        RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) {
        return kube::fail(kube::ErrorKind::config, "the system has no randomness for a seal key");
    }
    static constexpr std::string_view kHex = "0123456789abcdef";
    for (const unsigned char byte : id) {
        key.id += kHex[byte >> 4U];
        key.id += kHex[byte & 15U];
    }
    return key;
}

kube::Result<SealKeyRing> parse_ring(const nlohmann::json& secret, const std::string& ns) {
    const auto unusable = [&](const std::string& why) {
        return kube::fail(kube::ErrorKind::config, "Secret " + ns + "/" + std::string(kSealSecret) + " " + why +
                                                       "; repair it, or delete it (pending requests are then denied)");
    };
    const auto* data = kube::find_at(secret, {"data"});
    if (data == nullptr || !data->is_object()) return unusable("has no data");
    const auto current = kube::base64_decode(kube::string_at(*data, {"current"}));
    if (!current || current->empty()) return unusable("names no current key");
    SealKeyRing ring;
    bool found = false;
    for (const auto& [name, value] : data->items()) {
        if (!name.starts_with(kKeyPrefix) || !value.is_string()) continue;
        const auto bytes = kube::base64_decode(value.get<std::string>());
        SealKey key{.id = name.substr(kKeyPrefix.size())};
        if (!bytes || bytes->size() != key.bytes.size()) return unusable("has a key " + name + " that is not 32 bytes");
        std::ranges::transform(*bytes, key.bytes.begin(), [](char c) { return static_cast<unsigned char>(c); });
        if (key.id == *current) {
            ring.current = std::move(key);
            found = true;
        } else {
            ring.old.push_back(std::move(key));
        }
    }
    if (!found) return unusable("lacks its current key");
    return ring;
}

nlohmann::json secret_of(const SealKey& key) {
    const std::string bytes(key.bytes.begin(), key.bytes.end());
    return {
        {"apiVersion", "v1"},
        {"kind", "Secret"},
        {"type", "Opaque"},
        {"metadata", {{"name", kSealSecret}, {"labels", {{"app.kubernetes.io/name", "endoscope"}}}}},
        {"data",
         {{"current", kube::base64_encode(key.id)}, {std::string(kKeyPrefix) + key.id, kube::base64_encode(bytes)}}}};
}

}  // namespace

asio::awaitable<kube::Result<std::shared_ptr<const SealKeyRing>>> load_seal_keys(kube::Client& client, std::string ns,
                                                                                 std::stop_token stop) {
    // Twice, because another replica may create the Secret between our look and our write.
    for (int round = 0; round < 2; ++round) {
        kube::ApiRequest get;
        get.path = secrets_path(ns) + "/" + std::string(kSealSecret);
        const auto found = co_await client.call(std::move(get), stop);
        if (found) {
            const auto secret = kube::parse_json(*found);
            if (!secret) co_return std::unexpected(secret.error());
            auto ring = parse_ring(*secret, ns);
            if (!ring) co_return std::unexpected(ring.error());
            co_return std::make_shared<const SealKeyRing>(std::move(*ring));
        }
        if (found.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(found.error());
        auto key = make_key();
        if (!key) co_return std::unexpected(key.error());
        kube::ApiRequest create;
        create.method = "POST";
        create.path = secrets_path(ns);
        create.body = kube::dump_json(secret_of(*key));
        const auto created = co_await client.call(std::move(create), stop);
        if (created) {
            kube::log::info("seal", "created the seal key",
                            {{"secret", ns + "/" + std::string(kSealSecret)}, {"key", key->id}});
            SealKeyRing ring{.current = std::move(*key)};
            co_return std::make_shared<const SealKeyRing>(std::move(ring));
        }
        if (created.error().kind != kube::ErrorKind::already_exists) co_return std::unexpected(created.error());
    }
    co_return kube::fail(kube::ErrorKind::conflict, "the seal key's Secret appears and disappears");
}

}  // namespace endoscope::controller
