#include "controller/seal_secret.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace endoscope::controller {

namespace {

using nlohmann::json;

constexpr std::string_view kKeyPrefix = "key-";
constexpr std::string_view kSincePrefix = "since-";

std::string named(std::string_view prefix, std::string_view id) {
    return std::string(prefix).append(id);
}

/// The text of a member, decoded; empty where it is not there or no base64.
std::string decoded(const json& data, std::string_view name) {
    return kube::base64_decode(kube::string_at(data, {name})).value_or("");
}

std::expected<SealKey, std::string> parse_key(const std::string& name, const json& value) {
    SealKey key{.id = name.substr(kKeyPrefix.size())};
    if (!is_key_id(key.id)) return std::unexpected("has a key whose id is not 1 to 32 of A-Z, a-z, 0-9, _ and -");
    const auto bytes = value.is_string() ? kube::base64_decode(value.get<std::string>()) : std::nullopt;
    if (!bytes || bytes->size() != key.bytes.size()) return std::unexpected("has a " + name + " that is not 32 bytes");
    std::ranges::transform(*bytes, key.bytes.begin(), [](char c) { return static_cast<unsigned char>(c); });
    return key;
}

}  // namespace

std::expected<SealSecret, std::string> parse_seal_secret(const json& secret) {
    const json* const data = kube::find_at(secret, {"data"});
    if (data == nullptr || !data->is_object()) return std::unexpected("has no data");
    const std::string current = decoded(*data, "current");
    if (current.empty()) return std::unexpected("names no current key");
    SealSecret content;
    content.rotate = kube::string_at(secret, {"metadata", "annotations", kRotateAnnotation});
    content.rotated = kube::string_at(secret, {"metadata", "annotations", kRotatedAnnotation});
    for (const auto& [name, value] : data->items()) {
        if (!name.starts_with(kKeyPrefix)) continue;
        auto key = parse_key(name, value);
        if (!key) return std::unexpected(key.error());
        if (const auto since = kube::parse_time(decoded(*data, named(kSincePrefix, key->id)))) {
            content.since[key->id] = *since;
        }
        if (key->id == current) {
            content.ring.current = *std::move(key);
        } else {
            content.ring.others.push_back(*std::move(key));
        }
    }
    if (content.ring.current.id.empty()) return std::unexpected("lacks its current key");
    if (data->contains("next")) {
        content.next = decoded(*data, "next");
        if (std::ranges::find(content.ring.others, content.next, &SealKey::id) == content.ring.others.end()) {
            return std::unexpected("lacks its next key");
        }
    }
    return content;
}

void write_seal_secret(json& secret, const SealSecret& content) {
    secret["apiVersion"] = "v1";
    secret["kind"] = "Secret";
    json& metadata = secret["metadata"];
    metadata["name"] = kSealSecret;
    metadata["labels"]["app.kubernetes.io/name"] = "endoscope";
    if (!content.rotated.empty()) metadata["annotations"][std::string(kRotatedAnnotation)] = content.rotated;
    json& data = secret["data"];
    if (!data.is_object()) data = json::object();
    std::vector<std::string> ours = {"next"};
    for (const auto& [name, value] : data.items()) {
        if (name.starts_with(kKeyPrefix) || name.starts_with(kSincePrefix)) ours.push_back(name);
    }
    for (const std::string& name : ours) data.erase(name);
    const auto write_key = [&](const SealKey& key) {
        data[named(kKeyPrefix, key.id)] = kube::base64_encode(std::string(key.bytes.begin(), key.bytes.end()));
    };
    write_key(content.ring.current);
    for (const SealKey& key : content.ring.others) write_key(key);
    for (const auto& [id, time] : content.since) {
        data[named(kSincePrefix, id)] = kube::base64_encode(kube::format_time(time));
    }
    data["current"] = kube::base64_encode(content.ring.current.id);
    if (!content.next.empty()) data["next"] = kube::base64_encode(content.next);
}

}  // namespace endoscope::controller
