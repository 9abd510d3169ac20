#include "kube/client/warning.hpp"

#include <gtest/gtest.h>

namespace kube {
namespace {

using Texts = std::vector<std::string>;

TEST(Warnings, TextsAreUnquotedAndMayHoldUtf8) {
    EXPECT_EQ(parse_warnings(R"(299 - "v1 is deprecated")"), Texts{"v1 is deprecated"});
    EXPECT_EQ(parse_warnings(R"(299 - "say \"no\", or \\ \u")"), Texts{R"(say "no", or \ u)"});
    EXPECT_EQ(parse_warnings("299 kube \"gr\xc3\xbc\xc3\x9f\x65\""), Texts{"gr\xc3\xbc\xc3\x9f\x65"});
    EXPECT_EQ(parse_warnings(R"(299 - "a" "Wed, 21 Oct 2015 07:28:00 GMT")"), Texts{"a"});
}

TEST(Warnings, SeveralInOneHeader) {
    EXPECT_EQ(parse_warnings(R"(299 - "a, b",299 - "c" , ,	299 - "d")"), (Texts{"a, b", "c", "d"}));
}

TEST(Warnings, AMalformedOneLosesNoOther) {
    for (const char* bad : {"299", "299 -", "299 - x", R"(299 -"x")", R"(299 - "x" y)", "x \"a, 299 - b\"", "\"q\"",
                            R"(299 - "x""y")", R"(110 - "stale")", R"(299 - "")"}) {
        EXPECT_EQ(parse_warnings(std::string(R"(299 - "a", )") + bad + R"(, 299 - "b")"), (Texts{"a", "b"})) << bad;
    }
    EXPECT_EQ(parse_warnings(R"(299 - "a", 299 - "never ends)"), Texts{"a"});
    EXPECT_EQ(parse_warnings(R"(299 - "ends with \)"), Texts{});
    EXPECT_EQ(parse_warnings(""), Texts{});
}

TEST(Warnings, EachIsNewOnceAndTheMemoryIsBounded) {
    WarningMemory memory(2);
    EXPECT_TRUE(memory.is_new("a"));
    EXPECT_FALSE(memory.is_new("a"));
    EXPECT_TRUE(memory.is_new("b"));
    EXPECT_TRUE(memory.is_new("c"));
    EXPECT_FALSE(memory.is_new("c"));
    EXPECT_FALSE(memory.is_new("b"));
    EXPECT_TRUE(memory.is_new("a")) << "the oldest is forgotten";
}

}  // namespace
}  // namespace kube
