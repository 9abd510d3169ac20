// Holds docs/machinery.md to the tests that it names.

#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace {

const std::filesystem::path kRoot = ENDOSCOPE_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// "Suite.Test" of every test in the tree, and "Suite.*".
std::set<std::string> all_tests() {
    static const std::regex kTest(R"(TEST(?:_F|_P)?\(\s*([A-Za-z0-9]+),\s*([A-Za-z0-9]+)\))");
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / "tests")) {
        if (entry.path().extension() != ".cpp") continue;
        const std::string text = read(entry.path());
        for (std::sregex_iterator at(text.begin(), text.end(), kTest), end; at != end; ++at) {
            names.insert((*at)[1].str() + "." + (*at)[2].str());
            names.insert((*at)[1].str() + ".*");
        }
    }
    // One test for each script, named like its file.
    for (const auto& entry : std::filesystem::directory_iterator(kRoot / "tests" / "conformance" / "scripts")) {
        std::string name;
        bool is_first = true;
        for (const char c : entry.path().stem().string()) {
            if (c != '_') name += is_first ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
            is_first = c == '_';
        }
        names.insert("Conformance." + name);
    }
    return names;
}

TEST(MachineryPage, EveryTestItNamesExists) {
    const std::set<std::string> known = all_tests();
    const std::string page = read(kRoot / "docs" / "machinery.md");
    static const std::regex kName(R"(\b([A-Z][A-Za-z0-9]+\.(?:[A-Z][A-Za-z0-9]+|\*)))");
    std::size_t named = 0;
    for (std::sregex_iterator at(page.begin(), page.end(), kName), end; at != end; ++at) {
        ++named;
        EXPECT_TRUE(known.contains((*at)[1].str())) << (*at)[1].str() << " is named and does not exist";
    }
    EXPECT_GT(named, 300U);
}

TEST(MachineryPage, EveryMutantItNamesExists) {
    const std::string page = read(kRoot / "docs" / "machinery.md");
    static const std::regex kMutant("mutant `([a-z0-9-]+)`");
    for (std::sregex_iterator at(page.begin(), page.end(), kMutant), end; at != end; ++at) {
        const auto patch = kRoot / "tests" / "simulation" / "mutants" / ((*at)[1].str() + ".patch");
        EXPECT_TRUE(std::filesystem::exists(patch)) << patch.filename();
    }
}

}  // namespace
