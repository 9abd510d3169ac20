// Holds docs/machinery.md to the tests that it names.
#include "tests/support/documented_tests.hpp"

#include <gtest/gtest.h>

#include <regex>

namespace endoscope::test {
namespace {

const std::string kPage = "docs/machinery.md";

TEST(MachineryPage, EveryTestItNamesExists) {
    const auto known = all_tests();
    const auto named = tests_named_in(read_source(kPage));
    for (const auto& name : named) EXPECT_TRUE(known.contains(name)) << name << " is named and does not exist";
    EXPECT_GT(named.size(), 300U);
}

TEST(MachineryPage, EveryMutantItNamesExists) {
    const std::string page = read_source(kPage);
    static const std::regex kMutant("mutant `([a-z0-9-]+)`");
    for (std::sregex_iterator at(page.begin(), page.end(), kMutant), end; at != end; ++at) {
        EXPECT_NE(read_source("tests/simulation/mutants/" + (*at)[1].str() + ".patch"), "") << (*at)[1].str();
    }
}

}  // namespace
}  // namespace endoscope::test
