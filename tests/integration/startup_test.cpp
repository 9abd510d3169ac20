// What the operator says when it cannot run: one line, the right exit code, never a stack trace or a busy loop.
#include "kube/base/clock.hpp"
#include "kube/net/certificates.hpp"
#include "tests/integration/fixture.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <unistd.h>

namespace endoscope::test {
namespace {

/// Takes a port of loopback as long as it lives.
class TakenPort {
  public:
    TakenPort() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const raw = static_cast<sockaddr*>(static_cast<void*>(&address));
        EXPECT_TRUE(bind(descriptor_, raw, size) == 0 && listen(descriptor_, 1) == 0 &&
                    getsockname(descriptor_, raw, &size) == 0);
        text_ = std::to_string(ntohs(address.sin_port));
    }
    ~TakenPort() { close(descriptor_); }
    TakenPort(const TakenPort&) = delete;
    TakenPort& operator=(const TakenPort&) = delete;
    const std::string& text() const { return text_; }

  private:
    int descriptor_;
    std::string text_;
};

class StartUp : public testing::Test {
  protected:
    void SetUp() override {
        dir_ = (std::filesystem::temp_directory_path() / "endoscope-startup-XXXXXX").string();
        ASSERT_NE(mkdtemp(dir_.data()), nullptr);
        std::ofstream(dir_ + "/garbage") << "{{{";
        std::ofstream(dir_ + "/empty") << "";
        std::ofstream(dir_ + "/refused")
            << R"({"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c"}}],
            "clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}]})";
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    static std::vector<std::string> command(const std::vector<std::string>& arguments) {
        std::vector<std::string> argv = {ENDOSCOPE_OPERATOR};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        return argv;
    }
    static std::ptrdiff_t lines_of(const std::string& text) { return std::ranges::count(text, '\n'); }
    std::string dir_;
};

TEST_F(StartUp, AKubeconfigThatCannotBeUsedIsOneLine) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> rows = {
        {{"--kubeconfig", dir_ + "/none"}, "/none"},
        {{"--kubeconfig", dir_ + "/garbage"}, "/garbage"},
        {{"--kubeconfig", dir_ + "/empty"}, "/empty"},
        {{"--kubeconfig", dir_}, dir_},
        {{"--kubeconfig", dir_ + "/refused", "--context", "nowhere"}, "nowhere"},
    };
    for (const auto& [arguments, says] : rows) {
        std::vector<std::string> argv = {"dev"};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        Subprocess process(command(argv), dir_ + "/log");
        EXPECT_EQ(process.wait(std::chrono::seconds(20)), 1) << says;
        EXPECT_TRUE(process.err().contains(says)) << process.err();
        EXPECT_EQ(lines_of(process.err()), 1) << process.err();
        EXPECT_EQ(process.out(), "");
    }
}

TEST_F(StartUp, AFlagThatCannotBeUsedIsNamed) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> rows = {
        {{"dev", "--no-such-flag"}, "--no-such-flag"},
        {{"dev", "--metrics-bind-address", "nonsense"}, "--metrics-bind-address"},
        {{"dev", "--health-probe-bind-address", "localhost:99999"}, "--health-probe-bind-address"},
        {{"dev", "--webhook-port", "http"}, "--webhook-port"},
        {{"dev", "--log-level", "loud"}, "--log-level"},
        {{"dev", "--leader-elect-retry-period", "often"}, "--leader-elect-retry-period"},
        {{"dev", "--leader-elect-lease-duration", "10s"}, "--leader-elect-lease-duration"},
        {{"dev", "--webhook-ca-lifetime", "a year"}, "--webhook-ca-lifetime"},
        {{"dev", "--webhook-ca-lifetime", "400h"}, "three times"},
        {{"dev", "--webhook-certificate-lifetime", "4s"}, "--webhook-certificate-lifetime"},
        {{"dev", "--webhook-url", "http://127.0.0.1"}, "--webhook-url"},
        {{"dev", "--webhook-url", "https://127.0.0.1/path"}, "--webhook-url"},
        {{"dev", "--webhook-client-name", "api-server"}, "--webhook-client-ca-file"},
        {{"run", "--metrics-secure=perhaps"}, "--metrics-secure"},
        {{"dev", "--metrics-cert-dir", dir_}, "--metrics-secure"},
        {{"dev", "--kube-api-qps", "-1"}, "--kube-api-qps"},
        {{"dev", "--kube-api-burst", "0"}, "--kube-api-burst"},
        {{"dev", "--sync-period", "daily"}, "--sync-period"},
        {{"dev", "--retain-finished", "30 days"}, "--retain-finished"},
        {{"dev", "--shutdown-timeout", "0s"}, "--shutdown-timeout"},
        {{"dev", "--shutdown-delay", "30s"}, "--shutdown-delay"},
        {{"dev", "--seal-key-rotation", "89s"}, "--seal-key-rotation"},
        {{"dev", "--seal-key-rotation", "8761h"}, "at most 8760h"},
        {{"dev", "--seal-key-retention", "0s"}, "--seal-key-retention"},
        {{"dev", "--seal-key-refresh", "soon"}, "--seal-key-refresh"},
        {{"frobnicate"}, "unknown command \"frobnicate\""},
        {{}, "subcommand"},
    };
    for (const auto& [arguments, says] : rows) {
        Subprocess process(command(arguments), dir_ + "/log");
        EXPECT_EQ(process.wait(std::chrono::seconds(20)), 2) << says;
        const std::string said = process.out() + process.err();
        EXPECT_TRUE(said.contains(says)) << said;
        // The mistake, and where to find help.
        EXPECT_LE(lines_of(said), 2) << said;
    }
}

TEST_F(StartUp, AFlagCanComeFromTheEnvironmentAndTheCommandLineWins) {
    const auto run = [&](const std::vector<std::string>& arguments, const std::map<std::string, std::string>& env) {
        std::vector<std::string> argv = {"dev", "--kubeconfig", dir_ + "/none"};
        argv.insert(argv.end(), arguments.begin(), arguments.end());
        Subprocess process(command(argv), dir_ + "/log", env);
        const auto code = process.wait(std::chrono::seconds(20));
        return std::pair(code, process.err());
    };
    const std::map<std::string, std::string> json = {{"ENDOSCOPE_LOG_FORMAT", "json"}};
    EXPECT_TRUE(run({}, {}).second.contains(" error operator: ")) << "the default of dev";
    EXPECT_TRUE(run({}, json).second.starts_with("{")) << "the environment beats the default";
    EXPECT_FALSE(run({"--log-format", "text"}, json).second.starts_with("{")) << "the flag beats the environment";
    const auto [code, said] = run({}, {{"ENDOSCOPE_WEBHOOK_PORT", "http"}});
    EXPECT_EQ(code, 2);
    EXPECT_TRUE(said.contains("--webhook-port")) << said;
    // What the kubelet sets for a Service named endoscope-webhook.
    EXPECT_EQ(run({}, {{"ENDOSCOPE_WEBHOOK_PORT", "tcp://10.0.0.1:443"}}).first, 1);
}

TEST_F(StartUp, TheVersionIsPrinted) {
    Subprocess process(command({"--version"}), dir_ + "/log");
    EXPECT_EQ(process.wait(std::chrono::seconds(20)), 0);
    EXPECT_TRUE(process.out().starts_with("endoscope-operator ")) << process.out();
}

TEST_F(StartUp, ARefusedConnectionIsWaitedForWithoutABusyLoop) {
    Subprocess process(command({"dev", "--kubeconfig", dir_ + "/refused", "--health-probe-bind-address", "0"}),
                       dir_ + "/log");
    const auto attempts = [&] {
        int count = 0;
        const std::string text = process.err();
        for (std::size_t at = 0; (at = text.find("waiting for the API server", at)) != std::string::npos; ++at) ++count;
        return count;
    };
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(eventually([&] { return attempts() >= 3; }, std::chrono::seconds(60)));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1)) << process.err();
    EXPECT_TRUE(process.err().contains("refused")) << process.err();
    EXPECT_TRUE(process.err().contains("127.0.0.1:1")) << process.err();
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(std::chrono::seconds(10)), 0);
}

TEST_F(StartUp, APortThatIsTakenIsNamed) {
    const std::string kubeconfig = ControlPlane::get().kubeconfig("admin");
    EndoscopeTest::end_operator();  // of another suite, when they all run in one process
    const TakenPort port;
    for (const auto& [flag, address] :
         {std::pair<std::string, std::string>("--health-probe-bind-address", "127.0.0.1:" + port.text()),
          std::pair<std::string, std::string>("--metrics-bind-address", "127.0.0.1:" + port.text()),
          std::pair<std::string, std::string>("--webhook-port", port.text())}) {
        std::map<std::string, std::string> flags = {
            {"--health-probe-bind-address", "0"}, {"--metrics-bind-address", "0"}, {"--webhook-port", "0"}};
        flags[flag] = address;
        std::vector<std::string> argv = {"dev", "--kubeconfig", kubeconfig};
        for (const auto& [name, value] : flags) argv.insert(argv.end(), {name, value});
        Subprocess process(command(argv), dir_ + "/log");
        EXPECT_EQ(process.wait(std::chrono::seconds(30)), 1) << flag;
        EXPECT_TRUE(process.err().contains(port.text())) << process.err();
        EXPECT_TRUE(process.err().contains("in use")) << process.err();
        EXPECT_EQ(process.out(), "") << flag;
        EXPECT_FALSE(process.err().contains("Sanitizer")) << process.err();
    }
    EXPECT_TRUE(ControlPlane::get().admin().is_absent(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/endoscope"))
        << "webhooks that nobody serves would block every request";
}

TEST_F(StartUp, RunWaitsForCrdsThatAreNotInstalledYet) {
    // A cluster of its own, without anything in it.
    Subprocess apiserver({ENDOSCOPE_MODEL_APISERVER, "--dir", dir_ + "/bare", "--exit-with-parent"}, dir_ + "/bare");
    ASSERT_TRUE(apiserver.wait_for_line("ready", std::chrono::seconds(30))) << apiserver.err();
    const std::string kubeconfig = dir_ + "/bare/admin.kubeconfig";
    User admin(kubeconfig);
    ASSERT_TRUE(
        admin.create({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "endoscope-system"}}}}));
    OperatorProcess process(kubeconfig, dir_ + "/log", {"run", "--metrics-secure=false"});
    EXPECT_TRUE(eventually([&] { return process.process().err().contains("debugrequests.endoscope.dev"); }));
    EXPECT_TRUE(process.process().err().contains("waiting for the CRDs")) << process.process().err();
    EXPECT_FALSE(process.healthy("/readyz"));
    EXPECT_TRUE(process.healthy("/healthz"));
    // What `dev` installs, `run` waited for: the CRDs, and webhook configurations that trust the authority of both.
    OperatorProcess other(kubeconfig, dir_ + "/other");
    EXPECT_TRUE(other.wait_until_ready()) << other.process().err();
    EXPECT_TRUE(process.wait_until_ready()) << process.process().err();
    EXPECT_TRUE(eventually([&] { return process.healthy("/readyz"); }));
    EXPECT_EQ(other.stop(std::chrono::seconds(10)), 0);
    EXPECT_EQ(process.stop(std::chrono::seconds(10)), 0) << process.process().err();
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
