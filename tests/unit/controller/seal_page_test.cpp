// docs/seal.md is what other implementations are written from: its vectors must be ours.

#include "controller/seal.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace endoscope::controller {
namespace {

using nlohmann::json;

/// The documents of all ```json blocks.
std::vector<json> vectors() {
    std::ifstream stream(std::string(ENDOSCOPE_SOURCE_DIR) + "/docs/seal.md");
    EXPECT_TRUE(stream);
    const std::string page{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    std::vector<json> found;
    constexpr std::string_view kFence = "```json\n";
    for (std::size_t at = page.find(kFence); at != std::string::npos; at = page.find(kFence, at)) {
        at += kFence.size();
        found.push_back(json::parse(page.substr(at, page.find("```", at) - at)));
    }
    return found;
}

SealKey key_of(const json& vector) {
    SealKey key{.id = vector["keyId"]};
    const std::string hex = vector["key"];
    EXPECT_EQ(hex.size(), 2 * key.bytes.size());
    for (std::size_t i = 0; i < key.bytes.size(); ++i)
        key.bytes.at(i) = static_cast<unsigned char>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
    return key;
}

TEST(SealPage, ItsVectorsAreWhatIsSealed) {
    const auto all = vectors();
    ASSERT_EQ(all.size(), 2U);
    for (const json& vector : all) {
        const std::string kind = vector["kind"];
        const std::string ns = vector["namespace"];
        const std::string name = vector["name"];
        json spec = vector["spec"];
        const SealedObject object{.kind = kind, .namespace_name = ns, .name = name, .spec = spec};
        EXPECT_EQ(sealed_bytes(object), std::string(vector["bytes"]));
        EXPECT_EQ(make_seal(key_of(vector), object), std::string(vector["seal"]));
        spec["requester"]["seal"] = vector["seal"];
        EXPECT_EQ(verify_seal({.current = key_of(vector)}, object), IdentityCheck::valid);
    }
}

}  // namespace
}  // namespace endoscope::controller
