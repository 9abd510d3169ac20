#include "tests/support/documented_tests.hpp"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace endoscope::test {

namespace {

const std::filesystem::path kRoot = ENDOSCOPE_SOURCE_DIR;

}  // namespace

std::string read_source(const std::string& path) {
    std::ifstream file(kRoot / path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::set<std::string> all_tests() {
    static const std::regex kTest(R"(TEST(?:_F|_P)?\(\s*([A-Za-z0-9]+),\s*([A-Za-z0-9]+)\))");
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / "tests")) {
        if (entry.path().extension() != ".cpp") continue;
        const std::string text = read_source(std::filesystem::relative(entry.path(), kRoot).string());
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

std::vector<std::string> tests_named_in(const std::string& page) {
    static const std::regex kName(R"(\b([A-Z][A-Za-z0-9]+\.(?:[A-Z][A-Za-z0-9]+|\*)))");
    std::vector<std::string> names;
    for (std::sregex_iterator at(page.begin(), page.end(), kName), end; at != end; ++at) {
        names.push_back((*at)[1].str());
    }
    return names;
}

}  // namespace endoscope::test
