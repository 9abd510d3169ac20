#include "tests/model/storage.hpp"

#include <gtest/gtest.h>

namespace model {
namespace {

Json object(const std::string& name, int value = 0) {
    return {{"metadata", {{"name", name}}}, {"value", value}};
}

TEST(Storage, NumbersEveryWriteAndKeepsOldStatesListable) {
    Storage storage;
    const Object first = storage.put("t", "ns", "a", object("a", 1));
    storage.put("t", "ns", "b", object("b"));
    storage.put("t", "ns", "a", object("a", 2));
    storage.remove("t", "ns", "b");
    EXPECT_EQ(storage.list("t", "ns").size(), 1U);
    const auto version = std::stoull(string_at(*first, {"metadata", "resourceVersion"}));
    const auto then = storage.list_at("t", "ns", version + 1);
    ASSERT_TRUE(then.has_value());
    ASSERT_EQ(then->size(), 2U);
    EXPECT_EQ((*(*then)[0])["value"], 1);
    EXPECT_EQ(storage.version(), version + 3);
}

TEST(Storage, ARemovalCarriesItsOwnVersion) {
    Storage storage;
    storage.put("t", "", "a", object("a"));
    const Object last = storage.remove("t", "", "a");
    EXPECT_EQ(string_at(*last, {"metadata", "resourceVersion"}), std::to_string(storage.version()));
    EXPECT_EQ(storage.remove("t", "", "a"), nullptr);
}

TEST(Storage, ForgetsBeyondTheLimitAndByCompaction) {
    Storage storage(2);
    for (int i = 0; i < 4; ++i) storage.put("t", "", "a", object("a", i));
    EXPECT_EQ(storage.history().size(), 2U);
    EXPECT_EQ(storage.compacted(), storage.version() - 2);
    EXPECT_FALSE(storage.list_at("t", "", 1).has_value());
    storage.compact(storage.version());
    EXPECT_TRUE(storage.history().empty());
    EXPECT_TRUE(storage.list_at("t", "", storage.version()).has_value());
}

TEST(Storage, NamespacesDoNotLeakIntoEachOther) {
    Storage storage;
    storage.put("t", "a", "x", object("x"));
    storage.put("t", "ab", "x", object("x"));
    EXPECT_EQ(storage.list("t", "a").size(), 1U);
    EXPECT_EQ(storage.list("t", "").size(), 2U);
}

}  // namespace
}  // namespace model
