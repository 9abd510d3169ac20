// What the operator says when it cannot run: one line, the right exit code, never a stack trace or a busy loop.
#include "tests/integration/fixture.hpp"

#include <filesystem>
#include <fstream>
#include <signal.h>

namespace endoscope::test {
namespace {

struct Row {
    std::vector<std::string> arguments;
    int exit_code;
    std::string says;
};

class StartUp : public testing::Test {
  protected:
    void SetUp() override {
        dir_ = (std::filesystem::temp_directory_path() / "endoscope-startup-XXXXXX").string();
        ASSERT_NE(mkdtemp(dir_.data()), nullptr);
        std::ofstream(dir_ + "/garbage") << "{{{";
        std::ofstream(dir_ + "/refused")
            << R"({"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c"}}],
            "clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}]})";
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    std::vector<std::string> command(const std::vector<std::string>& arguments) const {
        std::vector<std::string> argv = {ENDOSCOPE_OPERATOR};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return argv;
    }
    std::string dir_;
};

TEST_F(StartUp, WhatCannotWorkIsSaidInOneLine) {
    const std::vector<Row> rows = {
        {{"dev", "--kubeconfig", dir_ + "/none"}, 1, "/none"},
        {{"dev", "--kubeconfig", dir_ + "/garbage"}, 1, "/garbage"},
        {{"dev", "--no-such-flag"}, 2, "--no-such-flag"},
        {{"dev", "--metrics-bind-address", "nonsense"}, 2, "--metrics-bind-address"},
        {{"dev", "--log-level", "loud"}, 2, "--log-level"},
        {{"dev", "--leader-elect"}, 2, "--leader-elect"},
        {{"run", "--metrics-secure=false"}, 2, "--webhook-cert-dir"},
        {{"run", "--webhook-cert-dir", dir_}, 2, "--metrics-secure"},
        {{}, 2, "subcommand"},
    };
    for (const Row& row : rows) {
        Subprocess process(command(row.arguments), dir_ + "/log");
        EXPECT_EQ(process.wait(std::chrono::seconds(20)), row.exit_code) << process.err();
        const std::string said = process.out() + process.err();
        EXPECT_TRUE(said.contains(row.says)) << said;
        EXPECT_FALSE(said.contains("Sanitizer")) << said;
    }
}

TEST_F(StartUp, ARefusedConnectionIsWaitedForAndSaidSo) {
    Subprocess process(command({"dev", "--kubeconfig", dir_ + "/refused", "--health-probe-bind-address", "0"}),
                       dir_ + "/log");
    EXPECT_TRUE(eventually([&] { return process.err().contains("waiting for the API server"); }));
    EXPECT_TRUE(process.err().contains("refused")) << process.err();
    EXPECT_FALSE(process.wait(std::chrono::milliseconds(300)));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(std::chrono::seconds(10)), 0);
}

TEST_F(StartUp, ThePortThatIsTakenIsNamed) {
    std::string why_not;
    Cluster* const cluster = Cluster::get(why_not);
    if (cluster == nullptr) GTEST_SKIP() << why_not;
    const unsigned short port = free_port();
    const std::vector<std::string> arguments = {"dev",
                                                "--kubeconfig",
                                                cluster->kubeconfig("admin"),
                                                "--webhook-port",
                                                "0",
                                                "--metrics-bind-address",
                                                "0",
                                                "--health-probe-bind-address",
                                                "127.0.0.1:" + std::to_string(port)};
    Subprocess first(command(arguments), dir_ + "/first");
    ASSERT_TRUE(first.wait_for_line("ready", std::chrono::seconds(60))) << first.err();
    Subprocess second(command(arguments), dir_ + "/second");
    EXPECT_EQ(second.wait(std::chrono::seconds(20)), 1);
    EXPECT_TRUE(second.err().contains(std::to_string(port))) << second.err();
    EXPECT_TRUE(second.err().contains("in use")) << second.err();
}

TEST_F(StartUp, ManifestsArePrintedWithoutACluster) {
    Subprocess process(command({"manifests", "all"}), dir_ + "/log");
    EXPECT_EQ(process.wait(std::chrono::seconds(20)), 0);
    for (const char* part : {"debugrequests.endoscope.dev", "debugpolicies.endoscope.dev",
                             "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}) {
        EXPECT_TRUE(process.out().contains(part)) << part;
    }
}

}  // namespace
}  // namespace endoscope::test
