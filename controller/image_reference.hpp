#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// An image reference, taken apart and canonical: the host in lower case, Docker Hub under the one name "docker.io"
/// with "library/" for its official images, the tag "latest" where the text had neither tag nor digest.
struct ImageReference {
    std::string host;  ///< With its port, e.g. "registry.example.com:5000", "[::1]:5000", "docker.io".
    std::string path;  ///< E.g. "library/nginx"; at most 255 characters.
    std::string tag;   ///< Empty only where there is a digest.
    std::string
        digest;  ///< E.g. "sha256:<64 hex>"; may be empty. With a digest the tag does not decide what is pulled.

    /// The one spelling of this reference: "host/path[:tag][@digest]". Parsing it again gives an equal value.
    std::string canonical() const;

    bool operator==(const ImageReference&) const = default;
};

/// Parses what one would write after `image:`. The grammar is that of github.com/distribution/reference
/// (`ParseNormalizedNamed`), including the digest algorithms sha256, sha384 and sha512 with their lengths, with two
/// things refused that it lets pass: a first segment that would be a host only for its capitals ("Docker/x"), and a
/// first segment with `_` that has a dot or colon ("a_b.example/x"). Time is linear in the text.
/// The error is one line for people that does not repeat the text.
std::expected<ImageReference, std::string> parse_image_reference(std::string_view text);

}  // namespace endoscope::controller
