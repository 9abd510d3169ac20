#include "tests/upstream/oracle.hpp"

#include "tests/integration/subprocess.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace endoscope::test {
namespace {

constexpr std::chrono::seconds kLimit{200};

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// A directory of this process that is gone with the object.
class ScratchDirectory final {
  public:
    ScratchDirectory() {
        std::string path = std::filesystem::temp_directory_path() / "endoscope-upstream-XXXXXX";
        if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make " + path);
        path_ = path;
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    std::string file(std::string_view name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

}  // namespace

void require_program(const char* variable, const char* script) {
    if (!environment(variable).empty()) return;
    if (environment("ENDOSCOPE_REQUIRE_CONTROLPLANE") == "1") {
        FAIL() << variable << " is not set, and ENDOSCOPE_REQUIRE_CONTROLPLANE is";
    }
    GTEST_SKIP() << "upstream's answers need " << variable << " (" << script << ")";
}

std::vector<nlohmann::json> ask_program(const char* variable, const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& questions) {
    const ScratchDirectory scratch;
    {
        std::ofstream file(scratch.file("questions"), std::ios::binary);
        for (const std::string& question : questions) file << question << '\n';
        if (!file.flush()) throw std::runtime_error("cannot write the questions");
    }
    // The shell is there to redirect standard input, which Subprocess leaves as it is.
    std::vector<std::string> argv = {"/bin/sh", "-c", R"(questions=$1; shift; exec "$0" "$@" <"$questions")",
                                     environment(variable), scratch.file("questions")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    Subprocess oracle(argv, scratch.file("oracle"));
    if (oracle.wait(kLimit) != 0) throw std::runtime_error("the oracle failed: " + oracle.err());

    std::vector<nlohmann::json> answers;
    answers.reserve(questions.size());
    std::ifstream out(scratch.file("oracle.out"), std::ios::binary);
    for (std::string line; std::getline(out, line);) answers.push_back(nlohmann::json::parse(line));
    if (answers.size() != questions.size()) {
        throw std::runtime_error("the oracle answered " + std::to_string(answers.size()) + " of " +
                                 std::to_string(questions.size()) + " questions");
    }
    return answers;
}

void UpstreamTest::SetUp() {
    require_program("ENDOSCOPE_CONTROLPLANE_BIN", "tests/controlplane/build.sh");
}

std::vector<nlohmann::json> UpstreamTest::ask(std::string_view kind, const std::vector<std::string>& questions) {
    return ask_program("ENDOSCOPE_CONTROLPLANE_BIN", {"upstream", std::string(kind)}, questions);
}

std::size_t scaled(std::size_t count) {
    const std::string scale = environment("ENDOSCOPE_UPSTREAM_SCALE");
    return scale.empty() ? count : count * std::stoul(scale);
}

std::string shown(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace endoscope::test
