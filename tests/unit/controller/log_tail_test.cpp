#include "controller/log_tail.hpp"

#include "api/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace endoscope::controller {
namespace {

using namespace std::string_literals;

const std::string kLeftOut = "[... earlier output left out]\n";

struct Row {
    std::string log;
    std::int64_t lines;
    std::string output;
};

TEST(LogTail, TheLastLinesAreKept) {
    const Row rows[] = {
        {"", 1, ""},
        {"\n", 1, ""},
        {"\r\n", 1, ""},
        {"a", 1, "a"},
        {"a\n", 1, "a"},
        {"a\nb\n", 1, "b"},
        {"a\nb", 1, "b"},
        {"a\nb\nc\n", 2, "b\nc"},
        {"a\nb\nc\n", 3, "a\nb\nc"},
        {"a\nb\nc\n", 1000, "a\nb\nc"},
        {"\n\na\n", 2, "\na"},
        {"a\n\n", 1, ""},
        {"a\n\n", 2, "a\n"},
        {"a\r\nb\r\n", 2, "a\nb"},
        {"1\r2\r3\n", 1, "1\\x0d2\\x0d3"},
        {"a\tb\x1b[2J\n", 5, "a\tb\\x1b[2J"},
        {"\xff\n\xe9t\xe9", 2, "\\xff\n\\xe9t\\xe9"},
    };
    for (const Row& row : rows) EXPECT_EQ(log_tail(row.log, row.lines), row.output) << row.log << " " << row.lines;
}

TEST(LogTail, WhatFitsIsKeptWhole) {
    const std::string whole(kMaxOutput, 'x');
    EXPECT_EQ(log_tail(whole, 1), whole);
    EXPECT_EQ(log_tail(whole + "\n", 1), whole);
    EXPECT_EQ(log_tail("a\n" + whole + "\r\n", 1), whole);
}

TEST(LogTail, OfTooMuchTheEndIsKeptFromALineOn) {
    std::string log;
    for (int i = 0; i < 1000; ++i) log += "line " + std::to_string(1000 + i) + "\n";
    const std::string output = log_tail(log, 1000);
    EXPECT_TRUE(output.starts_with(kLeftOut + "line 1")) << output.substr(0, 60);
    EXPECT_TRUE(output.ends_with("\nline 1999"));
    EXPECT_LE(output.size(), kMaxOutput);
    EXPECT_GT(output.size(), kMaxOutput - 10) << "no line more would fit";

    const std::string fits(kMaxOutput - kLeftOut.size(), 'x');
    EXPECT_EQ(log_tail(std::string(100, 'm') + "\n" + fits, 2), kLeftOut + fits)
        << "the line begins exactly where the room does";
}

TEST(LogTail, OfALongLineTheEndIsKeptFromACharacterOn) {
    EXPECT_EQ(log_tail(std::string(9000, 'x') + "\n", 1), kLeftOut + std::string(kMaxOutput - kLeftOut.size(), 'x'));
    for (const char* more : {"", "a", "ab", "abc"}) {
        std::string log;
        for (int i = 0; i < 3000; ++i) log += "\u96ea";
        const std::string output = log_tail(log + more, 1);
        EXPECT_TRUE(output.starts_with(kLeftOut + "\u96ea")) << more;
        EXPECT_TRUE(output.ends_with(more));
        EXPECT_LE(output.size(), kMaxOutput);
        EXPECT_GT(output.size(), kMaxOutput - 3);
    }
    const std::string short_end = log_tail(std::string(20000, 'x') + "\ndone\n", 50);
    EXPECT_EQ(short_end, kLeftOut + std::string(kMaxOutput - kLeftOut.size() - 5, 'x') + "\ndone");
    EXPECT_EQ(log_tail(std::string(20000, 'x') + "\n\n", 50).size(), kMaxOutput);
}

TEST(LogTail, WhatIsWrittenOutCounts) {
    for (const char* character : {"\x1b", "\xff", "\u202e", "\u0085"}) {
        std::string log;
        for (int i = 0; i < 4000; ++i) log += character;
        const std::string output = log_tail(log, 1);
        EXPECT_EQ(output.size(), kMaxOutput);
        EXPECT_TRUE(output.ends_with(api::visible(character)));
    }
}

}  // namespace
}  // namespace endoscope::controller
