#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace endoscope::controller {

// The grammar that image references and image patterns share. For image_reference.cpp and image_pattern.cpp only.

inline constexpr std::string_view kDockerHub = "docker.io";
inline constexpr std::string_view kOfficialPrefix = "library/";
inline constexpr std::size_t kMaxPathLength = 255;
inline constexpr std::size_t kMaxTagLength = 128;

enum class Wildcards : bool { no, yes };

/// A reference or pattern cut at its separators, names normalised, nothing but the host checked yet.
struct ImageParts {
    std::string host;  ///< Lower case, checked, Docker Hub's aliases resolved.
    std::string path;  ///< With "library/" where Docker Hub adds it.
    std::string_view tag;
    std::string_view digest;
    bool has_tag = false;     ///< A `:` was there, even if nothing followed.
    bool has_digest = false;  ///< An `@` was there, even if nothing followed.
};

/// Whether the text is a bare image ID, 64 hex digits. It names no repository, and tools would take it for an ID;
/// upstream refuses it.
bool is_image_id(std::string_view text);

/// Cuts the text the way upstream's `splitDockerDomain` and its regular expression do.
std::expected<ImageParts, std::string> split_image(std::string_view text);

/// Whether every segment of the path is one: lower-case letters and digits, joined by one `.`, one or two `_`, or any
/// number of `-`. With wildcards a `*` stands where a letter or digit could; a segment `**` is accepted as a whole.
/// Gives the error to report, or nullptr.
const char* path_error(std::string_view path, Wildcards wildcards);

/// The same for a tag: 1 to 128 of [A-Za-z0-9_.-], not beginning with `.` or `-`.
const char* tag_error(std::string_view tag, Wildcards wildcards);

/// The same for a digest: sha256, sha384 or sha512, `:`, and as many lower-case hex digits as that has.
const char* digest_error(std::string_view digest);

}  // namespace endoscope::controller
