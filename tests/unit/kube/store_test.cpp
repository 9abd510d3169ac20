#include "kube/runtime/store.hpp"

#include "kube/base/json.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <random>
#include <stdexcept>

namespace kube {
namespace {

namespace asio = boost::asio;
using Words = std::vector<std::string>;

nlohmann::json object(const std::string& name, const std::string& value) {
    return {{"metadata", {{"name", name}}}, {"value", value}};
}

/// A store of words, found by each of their letters.
struct Fixture {
    Fixture()
        : store(
              [](const nlohmann::json& o) {
                  if (!o.at("value").is_string()) throw std::runtime_error("no projection");
                  return std::pair(object_key(o), o.at("value").get<std::string>());
              },
              object_key) {
        store.add_index("letter", [](const std::string& word) {
            Words letters;
            for (const char c : word) letters.emplace_back(1, c);
            return letters;
        });
        store.on_change([this](const std::string& key, const auto& before, const auto& after) {
            told.push_back(key + ":" + (before ? *before : "") + ">" + (after ? *after : "") +
                           (store.priority() == 0 ? "" : " low"));
        });
    }
    Words with_letter(const std::string& letter) const {
        Words words;
        for (const auto& word : store.by_index("letter", letter)) words.push_back(*word);
        std::ranges::sort(words);
        return words;
    }
    void replace(const std::vector<nlohmann::json>& objects) {
        store.begin_replace();
        for (const auto& o : objects) store.replace_item(o);
        store.end_replace();
    }

    Store<std::string> store;
    Words told;
};

TEST(Store, IndicesAreKeptInStep) {
    Fixture f;
    f.replace({object("1", "ab"), object("2", "bc")});
    EXPECT_EQ(f.with_letter("b"), (Words{"ab", "bc"}));
    f.store.upsert(object("2", "cd"));
    EXPECT_EQ(f.with_letter("b"), Words{"ab"});
    EXPECT_EQ(f.with_letter("c"), Words{"cd"});
    f.store.remove(object("1", "whatever it was at the end"));
    EXPECT_EQ(f.with_letter("a"), Words{});
    f.replace({object("3", "a")});
    EXPECT_EQ(f.with_letter("a"), Words{"a"});
    EXPECT_EQ(f.with_letter("d"), Words{});
    f.store.add_index("length", [](const std::string& word) { return Words{std::to_string(word.size())}; });
    EXPECT_EQ(f.store.by_index("length", "1").size(), 1U) << "what is there already is found";
    EXPECT_TRUE(f.store.by_index("no such index", "1").empty());
}

TEST(Store, IndicesEqualASearchAfterAnyChanges) {
    Fixture f;
    std::mt19937 random(5);
    const auto word = [&] { return std::string(random() % 4, static_cast<char>('a' + random() % 3)); };
    for (int i = 0; i < 3000; ++i) {
        const std::string name = std::to_string(random() % 20);
        switch (random() % 8) {
            case 0:
                f.replace({object(name, word()), object("x", word())});
                break;
            case 1:
            case 2:
                f.store.remove(object(name, ""));
                break;
            default:
                f.store.upsert(object(name, word()));
        }
        for (const std::string letter : {"a", "b", "c"}) {
            std::size_t expected = 0;
            for (const auto& stored : f.store.list()) {
                expected += static_cast<std::size_t>(std::ranges::count(*stored, letter[0]));
            }
            ASSERT_EQ(f.with_letter(letter).size(), expected);
        }
    }
}

TEST(Store, ASnapshotOutlivesItsObject) {
    Fixture f;
    f.store.upsert(object("1", "ab"));
    const auto seen = f.store.get("1");
    f.store.upsert(object("1", "cd"));
    f.store.remove(object("1", "cd"));
    EXPECT_EQ(*seen, "ab");
}

TEST(Store, WhatAListLacksIsToldAsDeletedWithItsLastState) {
    Fixture f;
    f.replace({object("1", "a")});
    f.replace({});
    f.store.remove(object("1", "a"));  // seen before: nothing to tell
    EXPECT_EQ(f.told, (Words{"1:>a low", "1:a>"}));
}

TEST(Store, HandlersSeeTheWholeNewState) {
    Fixture f;
    std::size_t least = 100;
    f.store.on_change([&](const std::string&, const auto&, const auto&) {
        least = std::min({least, f.store.size(), f.store.by_index("letter", "a").size()});
    });
    f.replace({object("1", "a"), object("2", "a"), object("3", "a")});
    EXPECT_EQ(least, 3U);
}

TEST(Store, OnlyTheFirstListAndAResyncAreOfLowPriority) {
    Fixture f;
    f.replace({object("1", "a")});
    f.store.upsert(object("1", "b"));
    f.store.resync();
    f.replace({object("1", "c")});
    EXPECT_EQ(f.told, (Words{"1:>a low", "1:a>b", "1:b>b low", "1:b>c"}));
}

TEST(Store, AnObjectThatCannotBeProjectedStaysAsItWas) {
    Fixture f;
    f.replace({object("1", "a"), object("2", "b")});
    f.store.begin_replace();
    f.store.replace_item(object("2", "c"));
    const nlohmann::json odd = {{"metadata", {{"name", "1"}}}, {"value", 7}};
    EXPECT_THROW(f.store.replace_item(odd), std::runtime_error);
    f.store.end_replace();
    EXPECT_THROW(f.store.upsert(odd), std::runtime_error);
    EXPECT_EQ(*f.store.get("1"), "a");
    EXPECT_EQ(*f.store.get("2"), "c");
    EXPECT_EQ(f.store.size(), 2U);
}

asio::awaitable<void> resyncs() {
    const auto executor = co_await asio::this_coro::executor;
    test::ManualClock clock;
    Fixture f;
    f.store.upsert(object("1", "a"));
    f.told.clear();
    std::stop_source stop;
    test::spawn(executor, run_resync(clock, f.store, std::chrono::hours(10), 1, stop.get_token()));
    co_await test::settle();
    clock.advance(std::chrono::hours(9) - std::chrono::seconds(1));
    co_await test::settle();
    EXPECT_TRUE(f.told.empty());
    clock.advance(std::chrono::hours(2) + std::chrono::seconds(1));
    co_await test::settle();
    EXPECT_EQ(f.told, Words{"1:a>a low"});
    clock.advance(std::chrono::hours(11));
    co_await test::settle();
    EXPECT_EQ(f.told.size(), 2U);
    stop.request_stop();
    co_await test::settle();
    EXPECT_EQ(clock.pending(), 0U);
}
TEST(Store, AResyncTellsEverythingAgainWithoutAList) {
    test::run_coro(resyncs());
}

}  // namespace
}  // namespace kube
