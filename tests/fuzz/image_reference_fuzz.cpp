#include "controller/image_reference.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

namespace endoscope::fuzz {
namespace {

using controller::ImageReference;
using controller::parse_image_reference;

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool is_made_of(std::string_view text, std::string_view others, bool upper = false) {
    return std::ranges::all_of(
        text, [&](char c) { return kLower.contains(c) || others.contains(c) || (upper && kUpper.contains(c)); });
}

void check_parts(const ImageReference& reference) {
    require(!reference.host.empty() && is_made_of(reference.host, ".-:[]"), "the host is in lower case");
    require(!reference.path.empty() && reference.path.size() <= 255, "the path has 1 to 255 characters");
    require(is_made_of(reference.path, "./_-"), "the path is in lower case");
    require(!reference.path.starts_with('/') && !reference.path.ends_with('/') && !reference.path.contains("//") &&
                !("/" + reference.path + "/").contains("/../"),
            "the path has no empty segment and does not climb");
    require(is_made_of(reference.tag, "._-", true) && reference.tag.size() <= 128, "the tag is one");
    require(is_made_of(reference.digest, ":"), "the digest is in lower case");
    require(!reference.tag.empty() || !reference.digest.empty(), "there is a tag or a digest");
    require(reference.host != "index.docker.io", "Docker Hub has one name");
    require(reference.host != "docker.io" || reference.path.contains('/'), "official images are below library/");
}

void check_canonical(const ImageReference& reference) {
    const std::string canonical = reference.canonical();
    const auto again = parse_image_reference(canonical);
    require(again.has_value(), "the canonical form is a reference");
    require(*again == reference, "the canonical form means the same");
    require(again->canonical() == canonical, "the canonical form is its own");
}

}  // namespace
}  // namespace endoscope::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    const std::string text(text_of(data, size));
    const auto reference = parse_image_reference(text);
    if (!reference) {
        require(is_one_line(reference.error()), "the error is one line");
        return 0;
    }
    check_parts(*reference);
    check_canonical(*reference);
    for (const std::string_view other : {" ", "\n", "\r", "\t", "/", "*", "\xc2\xa0"}) {
        require(!parse_image_reference(text + std::string(other)), "nothing may follow");
        require(!parse_image_reference(std::string(other) + text), "nothing may stand before");
    }
    require(!parse_image_reference(text + std::string(1, '\0')), "no NUL may follow");
    return 0;
}
