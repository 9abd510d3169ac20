#include "tests/model/patch.hpp"

#include <gtest/gtest.h>

namespace model {
namespace {

Json strategic(const char* target, const char* patch) {
    const auto out = strategic_merge_patch("Pod", Json::parse(target), Json::parse(patch));
    return out ? *out : Json(out.error().message);
}

std::vector<std::string> names(const Json& pod) {
    std::vector<std::string> out;
    for (const Json& one : array_at(pod, {"spec", "ephemeralContainers"})) out.push_back(string_at(one, {"name"}));
    return out;
}

TEST(StrategicMerge, NewEphemeralContainersComeFirst) {
    const Json out = strategic(R"({"spec":{"ephemeralContainers":[{"name":"a"},{"name":"b"}]}})",
                               R"({"spec":{"ephemeralContainers":[{"name":"c","image":"x"}]}})");
    EXPECT_EQ(names(out), (std::vector<std::string>{"c", "a", "b"}));
}

TEST(StrategicMerge, AnExistingNameIsMergedInPlace) {
    const Json out = strategic(R"({"spec":{"ephemeralContainers":[{"name":"a","image":"x"},{"name":"b","tty":true}]}})",
                               R"({"spec":{"ephemeralContainers":[{"name":"b","stdin":true}]}})");
    EXPECT_EQ(names(out), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(out["spec"]["ephemeralContainers"][1], Json::parse(R"({"name":"b","tty":true,"stdin":true})"));
}

TEST(StrategicMerge, DirectivesDeleteReplaceAndOrder) {
    EXPECT_EQ(names(strategic(R"({"spec":{"ephemeralContainers":[{"name":"a"},{"name":"b"}]}})",
                              R"({"spec":{"ephemeralContainers":[{"name":"a","$patch":"delete"}]}})")),
              (std::vector<std::string>{"b"}));
    EXPECT_EQ(names(strategic(R"({"spec":{"ephemeralContainers":[{"name":"a"},{"name":"b"}]}})",
                              R"({"spec":{"ephemeralContainers":[{"$patch":"replace"},{"name":"z"}]}})")),
              (std::vector<std::string>{"z"}));
    EXPECT_EQ(names(strategic(R"({"spec":{"ephemeralContainers":[{"name":"a"},{"name":"b"}]}})",
                              R"({"spec":{"$setElementOrder/ephemeralContainers":[{"name":"b"},{"name":"a"}]}})")),
              (std::vector<std::string>{"b", "a"}));
}

TEST(StrategicMerge, StatusListsAreReplacedAndConditionsMerged) {
    const Json out = strategic(
        R"({"status":{"conditions":[{"type":"A","status":"True"}],"containerStatuses":[{"name":"x"},{"name":"y"}]}})",
        R"({"status":{"conditions":[{"type":"B","status":"False"}],"containerStatuses":[{"name":"z"}]}})");
    EXPECT_EQ(out["status"]["conditions"].size(), 2U);
    EXPECT_EQ(out["status"]["containerStatuses"].size(), 1U);
}

TEST(StrategicMerge, PrimitiveListsAndNulls) {
    const Json out = strategic(R"({"metadata":{"finalizers":["a","b"],"labels":{"x":"1","y":"2"}}})",
                               R"({"metadata":{"finalizers":["c"],"$deleteFromPrimitiveList/finalizers":["a"],
                                   "labels":{"x":null}}})");
    EXPECT_EQ(out["metadata"]["finalizers"], Json::parse(R"(["b","c"])"));
    EXPECT_EQ(out["metadata"]["labels"], Json::parse(R"({"y":"2"})"));
}

TEST(StrategicMerge, AMissingMergeKeyIsTheServersError) {
    const auto out = strategic_merge_patch("Pod", Json::object(),
                                           Json::parse(R"({"spec":{"ephemeralContainers":[{"image":"x"}]}})"));
    ASSERT_FALSE(out.has_value());
    EXPECT_EQ(out.error().code, 500);
    EXPECT_EQ(out.error().message, "map: map[image:x] does not contain declared merge key: name");
}

TEST(MergePatch, NullRemovesAndListsAreReplaced) {
    EXPECT_EQ(merge_patch(Json::parse(R"({"a":1,"b":{"c":[1,2]}})"), Json::parse(R"({"a":null,"b":{"c":[3]}})")),
              Json::parse(R"({"b":{"c":[3]}})"));
}

TEST(JsonPatch, EveryFailureIsThe422ThatTellsNothing) {
    for (const char* patch : {R"([{"op":"test","path":"/a","value":2}])", R"([{"op":"remove","path":"/nope"}])",
                              R"([{"op":"frob","path":"/a"}])", R"([{"op":"add"}])", R"([1])"}) {
        const auto out = json_patch(Json::parse(R"({"a":1})"), Json::parse(patch));
        ASSERT_FALSE(out.has_value()) << patch;
        EXPECT_EQ(out.error().code, 422);
        EXPECT_EQ(out.error().reason, "Invalid");
    }
    EXPECT_EQ(json_patch(Json::object(), Json::object()).error().code, 400);
}

}  // namespace
}  // namespace model
