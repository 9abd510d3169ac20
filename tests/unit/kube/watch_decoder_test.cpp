#include "kube/client/watch_decoder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kube {
namespace {

std::vector<std::string> feed(WatchLines& lines, std::string_view bytes) {
    lines.input().append(bytes);
    std::vector<std::string> out;
    for (;;) {
        const auto line = lines.next();
        if (!line || !*line) return out;
        out.emplace_back(**line);
    }
}

TEST(WatchLines, DocumentsSpanPiecesAndPiecesHoldDocuments) {
    WatchLines lines;
    EXPECT_TRUE(feed(lines, "{\"a\"").empty());
    EXPECT_EQ(feed(lines, ":1}\n{\"b\":2}\n\n{"), (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"}));
    EXPECT_EQ(feed(lines, "}\n"), std::vector<std::string>{"{}"});
}

TEST(WatchLines, APartialLastLineIsNeverReturned) {
    WatchLines lines;
    EXPECT_TRUE(feed(lines, "{\"type\":\"ADDED\"").empty());
}

TEST(WatchLines, BoundsALineThatNeverEnds) {
    WatchLines lines(16);
    lines.input().append(std::string(17, 'x'));
    const auto line = lines.next();
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().kind, ErrorKind::malformed);
}

}  // namespace
}  // namespace kube
