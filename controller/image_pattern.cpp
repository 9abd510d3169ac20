#include "controller/image_pattern.hpp"

#include "controller/image_grammar.hpp"
#include "controller/name_glob.hpp"

#include <span>
#include <utility>

namespace endoscope::controller {
namespace {

constexpr std::string_view kAnyDepth = "**";
constexpr std::string_view kAnySegment = "*";

/// The segments of a path, one after the other, without a copy.
class Segments final {
  public:
    explicit Segments(std::string_view path) : rest_(path) {}

    bool done() const { return done_; }
    std::string_view front() const { return rest_.substr(0, rest_.find('/')); }
    void pop() {
        const std::size_t size = front().size();
        done_ = size == rest_.size();
        rest_.remove_prefix(done_ ? size : size + 1);
    }

  private:
    std::string_view rest_;
    bool done_ = false;
};

/// The same walk as `glob_matches`, over segments: `**` is the star, any other segment a glob of its own.
bool path_matches(std::span<const std::string> pattern, std::string_view path) {
    std::size_t p = 0;
    Segments text(path);
    std::size_t star = pattern.size();
    Segments star_text = text;
    while (!text.done()) {
        if (p < pattern.size() && pattern[p] == kAnyDepth) {
            star = p++;
            star_text = text;
        } else if (p < pattern.size() && glob_matches(pattern[p], text.front())) {
            ++p;
            text.pop();
        } else if (star < pattern.size()) {
            p = star + 1;
            star_text.pop();
            text = star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == kAnyDepth) ++p;
    return p == pattern.size();
}

std::vector<std::string> cut(std::string_view path) {
    std::vector<std::string> segments;
    for (Segments rest(path); !rest.done(); rest.pop()) segments.emplace_back(rest.front());
    // At the end `**` takes one segment at least: "ghcr.io/acme/**" is what lies below "ghcr.io/acme".
    if (segments.back() == kAnyDepth) segments.insert(segments.end() - 1, std::string(kAnySegment));
    return segments;
}

}  // namespace

std::expected<ImagePattern, std::string> ImagePattern::parse(std::string_view text) {
    if (text.empty()) return std::unexpected("the pattern is empty");
    if (text.starts_with("**/")) {
        return std::unexpected("`**/` at the beginning is ambiguous; name the host, as in docker.io/**/name");
    }
    if (is_image_id(text)) return std::unexpected("64 hexadecimal digits are an image ID, not a name");
    auto parts = split_image(text);
    if (!parts) return std::unexpected(std::move(parts.error()));
    if (const char* const error = path_error(parts->path, Wildcards::yes)) return std::unexpected(error);
    if (const char* const error = parts->has_tag ? tag_error(parts->tag, Wildcards::yes) : nullptr) {
        return std::unexpected(error);
    }
    if (const char* const error = parts->has_digest ? digest_error(parts->digest) : nullptr) {
        return std::unexpected(error);
    }
    ImagePattern pattern;
    pattern.text_ = text;
    pattern.any_image_ = parts->path == kAnyDepth && text.starts_with(kAnyDepth);
    pattern.host_ = std::move(parts->host);
    pattern.segments_ = cut(parts->path);
    pattern.tag_ = parts->tag;
    pattern.digest_ = parts->digest;
    return pattern;
}

bool ImagePattern::matches(const ImageReference& reference, Use use) const {
    if (!any_image_ && (host_ != reference.host || !path_matches(segments_, reference.path))) return false;
    if (!digest_.empty() && digest_ != reference.digest) return false;
    if (tag_.empty()) return true;
    if (digest_.empty() && !reference.digest.empty() && use == Use::allow) return false;
    return !reference.tag.empty() && glob_matches(tag_, reference.tag);
}

}  // namespace endoscope::controller
