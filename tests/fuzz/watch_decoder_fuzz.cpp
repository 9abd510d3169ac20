#include "kube/client/watch_decoder.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <vector>

namespace endoscope::fuzz {
namespace {

constexpr std::size_t kMaxLine = 256;

struct Documents {
    std::vector<std::string> lines;
    bool refused = false;
    bool operator==(const Documents&) const = default;
};

/// All documents of `body` when it arrives in pieces whose sizes `sizes` gives, over and over.
Documents decode(std::string_view body, const std::vector<std::size_t>& sizes) {
    Documents out;
    kube::WatchLines decoder(kMaxLine);
    for (std::size_t at = 0, turn = 0; at < body.size(); ++turn) {
        const std::size_t size = std::min(sizes[turn % sizes.size()], body.size() - at);
        decoder.input().append(body.substr(at, size));
        at += size;
        for (;;) {
            const auto line = decoder.next();
            if (!line) {
                out.refused = true;
                return out;
            }
            if (!*line) break;
            out.lines.emplace_back(**line);
        }
    }
    return out;
}

}  // namespace
}  // namespace endoscope::fuzz

/// The first bytes say how the rest is cut.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    if (size < 4) return 0;
    std::vector<std::size_t> sizes;
    for (std::size_t i = 0; i < 3; ++i) sizes.push_back(data[i] % 64U + 1);
    const std::string_view body = text_of(data + 3, size - 3);
    const Documents cut = decode(body, sizes);
    const Documents bytewise = decode(body, {1});
    require(cut.lines == bytewise.lines, "the documents do not depend on the pieces");
    require(cut.refused == bytewise.refused, "nor does what is refused");
    for (const std::string& line : cut.lines) {
        require(!line.empty() && !line.contains('\n'), "a document is one line");
        require(line.size() <= kMaxLine, "a document is bounded");
        require(body.contains(line), "a document is part of the body");
    }
    return 0;
}
