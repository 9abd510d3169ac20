#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::test {

/// For SetUp: skips the test where the program that the environment variable names is not to be had, or fails it where
/// ENDOSCOPE_REQUIRE_CONTROLPLANE is 1. `script` builds it.
void require_program(const char* variable, const char* script);

/// One answer per question, in order, of the program that the environment variable names, with these arguments. A
/// question is one line without a line feed. Throws when the program does not answer all of them.
std::vector<nlohmann::json> ask_program(const char* variable, const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& questions);

/// A suite that asks upstream's own code, the program of tests/controlplane named by ENDOSCOPE_CONTROLPLANE_BIN.
class UpstreamTest : public ::testing::Test {
  protected:
    void SetUp() override;

    /// What `controlplane upstream KIND` answers; see `ask_program`.
    static std::vector<nlohmann::json> ask(std::string_view kind, const std::vector<std::string>& questions);
};

/// `count` times ENDOSCOPE_UPSTREAM_SCALE (1 when not set): how much to generate, for longer runs by hand.
std::size_t scaled(std::size_t count);

/// The text as a JSON string, so that a failing test shows every byte of it; bytes that are no UTF-8 are replaced.
std::string shown(std::string_view text);

}  // namespace endoscope::test
