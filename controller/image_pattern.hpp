#pragma once

#include "controller/image_reference.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::controller {

/// A pattern of a policy's `images.allow` or `images.deny`: `[host/]path[:tag][@digest]`, matched part by part against
/// the canonical reference and always as a whole.
///  - host: exactly, without wildcards. None: Docker Hub, with `library/` for a path of one segment.
///  - path: `*` stands for any characters inside one segment; `**`, as a whole segment, for any number of segments (at
///    least one where it comes last).
///  - `**` as host and path is every image. `**/x` is refused: it could mean a host or a path.
///  - tag: `*` stands for any characters.
///  - digest: exactly.
class ImagePattern final {
  public:
    /// What the pattern is for, as the two differ for a tag pattern and a reference with tag and digest.
    enum class Use : std::uint8_t { allow, deny };

    /// The error is one line for people that does not repeat the text.
    static std::expected<ImagePattern, std::string> parse(std::string_view text);

    /// Whether the reference matches. A pattern with a tag and no digest never allows a reference that carries a
    /// digest, since the tag is not what would be pulled; it denies one by its tag. Allocates nothing.
    bool matches(const ImageReference& reference, Use use) const;

    /// The text it was parsed from.
    const std::string& text() const { return text_; }

  private:
    ImagePattern() = default;

    std::string text_;
    bool any_image_ = false;  // `**` as host and path.
    std::string host_;
    std::vector<std::string> segments_;  // "**" matches any number, none too; anything else is a glob for one segment.
    std::string tag_;                    // A glob; empty: not looked at.
    std::string digest_;                 // Empty: not looked at.
};

}  // namespace endoscope::controller
