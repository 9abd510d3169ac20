// Runs the suites against the control plane that ENDOSCOPE_CONTROLPLANE names, or says in one line why it cannot.
#include "tests/integration/control_plane.hpp"
#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace {

constexpr int kSkipped = 77;  // what CMakeLists.txt tells ctest to read as skipped

/// Ends what all tests of the run shared, and fails the run when that does not end well.
class EndOfRun final : public testing::Environment {
  public:
    void TearDown() override {
        endoscope::test::EndoscopeTest::end_operator();
        endoscope::test::ControlPlane::shut_down();
    }
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    const std::string why_not = endoscope::test::ControlPlane::why_not();
    if (!why_not.empty()) {
        std::cerr << why_not << '\n';
        const char* const required = std::getenv("ENDOSCOPE_REQUIRE_CONTROLPLANE");
        return required != nullptr && std::string(required) == "1" ? 1 : kSkipped;
    }
    testing::AddGlobalTestEnvironment(new EndOfRun);
    return RUN_ALL_TESTS();
}
