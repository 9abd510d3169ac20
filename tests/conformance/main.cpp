// One test for each script, against the control plane that ENDOSCOPE_CONTROLPLANE names. What it answers is compared
// with the golden transcripts, which were recorded from a real API server: see README.md.
#include "tests/conformance/golden.hpp"
#include "tests/conformance/runner.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

namespace endoscope::conformance {
namespace {

constexpr int kSkipped = 77;  // what CMakeLists.txt tells ctest to read as skipped

std::string environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

bool is_real() {
    return environment("ENDOSCOPE_CONTROLPLANE") == "real";
}

std::string program() {
    return is_real() ? environment("ENDOSCOPE_CONTROLPLANE_BIN") : ENDOSCOPE_MODEL_APISERVER;
}

bool is_recording() {
    return environment("ENDOSCOPE_CONFORMANCE_RECORD") == "1";
}

/// The control plane that the tests of a run share, and what goes through it.
struct Shared {
    Plane plane{is_real(), program()};
    Runner runner{plane};
};

std::unique_ptr<Shared>& shared() {
    static std::unique_ptr<Shared> instance;
    return instance;
}

class EndOfRun final : public testing::Environment {
  public:
    void TearDown() override {
        if (!shared()) return;
        EXPECT_EQ(shared()->plane.stop(), "");
        shared().reset();
    }
};

class ScriptTest final : public testing::Test {
  public:
    explicit ScriptTest(std::string file) : file_(std::move(file)) {}
    void TestBody() override {
        const Script script = read_script(file_);
        if (script.only_model && is_real()) GTEST_SKIP() << "these are refusals of the model";
        if (!shared()) shared() = std::make_unique<Shared>();
        const Transcript transcript = shared()->runner.run(script);
        const std::string golden = std::string(ENDOSCOPE_CONFORMANCE_DIR) + "/golden/" + script.name + ".json";
        EXPECT_EQ(transcript.failure, "");
        if (is_recording() && (is_real() || script.only_model)) {
            std::ofstream(golden) << pretty(transcript.answers);
            return;
        }
        const json expected = json::parse(test::read_text(golden), nullptr, false);
        const std::string wrong = expected.is_object() ? compare(script, expected, transcript.answers, !is_real())
                                                       : golden + " cannot be read";
        if (!wrong.empty()) ADD_FAILURE() << wrong;
    }

  private:
    std::string file_;
};

/// "ephemeral_containers" -> "EphemeralContainers".
std::string test_name(const std::string& stem) {
    std::string out;
    bool upper = true;
    for (const char c : stem) {
        if (c != '_') out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        upper = c == '_';
    }
    return out;
}

void register_scripts() {
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(ENDOSCOPE_CONFORMANCE_DIR "/scripts")) {
        files.insert(entry.path());
    }
    for (const auto& file : files) {
        testing::RegisterTest("Conformance", test_name(file.stem().string()).c_str(), nullptr, nullptr, __FILE__,
                              __LINE__, [path = file.string()]() -> testing::Test* { return new ScriptTest(path); });
    }
}

}  // namespace
}  // namespace endoscope::conformance

int main(int argc, char** argv) {
    using namespace endoscope::conformance;
    testing::InitGoogleTest(&argc, argv);
    if (program().empty()) {
        std::cerr << "there is no real control plane here: ENDOSCOPE_CONTROLPLANE_BIN is not set "
                     "(tests/controlplane/build.sh prints it, and needs Go)\n";
        return environment("ENDOSCOPE_REQUIRE_CONTROLPLANE") == "1" ? 1 : kSkipped;
    }
    register_scripts();
    testing::AddGlobalTestEnvironment(new EndOfRun);
    return RUN_ALL_TESTS();
}
