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

TEST(WatchLines, AnyChunkingGivesTheSameDocuments) {
    const std::string text = "{\"a\":1}\n\n{\"b\":\"\xff\\n\"}\n" + std::string(50, 'x') + "\nrest";
    WatchLines at_once;
    const auto expected = feed(at_once, text);
    EXPECT_EQ(expected.size(), 3U);
    for (std::size_t piece = 1; piece < text.size(); ++piece) {
        WatchLines lines;
        std::vector<std::string> documents;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            for (auto& document : feed(lines, std::string_view(text).substr(at, piece))) {
                documents.push_back(std::move(document));
            }
        }
        EXPECT_EQ(documents, expected) << "in pieces of " << piece;
    }
}

}  // namespace
}  // namespace kube
