#include "kube/client/list_splitter.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kube {
namespace {

constexpr std::string_view kPage =
    R"({"kind":"PodList","metadata":{"resourceVersion":"42","continue":"abc"},"items":[)"
    R"({"metadata":{"name":"a","annotations":{"x":"}]\"{[\\"}}},{"metadata":{"name":"b"},"items":[{"deep":1}]}],"extra":[1,{"items":[2]}]})";

struct Split {
    std::vector<std::string> items;
    Result<void> result;
    std::string resource_version;
    std::string continue_token;
};

Split split(std::string_view text, std::size_t piece) {
    Split out;
    ListSplitter splitter([&](std::string_view item) -> Result<void> {
        out.items.emplace_back(item);
        return {};
    });
    for (std::size_t i = 0; i < text.size() && out.result; i += piece)
        out.result = splitter.feed(text.substr(i, piece));
    if (out.result) out.result = splitter.finish();
    out.resource_version = splitter.resource_version();
    out.continue_token = splitter.continue_token();
    return out;
}

TEST(ListSplitter, YieldsEachItemWholeHoweverTheBytesArrive) {
    for (std::size_t piece = 1; piece <= kPage.size(); ++piece) {
        const Split out = split(kPage, piece);
        ASSERT_TRUE(out.result) << out.result.error().message;
        ASSERT_EQ(out.items.size(), 2U) << "in pieces of " << piece;
        EXPECT_EQ(out.items[0], R"({"metadata":{"name":"a","annotations":{"x":"}]\"{[\\"}}})");
        EXPECT_EQ(out.items[1], R"({"metadata":{"name":"b"},"items":[{"deep":1}]})");
        EXPECT_EQ(out.resource_version, "42");
        EXPECT_EQ(out.continue_token, "abc");
    }
}

TEST(ListSplitter, ItemsBeforeMetadataAndNullItems) {
    const Split swapped = split(R"({"items":[{"a":1}],"metadata":{"resourceVersion":"7"}})", 3);
    ASSERT_TRUE(swapped.result);
    EXPECT_EQ(swapped.items, std::vector<std::string>{R"({"a":1})"});
    EXPECT_EQ(swapped.resource_version, "7");
    const Split null = split(R"({"metadata":{"resourceVersion":"7"},"items":null})", 5);
    ASSERT_TRUE(null.result);
    EXPECT_TRUE(null.items.empty());
}

TEST(ListSplitter, RefusesWhatIsNotAWholeList) {
    EXPECT_EQ(split(kPage.substr(0, kPage.size() - 1), 7).result.error().kind, ErrorKind::transport);
    EXPECT_EQ(split("[1]", 1).result.error().kind, ErrorKind::malformed);
    EXPECT_EQ(split("404 page not found\n", 4).result.error().kind, ErrorKind::transport);
    EXPECT_EQ(split(R"({"items":[]})", 4).result.error().kind, ErrorKind::malformed);  // no resourceVersion
    EXPECT_EQ(split("}", 1).result.error().kind, ErrorKind::malformed);
}

TEST(ListSplitter, BoundsOneItem) {
    ListSplitter splitter([](std::string_view) -> Result<void> { return {}; }, 64);
    const std::string text = R"({"items":[{"a":")" + std::string(200, 'x') + R"("}]})";
    const auto fed = splitter.feed(text);
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().kind, ErrorKind::malformed);
}

TEST(ListSplitter, AnErrorOfTheHandlerEndsTheList) {
    ListSplitter splitter([](std::string_view) -> Result<void> { return fail(ErrorKind::malformed, "no"); });
    EXPECT_FALSE(splitter.feed(kPage));
}

}  // namespace
}  // namespace kube
