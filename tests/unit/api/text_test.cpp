#include "api/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace endoscope::api {
namespace {

using namespace std::string_literals;

TEST(Text, DnsLabel) {
    for (const auto& good : {"a"s, "a-b"s, "0"s, "a1"s, std::string(63, 'a')}) EXPECT_TRUE(is_dns_label(good)) << good;
    for (const auto& bad : {""s, "A"s, "-a"s, "a-"s, "a.b"s, "a_b"s, "a b"s, "a\n"s, std::string(64, 'a')}) {
        EXPECT_FALSE(is_dns_label(bad)) << bad;
    }
}

TEST(Text, DnsSubdomain) {
    for (const auto& good : {"a"s, "a.b"s, "web-0.x"s, std::string(253, 'a')})
        EXPECT_TRUE(is_dns_subdomain(good)) << good;
    for (const auto& bad : {""s, "."s, "a."s, ".a"s, "a..b"s, "A.b"s, "a/b"s, "a-.b"s, std::string(254, 'a')}) {
        EXPECT_FALSE(is_dns_subdomain(bad)) << bad;
    }
}

TEST(Text, Labels) {
    for (const auto& good : {"app"s, "app.kubernetes.io/name"s, "A_b.c-d"s}) EXPECT_TRUE(is_label_key(good)) << good;
    for (const auto& bad : {""s, "/x"s, "x/"s, "a/b/c"s, "A.b/x"s, "-x"s, std::string(64, 'a')}) {
        EXPECT_FALSE(is_label_key(bad)) << bad;
    }
    EXPECT_TRUE(is_label_value(""));
    EXPECT_TRUE(is_label_value("v1.2_3"));
    EXPECT_FALSE(is_label_value("a b"));
}

TEST(Text, EnvNames) {
    for (const auto& good : {"A"s, "_x"s, "a.b-c"s, "-"s}) EXPECT_TRUE(is_env_name(good)) << good;
    for (const auto& bad : {""s, "1A"s, "A=B"s, "A B"s, "."s, ".."s, "..a"s, "Ä"s})
        EXPECT_FALSE(is_env_name(bad)) << bad;
}

TEST(Text, ControlCharacters) {
    for (const auto& good : {""s, "plain"s, "ÄÖ 雪 🐳"s}) EXPECT_FALSE(has_control_characters(good)) << good;
    const std::string bad[] = {"a\nb",
                               "\x1b[31m",
                               "\0"s,
                               "\x7f",
                               "\xc2\x85" /* NEL */,
                               "\u2028",
                               "\xff",
                               "\xc0\xaf",
                               "\xed\xa0\x80" /* surrogate */,
                               "\xe2\x82" /* cut off */,
                               "\xf4\x90\x80\x80"};
    for (const auto& text : bad) EXPECT_TRUE(has_control_characters(text)) << text;
    EXPECT_EQ(printable("a\nb\xff\u2028雪"), "a?b??雪");
}

TEST(Text, VisibleWritesOutWhatATerminalWouldDo) {
    const std::pair<std::string, std::string> rows[] = {
        {"", ""},
        {"plain\n\ttext\n", "plain\n\ttext\n"},
        {"ÄÖ 雪 🐳", "ÄÖ 雪 🐳"},
        {"a\r\nb\rc\r", "a\nb\\x0dc\\x0d"},
        {"\r\r\n", "\\x0d\n"},
        {"\0\a\b\x1b[31m\x7f"s, "\\x00\\x07\\x08\\x1b[31m\\x7f"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0"},
        {"\u200d\u200e\u200f\u2010", "\u200d\\u200e\\u200f\u2010"},
        {"\u2027\u2028\u2029\u202a\u202e\u202f", "\u2027\\u2028\\u2029\\u202a\\u202e\u202f"},
        {"\u2065\u2066\u2069\u206a", "\u2065\\u2066\\u2069\u206a"},
        {"\ufeffx\u061c", "\\ufeffx\\u061c"},
        {"\xff\xc0\xaf\xed\xa0\x80", "\\xff\\xc0\\xaf\\xed\\xa0\\x80"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\\x1b", "\\x1b"},
    };
    for (const auto& [text, expected] : rows) {
        EXPECT_EQ(visible(text), expected);
        EXPECT_EQ(visible(expected), expected);
    }
}

TEST(Text, CountsCharactersNotBytes) {
    EXPECT_EQ(character_count("aÄ雪🐳"), 4U);
    EXPECT_EQ(character_count("\xff\xfe"), 2U);
}

TEST(Text, TruncatesAtACharacter) {
    EXPECT_EQ(truncated("abcdef", 6), "abcdef");
    EXPECT_EQ(truncated("abcdefg", 6), "abc...");
    EXPECT_EQ(truncated("abÄdefg", 6), "ab...");
    EXPECT_LE(truncated(std::string(3000, 'x'), 1024).size(), 1024U);
    EXPECT_EQ(truncated("abcdef", 2), "..");
}

}  // namespace
}  // namespace endoscope::api
