#include "controller/image_pattern.hpp"
#include "tests/bench/allocation_count.hpp"

#include <gtest/gtest.h>

#include <new>
#include <string>
#include <vector>

namespace endoscope::bench {
namespace {

using controller::ImagePattern;
using controller::ImageReference;

std::string repeated(std::string_view text, std::size_t times) {
    std::string result;
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
}

TEST(NoAllocation, TheCountCounts) {
    const std::uint64_t before = allocation_count();
    // A path too long to be kept inside a std::string: the code that is measured allocates, and it is seen.
    const auto reference = controller::parse_image_reference("ghcr.io/acme/a/path/that/is/rather/long:1");
    EXPECT_TRUE(reference);
    const std::uint64_t parsed = allocation_count();
    EXPECT_GT(parsed, before);
    // The other forms end in the same count.
    constexpr std::align_val_t kLine{64};
    ::operator delete[](::operator new[](1));
    ::operator delete(::operator new(1, std::nothrow), std::nothrow);
    ::operator delete(::operator new(1, kLine), kLine);
    EXPECT_EQ(allocation_count() - parsed, 3U);
}

TEST(NoAllocation, PerPatternMatch) {
    const std::string digest = "sha256:" + repeated("5eb0", 16);
    std::vector<ImagePattern> patterns;
    // Every kind of part, and such as take the most steps back.
    for (const std::string& text :
         {std::string("busybox"), std::string("docker.io/library/busybox:1.*"), std::string("ghcr.io/acme/**"),
          std::string("ghcr.io/**/a*b*c/**"), std::string("**"), std::string("**:*1*2*"), "**@" + digest,
          "ghcr.io/*/x:*@" + digest, "ghcr.io/" + repeated("**/a*/", 20) + "b", "ghcr.io/" + repeated("*a", 60)}) {
        auto pattern = ImagePattern::parse(text);
        ASSERT_TRUE(pattern) << text << ": " << pattern.error();
        patterns.push_back(*std::move(pattern));
    }
    std::vector<ImageReference> references;
    for (const std::string& text :
         {std::string("busybox:1.36"), std::string("ghcr.io/acme"), std::string("ghcr.io/acme/tools/aabbcc:1.2"),
          "ghcr.io/acme/x:1@" + digest, "ghcr.io/" + repeated("aaa/", 60) + "c", "ghcr.io/" + repeated("a", 250)}) {
        auto reference = controller::parse_image_reference(text);
        ASSERT_TRUE(reference) << text << ": " << reference.error();
        references.push_back(*std::move(reference));
    }
    for (const ImagePattern& pattern : patterns) {
        for (const ImageReference& reference : references) {
            const std::uint64_t before = allocation_count();
            const bool allows = pattern.matches(reference, ImagePattern::Use::allow);
            const bool denies = pattern.matches(reference, ImagePattern::Use::deny);
            const std::uint64_t after = allocation_count();
            EXPECT_EQ(after, before) << pattern.text() << " against " << reference.canonical();
            EXPECT_TRUE(denies || !allows);
        }
    }
}

}  // namespace
}  // namespace endoscope::bench
