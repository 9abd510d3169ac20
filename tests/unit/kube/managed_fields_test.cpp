#include "kube/client/managed_fields.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kube {
namespace {

TEST(ManagedFields, AreCutOutOfAnObject) {
    EXPECT_EQ(without_managed_fields(
                  R"({"metadata":{"name":"a","managedFields":[{"f":{"k:{\"a\":[}":{}}},["]"]],"uid":"u"},"x":1})"),
              R"({"metadata":{"name":"a","managedFields":null,"uid":"u"},"x":1})");
    EXPECT_EQ(without_managed_fields(R"([{"managedFields":[]},{"managedFields":[1]}])"),
              R"([{"managedFields":null},{"managedFields":null}])");
}

TEST(ManagedFields, NothingElseIsTouched) {
    for (const char* text :
         {"", "{}", R"({"managedFields":"[1]"})", R"({"managedFields":{"a":[1]}})", R"({"a":"\"managedFields\":[1]"})",
          R"({"xmanagedFields":[1]})", R"({"managedFields": [1]})"}) {
        EXPECT_EQ(without_managed_fields(text), text);
    }
}

TEST(ManagedFields, ATextCutShortDoesNotBecomeWhole) {
    const std::string whole = R"({"a":{"managedFields":[{"b":"\\"}]}})";
    for (std::size_t size = 1; size < whole.size(); ++size) {
        const std::string cut = without_managed_fields(whole.substr(0, size));
        EXPECT_FALSE(nlohmann::json::accept(cut)) << cut;
    }
    EXPECT_TRUE(nlohmann::json::accept(without_managed_fields(whole)));
}

}  // namespace
}  // namespace kube
