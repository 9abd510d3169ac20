#include "controller/image_reference.hpp"

#include "controller/image_grammar.hpp"

#include <utility>

namespace endoscope::controller {
std::string ImageReference::canonical() const {
    std::string text;
    text.reserve(host.size() + path.size() + tag.size() + digest.size() + 3);
    text.append(host).append("/").append(path);
    if (!tag.empty()) text.append(":").append(tag);
    if (!digest.empty()) text.append("@").append(digest);
    return text;
}

std::expected<ImageReference, std::string> parse_image_reference(std::string_view text) {
    if (text.empty()) return std::unexpected("the image reference is empty");
    if (is_image_id(text)) return std::unexpected("64 hexadecimal digits are an image ID, not a name");
    auto parts = split_image(text);
    if (!parts) return std::unexpected(std::move(parts.error()));
    if (const char* const error = path_error(parts->path, Wildcards::no)) return std::unexpected(error);
    if (const char* const error = parts->has_tag ? tag_error(parts->tag, Wildcards::no) : nullptr) {
        return std::unexpected(error);
    }
    if (const char* const error = parts->has_digest ? digest_error(parts->digest) : nullptr) {
        return std::unexpected(error);
    }
    ImageReference reference{.host = std::move(parts->host),
                             .path = std::move(parts->path),
                             .tag = std::string(parts->tag),
                             .digest = std::string(parts->digest)};
    if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
    return reference;
}

}  // namespace endoscope::controller
