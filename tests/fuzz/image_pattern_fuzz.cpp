#include "controller/image_pattern.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <vector>

namespace endoscope::fuzz {
namespace {

using controller::ImagePattern;
using controller::ImageReference;

/// A pattern's text taken apart by its separators alone, which is enough for one that is known to be valid.
struct Parts {
    bool any_image = false;
    std::string host;
    std::vector<std::string> path;
    std::string tag;
    std::string digest;
};

std::vector<std::string> segments(std::string_view path) {
    std::vector<std::string> result(1);
    for (const char c : path) {
        if (c == '/') {
            result.emplace_back();
        } else {
            result.back() += c;
        }
    }
    return result;
}

Parts take_apart(std::string text) {
    Parts parts;
    if (const std::size_t at = text.find('@'); at != std::string::npos) {
        parts.digest = text.substr(at + 1);
        text.resize(at);
    }
    const std::size_t last_slash = text.rfind('/');
    if (const std::size_t colon = text.rfind(':');
        colon != std::string::npos && (last_slash == std::string::npos || colon > last_slash)) {
        parts.tag = text.substr(colon + 1);
        text.resize(colon);
    }
    parts.any_image = text == "**";
    parts.path = segments(text);
    const std::string& first = parts.path.front();
    if (parts.path.size() > 1 && (first == "localhost" || first.find_first_of(".:") != std::string::npos)) {
        for (const char c : first) parts.host += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        parts.path.erase(parts.path.begin());
    }
    if (parts.host.empty() || parts.host == "index.docker.io") parts.host = "docker.io";
    if (parts.host == "docker.io" && parts.path.size() == 1 && parts.path.front() != "**") {
        parts.path.insert(parts.path.begin(), "library");
    }
    return parts;
}

/// Whether `pattern` stands for `text`, by trying every length for every `*`, row by row.
template <class Item, class Matches>
bool stands_for(const std::vector<Item>& pattern, const std::vector<Item>& text, const Item& star,
                const Matches& matches) {
    std::vector<bool> row(text.size() + 1, false);
    row[0] = true;
    for (const Item& item : pattern) {
        std::vector<bool> next(text.size() + 1, false);
        for (std::size_t i = 0; i <= text.size(); ++i) {
            if (item == star) {
                next[i] = row[i] || (i > 0 && next[i - 1]);
            } else {
                next[i] = i > 0 && row[i - 1] && matches(item, text[i - 1]);
            }
        }
        row = std::move(next);
    }
    return row.back();
}

bool glob(std::string_view pattern, std::string_view text) {
    const std::vector<char> wanted(pattern.begin(), pattern.end());
    const std::vector<char> found(text.begin(), text.end());
    return stands_for(wanted, found, '*', [](char a, char b) { return a == b; });
}

bool path_matches(std::vector<std::string> pattern, const std::string& path) {
    if (pattern.back() == "**") pattern.back() = "*", pattern.emplace_back("**");
    return stands_for(pattern, segments(path), std::string("**"), glob);
}

/// The rules of the documentation once more, written to be read and not to be fast.
bool should_match(const Parts& parts, const ImageReference& reference, ImagePattern::Use use) {
    if (!parts.any_image && (parts.host != reference.host || !path_matches(parts.path, reference.path))) return false;
    const bool tag_matches = !reference.tag.empty() && glob(parts.tag, reference.tag);
    if (!parts.digest.empty()) {
        return parts.digest == reference.digest && (parts.tag.empty() || tag_matches);
    }
    if (parts.tag.empty()) return true;
    return tag_matches && (use == ImagePattern::Use::deny || reference.digest.empty());
}

void check_match(const ImagePattern& pattern, const ImageReference& reference) {
    const bool allows = pattern.matches(reference, ImagePattern::Use::allow);
    const bool denies = pattern.matches(reference, ImagePattern::Use::deny);
    require(!allows || denies, "what a pattern allows it denies, too");
    const Parts parts = take_apart(pattern.text());
    require(allows == should_match(parts, reference, ImagePattern::Use::allow), "allows as documented");
    require(denies == should_match(parts, reference, ImagePattern::Use::deny), "denies as documented");
}

/// A reference as a pattern stands for itself and for nothing else.
void check_reference_as_pattern(const ImageReference& reference, const ImageReference& other) {
    const auto pattern = ImagePattern::parse(reference.canonical());
    require(pattern.has_value(), "a canonical reference is a pattern");
    require(pattern->matches(reference, ImagePattern::Use::allow), "a canonical reference allows itself");
    require(pattern->matches(reference, ImagePattern::Use::deny), "a canonical reference denies itself");
    if (pattern->matches(other, ImagePattern::Use::allow)) {
        require(other.host == reference.host && other.path == reference.path, "it allows no other repository");
        require(other.digest == reference.digest, "it allows no other digest");
    }
}

}  // namespace
}  // namespace endoscope::fuzz

/// The input: a pattern, a line feed, a reference.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    const std::string_view text = text_of(data, size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto pattern = ImagePattern::parse(text.substr(0, end));
    const auto reference = endoscope::controller::parse_image_reference(text.substr(std::min(end + 1, text.size())));
    if (!pattern) {
        require(is_one_line(pattern.error()), "the error is one line");
    } else {
        require(pattern->text() == text.substr(0, end), "a pattern keeps its text");
    }
    if (pattern && reference) check_match(*pattern, *reference);
    if (!reference) return 0;
    const auto simple = endoscope::controller::parse_image_reference("ghcr.io/acme/x:1");
    check_reference_as_pattern(*reference, *simple);
    check_reference_as_pattern(*simple, *reference);
    if (!pattern) return 0;
    // Many real references, so that a pattern without its reference is tried, too.
    for (const char* const other : {"busybox", "docker.io/library/busybox:1.36", "ghcr.io/acme/a/b/c:1", "a/b"}) {
        check_match(*pattern, *endoscope::controller::parse_image_reference(other));
    }
    return 0;
}
