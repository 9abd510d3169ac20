#include "kube/base/lru_map.hpp"

#include <gtest/gtest.h>

#include <string>

namespace kube {
namespace {

TEST(LruMap, TheLeastRecentlyUsedGivesWay) {
    LruMap<std::string, int> map(2);
    EXPECT_FALSE(map.insert("a", 1));
    EXPECT_FALSE(map.insert("b", 2));
    ASSERT_NE(map.find("a"), nullptr);
    EXPECT_EQ(map.insert("c", 3), 2);
    EXPECT_EQ(map.find("b"), nullptr);
    EXPECT_EQ(*map.find("a"), 1);
    EXPECT_FALSE(map.insert("a", 9)) << "replaced, not added";
    EXPECT_EQ(*map.find("a"), 9);
    EXPECT_EQ(map.size(), 2U);
    EXPECT_EQ(map.entries().front().first, "a");
    map.erase("a");
    map.erase("never there");
    EXPECT_EQ(map.find("a"), nullptr);
    EXPECT_EQ(map.size(), 1U);
}

}  // namespace
}  // namespace kube
