#include "kube/base/memory.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace kube {
namespace {

/// A field of /proc/self/status, in KiB.
long status_kib(const std::string& field) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
    }
    return 0;
}

TEST(ReleaseStartUpMemory, GivesBackCodeAndGoesOn) {
    const long before = status_kib("RssFile");
    ASSERT_GT(before, 0);
    release_start_up_memory();
    const long after = status_kib("RssFile");
    EXPECT_GT(after, 0);
    EXPECT_LT(after, before);
}

}  // namespace
}  // namespace kube
