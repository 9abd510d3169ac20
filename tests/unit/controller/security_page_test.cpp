// docs/security.md names a defence for every known attack, and a test for every defence: neither may be made up.
#include "tests/support/documented_tests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <sstream>

namespace endoscope::test {
namespace {

constexpr int kAttacks = 32;
constexpr std::size_t kCells = 3;  // attack, what stops it, what shows it

/// The cells of the table row that begins with `first`; none when there is no such row.
std::vector<std::string> row(const std::string& page, const std::string& first) {
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| **" + first + "** ")) continue;
        std::vector<std::string> cells;
        std::istringstream parts(line.substr(1));
        for (std::string cell; std::getline(parts, cell, '|');) cells.push_back(cell);
        return cells;
    }
    return {};
}

TEST(SecurityPage, EveryTestItNamesExists) {
    const auto known = all_tests();
    const auto named = tests_named_in(read_source("docs/security.md"));
    for (const auto& name : named) EXPECT_TRUE(known.contains(name)) << name << " is named and does not exist";
    EXPECT_GT(named.size(), 60U);
}

TEST(SecurityPage, EveryAttackHasARowWithATestOrAReason) {
    const std::string page = read_source("docs/security.md");
    for (int number = 1; number <= kAttacks; ++number) {
        const auto cells = row(page, "H" + std::to_string(number));
        ASSERT_EQ(cells.size(), kCells) << "H" << number;
        const bool is_shown = !tests_named_in(cells[2]).empty();
        EXPECT_TRUE(is_shown || cells[2].contains("Accepted:")) << "H" << number << ":" << cells[2];
    }
}

TEST(SecurityPage, EveryTestThatIsNamedAfterAnAttackIsInItsRow) {
    const std::string page = read_source("docs/security.md");
    static const std::regex kNamed(R"(\.(H[0-9]+)[A-Z])");
    for (const auto& name : all_tests()) {
        std::smatch attack;
        if (!std::regex_search(name, attack, kNamed)) continue;
        const auto cells = row(page, attack[1].str());
        ASSERT_EQ(cells.size(), kCells) << name;
        const auto shown = tests_named_in(cells[2]);
        const std::string suite = name.substr(0, name.find('.')) + ".*";
        const auto is_named = [&](const std::string& one) { return one == name || one == suite; };
        EXPECT_TRUE(std::ranges::any_of(shown, is_named)) << name;
    }
}

}  // namespace
}  // namespace endoscope::test
