#include "api/condition.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace endoscope::api {
namespace {

Condition condition(std::string type, ConditionStatus status, std::string time, std::string message = "") {
    return {.type = std::move(type),
            .status = status,
            .reason = "Allowed",
            .message = std::move(message),
            .last_transition_time = std::move(time)};
}

TEST(Condition, TransitionTimeIsKeptWhileTheStatusIs) {
    std::vector<Condition> list;
    EXPECT_TRUE(set_condition(list, condition("Ready", ConditionStatus::is_false, "t1")));
    EXPECT_TRUE(set_condition(list, condition("Started", ConditionStatus::is_true, "t1")));
    EXPECT_TRUE(set_condition(list, condition("Ready", ConditionStatus::is_false, "t2", "other")));
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0].last_transition_time, "t1");
    EXPECT_EQ(list[0].message, "other");
    EXPECT_FALSE(set_condition(list, condition("Ready", ConditionStatus::is_false, "t3", "other")));
    EXPECT_TRUE(set_condition(list, condition("Ready", ConditionStatus::is_true, "t4")));
    EXPECT_EQ(find_condition(list, "Ready")->last_transition_time, "t4");
    EXPECT_EQ(find_condition(list, "Stalled"), nullptr);
}

TEST(Condition, JsonRoundTrip) {
    std::vector<Condition> list{condition("Ready", ConditionStatus::unknown, "2026-01-01T00:00:00Z", "m")};
    list[0].observed_generation = 4;
    const auto json = to_json(list);
    EXPECT_EQ(json[0]["status"], "Unknown");
    EXPECT_EQ(parse_conditions(json), list);
}

TEST(Condition, WhatIsNoConditionIsLeftOut) {
    const auto json = nlohmann::json::parse(
        R"([1, null, {}, {"type":"A"}, {"type":"A","status":true}, {"type":"B","status":"True"}, {"status":"True"}])");
    const auto list = parse_conditions(json);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(list[0].type, "B");
    EXPECT_TRUE(parse_conditions("text").empty());
}

}  // namespace
}  // namespace endoscope::api
