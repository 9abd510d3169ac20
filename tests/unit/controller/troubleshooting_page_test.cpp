// docs/troubleshooting.md is what people open when something went wrong: no failure may be missing.

#include "api/reason.hpp"
#include "tests/support/documented_tests.hpp"

#include <gtest/gtest.h>

namespace endoscope::test {
namespace {

using api::Reason;

TEST(TroubleshootingPage, HasEveryWayASessionFails) {
    const std::string page = read_source("docs/troubleshooting.md");
    ASSERT_NE(page, "");
    for (int i = static_cast<int>(Reason::deadline_exceeded); i <= static_cast<int>(Reason::injection_rejected); ++i) {
        const std::string word(to_string(static_cast<Reason>(i)));
        const bool is_success = word == "Completed" || word == "SessionEnded";
        if (!is_success) EXPECT_TRUE(page.contains("`" + word + "`")) << word;
    }
}

TEST(TroubleshootingPage, HasEveryWordOfTheKubeletThatDecides) {
    const std::string page = read_source("docs/troubleshooting.md");
    for (const char* word :
         {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
          "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "RunContainerError", "StartError",
          "ContainerCannotRun", "CreateContainerError", "ContainerStatusUnknown", "OOMKilled"}) {
        EXPECT_TRUE(page.contains("`" + std::string(word) + "`")) << word;
    }
}

}  // namespace
}  // namespace endoscope::test
