#include "controller/image_grammar.hpp"

#include <algorithm>

namespace endoscope::controller {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f');
}
bool is_name_char(char c, Wildcards wildcards) {
    return is_lower(c) || is_digit(c) || (wildcards == Wildcards::yes && c == '*');
}

std::string lower_case(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) { return is_upper(c) ? static_cast<char>(c + 32) : c; });
    return result;
}

/// Whether a host name, in lower case, is letters, digits and inner dashes in parts joined by dots.
bool is_domain_name(std::string_view text) {
    while (true) {
        const std::string_view part = text.substr(0, text.find('.'));
        if (part.empty() || part.front() == '-' || part.back() == '-') return false;
        if (!std::ranges::all_of(part, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; })) return false;
        if (part.size() == text.size()) return true;
        text.remove_prefix(part.size() + 1);
    }
}

/// Whether the text, in lower case, is a host with an optional port. As upstream does, brackets may hold any hex digits
/// and colons, and a port any digits.
bool is_host(std::string_view text) {
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end == 1) return false;
        const std::string_view address = text.substr(1, end - 1);
        if (!std::ranges::all_of(address, [](char c) { return is_hex(c) || c == ':'; })) return false;
        port = text.substr(end + 1);
    } else {
        const std::size_t colon = text.find(':');
        if (!is_domain_name(text.substr(0, colon))) return false;
        if (colon != std::string_view::npos) port = text.substr(colon);
    }
    if (port.empty()) return true;
    return port.size() > 1 && port.front() == ':' && std::ranges::all_of(port.substr(1), is_digit);
}

/// Whether the first segment of several is a host. Upstream also takes one with capitals for a host ("Docker/x"), for
/// these alone; here it stays a part of the path, where capitals are refused.
bool is_meant_as_host(std::string_view segment) {
    return segment == "localhost" || segment.find_first_of(".:") != std::string_view::npos;
}

}  // namespace

bool is_image_id(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, is_hex);
}

std::expected<ImageParts, std::string> split_image(std::string_view text) {
    ImageParts parts;
    std::string_view rest = text;
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
        const std::string_view first = text.substr(0, slash);
        if (is_meant_as_host(first)) {
            parts.host = lower_case(first);
            if (parts.host.contains('*')) return std::unexpected("wildcards are not allowed in the registry's host");
            if (!is_host(parts.host)) return std::unexpected("the registry's host is not valid");
            rest.remove_prefix(slash + 1);
        }
    }
    if (parts.host.empty() || parts.host == "index.docker.io") parts.host = kDockerHub;

    if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
        parts.digest = rest.substr(at + 1);
        parts.has_digest = true;
        rest = rest.substr(0, at);
    }
    if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
        parts.tag = rest.substr(colon + 1);
        parts.has_tag = true;
        rest = rest.substr(0, colon);
    }
    // A path of `**` stands for paths of any length, so it is no official image's name.
    const bool official = parts.host == kDockerHub && !rest.contains('/') && rest != "**";
    parts.path.reserve(kOfficialPrefix.size() + rest.size());
    if (official) parts.path = kOfficialPrefix;
    parts.path += rest;
    return parts;
}

const char* path_error(std::string_view path, Wildcards wildcards) {
    if (path.size() > kMaxPathLength) return "the repository path is longer than 255 characters";
    while (true) {
        const std::string_view segment = path.substr(0, path.find('/'));
        const bool any_depth = wildcards == Wildcards::yes && segment == "**";
        if (segment.empty()) return "the repository name has an empty part";
        if (!any_depth && segment.contains("**") && wildcards == Wildcards::yes) {
            return "`**` must be a whole segment of the path";
        }
        if (std::ranges::any_of(segment, is_upper)) return "the repository name must be in lower case";
        std::size_t i = 0;
        while (!any_depth) {
            const std::size_t word = i;
            while (i < segment.size() && is_name_char(segment[i], wildcards)) ++i;
            if (i == word) return "the repository name is not valid";
            if (i == segment.size()) break;
            const std::size_t separator = i;
            while (i < segment.size() && segment[i] == segment[separator]) ++i;
            const std::size_t run = i - separator;
            const char kind = segment[separator];
            if (!(kind == '-' || (kind == '.' && run == 1) || (kind == '_' && run <= 2))) {
                return "the repository name is not valid";
            }
        }
        if (segment.size() == path.size()) return nullptr;
        path.remove_prefix(segment.size() + 1);
    }
}

const char* tag_error(std::string_view tag, Wildcards wildcards) {
    if (tag.empty()) return "the tag is empty";
    if (tag.size() > kMaxTagLength) return "the tag is longer than 128 characters";
    if (tag.front() == '.' || tag.front() == '-') return "the tag is not valid";
    const bool valid = std::ranges::all_of(
        tag, [&](char c) { return is_name_char(c, wildcards) || is_upper(c) || c == '_' || c == '.' || c == '-'; });
    return valid ? nullptr : "the tag is not valid";
}

const char* digest_error(std::string_view digest) {
    const std::size_t colon = digest.find(':');
    if (colon == std::string_view::npos) return "the digest is not valid";
    const std::string_view algorithm = digest.substr(0, colon);
    const std::string_view hex = digest.substr(colon + 1);
    const std::size_t size = algorithm == "sha256" ? 64 : algorithm == "sha384" ? 96 : algorithm == "sha512" ? 128 : 0;
    if (size == 0) return "the digest's algorithm is none of sha256, sha384, sha512";
    if (hex.size() != size) return "the digest has the wrong length for its algorithm";
    return std::ranges::all_of(hex, is_hex) ? nullptr : "the digest is not lower-case hexadecimal";
}

}  // namespace endoscope::controller
