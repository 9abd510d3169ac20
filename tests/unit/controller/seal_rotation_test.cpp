#include "controller/seal_rotation.hpp"

#include "kube/base/base64.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace endoscope::controller {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const kube::WallTime kNow = *kube::parse_time("2026-03-01T12:00:00Z");
const SealKeySettings kSettings{.rotation = 720h, .retention = 24h, .refresh = 30s};

SealKey key(const std::string& id) {
    SealKey result{.id = id};
    result.bytes.fill(static_cast<unsigned char>(id.back()));
    return result;
}

/// Key `k1` seals since the given time; the others were replaced when `old` says.
SealSecret content(kube::Duration age, const std::map<std::string, kube::Duration>& old = {}) {
    SealSecret result = first_content(key("k1"), kNow - std::chrono::duration_cast<std::chrono::microseconds>(age));
    for (const auto& [id, ago] : old) {
        result.ring.others.push_back(key(id));
        result.since[id] = kNow - std::chrono::duration_cast<std::chrono::microseconds>(ago);
    }
    return result;
}

std::vector<std::string> ids(const SealSecret& content) {
    std::vector<std::string> result = {content.ring.current.id};
    for (const SealKey& other : content.ring.others) result.push_back(other.id);
    std::ranges::sort(result);
    return result;
}

SealStep step(const SealSecret& of, kube::Duration unchanged_for = 0s, const SealKeySettings& settings = kSettings) {
    return next_step(of, kNow, unchanged_for, settings);
}

TEST(SealRotation, ANewKeyIsMadeWhenTheCurrentOneIsOldEnough) {
    EXPECT_EQ(step(content(0s)), SealStep::none);
    EXPECT_EQ(step(content(720h - 1s), 1h), SealStep::none);
    EXPECT_EQ(step(content(720h)), SealStep::begin);
    EXPECT_EQ(step(content(9000h), 1h, {.rotation = 0s}), SealStep::none) << "never";
}

TEST(SealRotation, ANewKeyIsMadeForEachNewValueOfTheAnnotation) {
    SealSecret asked = content(1h);
    asked.rotate = "please";
    ASSERT_EQ(step(asked, 0s, {.rotation = 0s}), SealStep::begin) << "also where there is no schedule";
    SealSecret begun = after_step(SealStep::begin, asked, kNow, kSettings, key("k2"));
    EXPECT_EQ(begun.rotated, "please");
    begun.rotate = "and again";
    EXPECT_EQ(step(begun), SealStep::none) << "one after the other";
    SealSecret promoted = after_step(SealStep::promote, begun, kNow, kSettings);
    EXPECT_EQ(step(promoted), SealStep::begin);
    promoted.rotate = "please";
    EXPECT_EQ(step(promoted), SealStep::none);
    promoted.rotate = "";
    EXPECT_EQ(step(promoted), SealStep::none) << "the annotation was taken away";
}

TEST(SealRotation, ANewKeySealsOnlyWhenAllHaveReadIt) {
    const SealSecret begun = after_step(SealStep::begin, content(720h), kNow, kSettings, key("k2"));
    EXPECT_EQ(begun.ring.current.id, "k1");
    EXPECT_EQ(ids(begun), (std::vector<std::string>{"k1", "k2"}));
    EXPECT_EQ(step(begun, 0s), SealStep::none);
    EXPECT_EQ(step(begun, 90s - 1ns), SealStep::none);
    ASSERT_EQ(step(begun, 90s), SealStep::promote);
    EXPECT_EQ(next_step(begun, kNow + 10000h, 89s, kSettings), SealStep::none) << "whatever the wall clock says";
    const SealSecret promoted = after_step(SealStep::promote, begun, kNow + 90s, kSettings);
    EXPECT_EQ(promoted.ring.current.id, "k2");
    EXPECT_EQ(promoted.ring.current.bytes, key("k2").bytes);
    EXPECT_EQ(promoted.next, "");
    EXPECT_EQ(ids(promoted), (std::vector<std::string>{"k1", "k2"})) << "the old one is still accepted";
    EXPECT_EQ(promoted.since.at("k1"), kNow + 90s);
    EXPECT_EQ(promoted.since.at("k2"), kNow + 90s);
    EXPECT_EQ(next_step(promoted, kNow + 90s + 720h - 1s, 0s, kSettings), SealStep::none);
}

TEST(SealRotation, AnOldKeyIsAcceptedForItsTime) {
    EXPECT_EQ(step(content(23h, {{"k0", 24h - 1s}}), 1h), SealStep::none);
    EXPECT_EQ(step(content(24h, {{"k0", 24h}}), 89s), SealStep::none) << "somebody may seal with it still";
    ASSERT_EQ(step(content(24h, {{"k0", 24h}}), 90s), SealStep::drop);
    const SealSecret dropped =
        after_step(SealStep::drop, content(24h, {{"k0", 24h}, {"ka", 23h}, {"kb", 48h}}), kNow, kSettings);
    EXPECT_EQ(ids(dropped), (std::vector<std::string>{"k1", "ka"}));
    EXPECT_EQ(dropped.since.size(), 2U);
    EXPECT_EQ(step(content(720h, {{"k0", 24h}}), 90s), SealStep::drop) << "before the next one is made";
}

TEST(SealRotation, KeysThatAreReplacedOneRightAfterTheOtherAreDropped) {
    SealSecret turning = content(0s, {{"k0", 24h}});
    turning.ring.others.push_back(key("k2"));
    turning.next = "k2";
    ASSERT_EQ(step(turning, 90s), SealStep::promote);
    EXPECT_EQ(ids(after_step(SealStep::promote, turning, kNow, kSettings)), (std::vector<std::string>{"k1", "k2"}));
}

TEST(SealRotation, KeysWithoutATimeAreAsOldAsTheirDiscovery) {
    struct Row {
        const char* what;
        SealSecret content;
        const char* dated;
    };
    SealSecret undated = content(1h);
    undated.since.clear();
    SealSecret ahead = content(-92s);
    SealSecret old = content(1h, {{"k0", 1h}});
    old.since.erase("k0");
    for (const auto& [what, of, dated] : {Row{"none", undated, "k1"}, Row{"of a clock that was ahead", ahead, "k1"},
                                          Row{"none of an old one", old, "k0"}}) {
        ASSERT_EQ(step(of), SealStep::date) << what;
        const SealSecret after = after_step(SealStep::date, of, kNow, kSettings);
        EXPECT_EQ(after.since.at(dated), kNow) << what;
        EXPECT_EQ(ids(after), ids(of)) << what;
        EXPECT_EQ(step(after), SealStep::none) << what;
    }
    EXPECT_EQ(step(content(-90s)), SealStep::none) << "clocks differ a little";
    // The one that is to seal next has none and needs none.
    EXPECT_EQ(step(after_step(SealStep::begin, content(1h), kNow, kSettings, key("k2"))), SealStep::none);
}

TEST(SealRotation, EveryStepLeadsOn) {
    // A day in the life, one look each 30 seconds: the leader is never stuck, and never without a key in use.
    SealKeySettings settings{.rotation = 5min, .retention = 20min, .refresh = 30s};
    SealSecret secret = first_content(key("k0"), kNow);
    int made = 0;
    std::size_t most = 0;
    kube::Duration unchanged{};
    for (kube::WallTime now = kNow; now < kNow + 24h; now += 30s, unchanged += 30s) {
        const SealStep next = next_step(secret, now, unchanged, settings);
        if (next == SealStep::none) continue;
        secret = after_step(next, std::move(secret), now, settings,
                            next == SealStep::begin ? key("n" + std::to_string(++made)) : SealKey());
        unchanged = 0s;
        most = std::max(most, ids(secret).size());
    }
    // Five minutes in use, and up to two more until all have read the next.
    EXPECT_GT(made, 24 * 60 / 7 - 2);
    EXPECT_LE(made, 24 * 60 / 5);
    EXPECT_GE(most, 4U);
    EXPECT_LE(most, 7U);
}

TEST(SealRotation, SettingsThatCannotWorkAreRefused) {
    struct Row {
        SealKeySettings settings;
        const char* flag;
    };
    const Row good[] = {{{}, ""},
                        {{.rotation = 0s}, ""},
                        {{.rotation = 20s, .retention = 1h, .refresh = 5s}, ""},
                        {{.rotation = 3s, .retention = 3s, .refresh = 1s}, ""}};
    for (const Row& row : good) EXPECT_EQ(validate(row.settings), "");
    const Row bad[] = {{{.refresh = 0s}, "--seal-key-refresh"},
                       {{.refresh = 11min}, "--seal-key-refresh"},
                       {{.rotation = 89s}, "--seal-key-rotation"},
                       {{.retention = 89s}, "--seal-key-retention"},
                       {{.rotation = 90s, .retention = 25h}, "--seal-key-retention"}};
    for (const Row& row : bad) EXPECT_TRUE(validate(row.settings).starts_with(row.flag)) << validate(row.settings);
}

TEST(SealSecret, IsReadAsItWasWritten) {
    SealSecret secret = content(1h, {{"k0", 2h}});
    secret = after_step(SealStep::begin, std::move(secret), kNow, kSettings, key("k2"));
    json stored = {{"metadata", {{"annotations", {{kRotateAnnotation, "now"}, {"theirs", "stays"}}}}},
                   {"data", {{"theirs", "c3RheXM="}, {"key-gone", "AAAA"}, {"since-gone", "AAAA"}}}};
    secret.rotated = "before";
    write_seal_secret(stored, secret);
    const auto read = parse_seal_secret(stored);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->ring.current.id, "k1");
    EXPECT_EQ(read->ring.current.bytes, key("k1").bytes);
    EXPECT_EQ(ids(*read), (std::vector<std::string>{"k0", "k1", "k2"}));
    EXPECT_EQ(read->next, "k2");
    EXPECT_EQ(read->since, secret.since);
    EXPECT_EQ(read->rotate, "now");
    EXPECT_EQ(read->rotated, "before");
    EXPECT_EQ(stored["data"]["theirs"], "c3RheXM=");
    EXPECT_EQ(stored["metadata"]["annotations"]["theirs"], "stays");
    EXPECT_FALSE(stored["data"].contains("key-gone") || stored["data"].contains("since-gone"));
    // What is over leaves nothing behind.
    write_seal_secret(stored, after_step(SealStep::promote, *read, kNow, kSettings));
    EXPECT_FALSE(stored["data"].contains("next"));
}

TEST(SealSecret, OneOfAnEarlierVersionHasNoTimes) {
    const auto read = parse_seal_secret(
        {{"data", {{"current", kube::base64_encode("a1")}, {"key-a1", kube::base64_encode(std::string(32, 'x'))}}}});
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(next_step(*read, kNow, 0s, kSettings), SealStep::date);
}

TEST(SealSecret, WhatCannotBeUnderstoodIsSaid) {
    const std::string bytes = kube::base64_encode(std::string(32, 'x'));
    const std::string a1 = kube::base64_encode("a1");
    struct Row {
        json data;
        const char* why;
    };
    const Row rows[] = {
        {nullptr, "has no data"},
        {json::array(), "has no data"},
        {{{"key-a1", bytes}}, "names no current key"},
        {{{"current", "%"}, {"key-a1", bytes}}, "names no current key"},
        {{{"current", a1}}, "lacks its current key"},
        {{{"current", a1}, {"key-a2", bytes}}, "lacks its current key"},
        {{{"current", a1}, {"key-a1", "AAAA"}}, "has a key-a1 that is not 32 bytes"},
        {{{"current", a1}, {"key-a1", bytes}, {"key-a2", 1}}, "has a key-a2 that is not 32 bytes"},
        {{{"current", a1}, {"key-a1", bytes}, {"key-a.b", bytes}},
         "has a key whose id is not 1 to 32 of A-Z, a-z, 0-9, _ and -"},
        {{{"current", a1}, {"key-a1", bytes}, {"key-", bytes}},
         "has a key whose id is not 1 to 32 of A-Z, a-z, 0-9, _ and -"},
        {{{"current", a1}, {"key-a1", bytes}, {"next", kube::base64_encode("a2")}}, "lacks its next key"},
        {{{"current", a1}, {"key-a1", bytes}, {"next", a1}}, "lacks its next key"},
        {{{"current", a1}, {"key-a1", bytes}, {"next", ""}}, "lacks its next key"},
    };
    for (const Row& row : rows) {
        const auto read = parse_seal_secret({{"data", row.data}});
        ASSERT_FALSE(read) << row.data;
        EXPECT_EQ(read.error(), row.why);
    }
}

}  // namespace
}  // namespace endoscope::controller
