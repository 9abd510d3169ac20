#include "kube/client/exec_credentials.hpp"

#include "kube/client/credentials.hpp"
#include "kube/net/certificates.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <deque>

namespace kube {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::seconds;
using test::ManualClock;

const std::string kV1 = "client.authentication.k8s.io/v1";

std::string answer(const json& status) {
    return json({{"apiVersion", kV1}, {"kind", "ExecCredential"}, {"status", status}}).dump();
}

KeyPair pair_for(const std::string& name) {
    const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
    return *make_certificate_authority(name, now, std::chrono::hours(1));
}

std::string parse_error(const std::string& output) {
    const auto parsed = parse_exec_credential(output, kV1);
    return parsed ? "no error" : parsed.error().message;
}

TEST(ExecCredential, ATokenWithItsExpiryIsRead) {
    const auto credential =
        parse_exec_credential(answer({{"token", "t"}, {"expirationTimestamp", "2026-01-02T04:04:05+01:00"}}), kV1);
    ASSERT_TRUE(credential) << credential.error().message;
    EXPECT_EQ(credential->token, "t");
    EXPECT_EQ(credential->expires, WallTime(seconds(1'767'323'045)));
}

TEST(ExecCredential, YamlIsRead) {
    const auto credential =
        parse_exec_credential("kind: ExecCredential\napiVersion: " + kV1 +
                                  "\nstatus:\n  token: t\n  expirationTimestamp: 2026-01-02T03:04:05Z\n",
                              kV1);
    ASSERT_TRUE(credential) << credential.error().message;
    EXPECT_EQ(credential->token, "t");
    EXPECT_EQ(credential->expires, WallTime(seconds(1'767'323'045)));
}

TEST(ExecCredential, AClientCertificateIsRead) {
    const KeyPair pair = pair_for("me");
    const auto credential = parse_exec_credential(
        answer({{"clientCertificateData", pair.certificate_pem}, {"clientKeyData", pair.key_pem}}), kV1);
    ASSERT_TRUE(credential) << credential.error().message;
    EXPECT_EQ(credential->key_pem, pair.key_pem);
    EXPECT_FALSE(credential->expires);
}

TEST(ExecCredential, ErrorsSayWhatIsMissingAndQuoteNothing) {
    const KeyPair pair = pair_for("me");
    EXPECT_TRUE(parse_error("").contains("no ExecCredential"));
    EXPECT_TRUE(parse_error("hunter2").contains("no ExecCredential"));
    EXPECT_TRUE(parse_error("{").contains("no ExecCredential"));
    EXPECT_TRUE(parse_error(R"({"kind":"Status"})").contains("no ExecCredential"));
    EXPECT_TRUE(parse_error(R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1",
                               "status":{"token":"hunter2"}})")
                    .contains("another apiVersion"));
    EXPECT_TRUE(parse_error(R"({"kind":"ExecCredential","apiVersion":")" + kV1 + "\"}").contains("without a status"));
    EXPECT_TRUE(parse_error(answer(json::object())).contains("neither"));
    EXPECT_TRUE(parse_error(answer({{"clientKeyData", pair.key_pem}, {"token", "hunter2"}})).contains("not with both"));
    EXPECT_TRUE(parse_error(answer({{"clientCertificateData", pair.certificate_pem},
                                    {"clientKeyData", pair_for("other").key_pem}}))
                    .contains("does not belong"));
    EXPECT_TRUE(parse_error(answer({{"token", "hunter2"}, {"expirationTimestamp", "tomorrow"}})).contains("RFC 3339"));
    EXPECT_FALSE(parse_error(answer({{"token", "hunter2"}, {"expirationTimestamp", "x"}})).contains("hunter2"));
}

/// Answers from a script, and when the test says so.
class ScriptedRunner final : public ProcessRunner {
  public:
    explicit ScriptedRunner(asio::any_io_executor executor) : changed_(std::move(executor)) {}
    asio::awaitable<Result<ProcessResult>> run(ProcessOptions options, std::stop_token stop) override {
        ++running;
        ++runs;
        most = std::max(most, running);
        last = std::move(options);
        const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
        while (held && !stop.stop_requested()) co_await changed_.wait();
        --running;
        if (stop.stop_requested()) co_return fail(ErrorKind::cancelled, "stopped");
        if (answers.empty()) co_return ProcessResult{.exit_code = 1, .output = ""};
        auto next = answers.front();
        if (answers.size() > 1) answers.pop_front();
        co_return next;
    }
    void release() {
        held = false;
        changed_.notify_all();
    }
    void say(const json& status) { answers.push_back(ProcessResult{.exit_code = 0, .output = answer(status)}); }

    std::deque<Result<ProcessResult>> answers;  ///< The last one is repeated.
    ProcessOptions last;
    bool held = false;
    int running = 0;
    int most = 0;
    int runs = 0;

  private:
    Signal changed_;
};

struct Calls final : ConnectionObserver {
    void on_ca_reload(std::string_view, std::string_view) override {}
    void on_exec_call(int exit_code, std::string_view status) override {
        made.push_back(std::to_string(exit_code) + " " + std::string(status));
    }
    std::vector<std::string> made;
};

struct Fixture {
    explicit Fixture(const asio::any_io_executor& on, ExecConfig config = plugin())
        : executor(on),
          runner(std::make_shared<ScriptedRunner>(on)),
          exec(std::make_shared<ExecCredentials>(on, clock, std::move(config), environment, runner, &calls)) {}
    static ExecConfig plugin() {
        ExecConfig config;
        config.api_version = kV1;
        config.command = "get-token";
        config.args = {"--for", "tests"};
        config.env = {{"HOME", "/plugin"}, {"EXTRA", "1"}};
        config.install_hint = "install it\nfrom \x1b[31mhere";
        return config;
    }
    asio::awaitable<std::string> token(std::stop_token stop = {}) {
        const auto got = co_await exec->get(std::move(stop));
        co_return got ? (*got)->token : "error: " + got.error().message;
    }
    asio::any_io_executor executor;
    ManualClock clock;
    std::map<std::string, std::string> environment = {{"HOME", "/home/me"}, {"PATH", "/bin"}};
    Calls calls;
    std::shared_ptr<ScriptedRunner> runner;
    std::shared_ptr<ExecCredentials> exec;
};

asio::awaitable<void> token_into(Fixture& f, std::string& into, std::stop_token stop = {}) {
    into = co_await f.token(std::move(stop));
}

asio::awaitable<void> passes_the_environment() {
    ExecConfig config = Fixture::plugin();
    config.cluster = R"({"server":"https://h","config":null})";
    Fixture f(co_await asio::this_coro::executor, config);
    f.runner->say({{"token", "t"}});
    EXPECT_EQ(co_await f.token(), "t");
    EXPECT_EQ(f.runner->last.command, (std::vector<std::string>{"get-token", "--for", "tests"}));
    EXPECT_EQ(f.runner->last.timeout, seconds(60));
    std::map<std::string, std::string> seen;
    for (const std::string& entry : f.runner->last.environment) {
        seen[entry.substr(0, entry.find('='))] = entry.substr(entry.find('=') + 1);
    }
    EXPECT_EQ(seen.size(), f.runner->last.environment.size()) << "no name twice";
    EXPECT_EQ(seen["HOME"], "/plugin");
    EXPECT_EQ(seen["PATH"], "/bin");
    EXPECT_EQ(seen["EXTRA"], "1");
    EXPECT_EQ(json::parse(seen["KUBERNETES_EXEC_INFO"]), json::parse(R"({"apiVersion":"client.authentication.k8s.io/v1",
        "kind":"ExecCredential","spec":{"interactive":false,"cluster":{"server":"https://h","config":null}}})"));
    EXPECT_EQ(f.calls.made, std::vector<std::string>{"0 no_error"});
}
TEST(ExecCredentials, ThePluginGetsItsEnvironmentAndTheClustersData) {
    test::run_coro(passes_the_environment());
}

asio::awaitable<void> caches_until_expiry() {
    Fixture f(co_await asio::this_coro::executor);
    f.runner->say({{"token", "one"}, {"expirationTimestamp", "2026-01-02T03:05:05Z"}});
    f.runner->say({{"token", "two"}});
    EXPECT_EQ(co_await f.token(), "one");
    f.clock.advance(seconds(59));
    EXPECT_EQ(co_await f.token(), "one");
    EXPECT_EQ(f.runner->runs, 1);
    f.clock.advance(seconds(1));
    EXPECT_EQ(co_await f.token(), "two");
    f.clock.advance(std::chrono::hours(1000));
    EXPECT_EQ(co_await f.token(), "two") << "without an expiry it lives until it is refused";
    EXPECT_EQ(f.runner->runs, 2);
}
TEST(ExecCredentials, AnAnswerLivesUntilItExpires) {
    test::run_coro(caches_until_expiry());
}

asio::awaitable<void> refused() {
    Fixture f(co_await asio::this_coro::executor);
    f.runner->say({{"token", "one"}});
    f.runner->say({{"token", "two"}});
    EXPECT_EQ(co_await f.token(), "one");
    const SteadyTime used = f.clock.steady_now();
    f.clock.advance(seconds(1));
    f.exec->reject(used);
    EXPECT_EQ(co_await f.token(), "two");
    f.exec->reject(used);
    EXPECT_EQ(co_await f.token(), "two") << "the refusal was of an older answer";
    EXPECT_EQ(f.runner->runs, 2);
}
TEST(ExecCredentials, ARefusalRunsThePluginOnceAgain) {
    test::run_coro(refused());
}

asio::awaitable<void> expired_already() {
    Fixture f(co_await asio::this_coro::executor);
    f.runner->say({{"token", "past"}, {"expirationTimestamp", "2020-01-01T00:00:00Z"}});
    for (int i = 0; i < 100; ++i) EXPECT_EQ(co_await f.token(), "past");
    EXPECT_EQ(f.runner->runs, 1);
    f.clock.advance(seconds(5));
    EXPECT_EQ(co_await f.token(), "past");
    EXPECT_EQ(f.runner->runs, 2);
}
TEST(ExecCredentials, AnExpiryInThePastDoesNotLoop) {
    test::run_coro(expired_already());
}

asio::awaitable<void> shares_one_run() {
    Fixture f(co_await asio::this_coro::executor);
    f.runner->held = true;
    f.runner->say({{"token", "t"}, {"expirationTimestamp", "2020-01-01T00:00:00Z"}});
    std::array<std::string, 5> got;
    for (std::string& into : got) test::spawn(f.executor, token_into(f, into));
    co_await test::settle();
    f.clock.advance(seconds(30));
    f.runner->release();
    co_await test::settle();
    for (const std::string& token : got) EXPECT_EQ(token, "t");
    EXPECT_EQ(f.runner->runs, 1);
    EXPECT_EQ(f.runner->most, 1);
}
TEST(ExecCredentials, ConcurrentCallersShareOneRun) {
    test::run_coro(shares_one_run());
}

asio::awaitable<void> first_caller_leaves() {
    Fixture f(co_await asio::this_coro::executor);
    f.runner->held = true;
    f.runner->say({{"token", "t"}});
    std::stop_source stop;
    std::string first;
    std::string second;
    test::spawn(f.executor, token_into(f, first, stop.get_token()));
    test::spawn(f.executor, token_into(f, second));
    co_await test::settle();
    EXPECT_EQ(f.runner->runs, 1);
    stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(first.starts_with("error: ")) << first;
    EXPECT_EQ(second, "") << "still waits";
    EXPECT_EQ(f.runner->runs, 2) << "and runs the plugin itself";
    f.runner->release();
    co_await test::settle();
    EXPECT_EQ(second, "t");
}
TEST(ExecCredentials, AStopOfOneCallerDoesNotFailTheOthers) {
    test::run_coro(first_caller_leaves());
}

asio::awaitable<void> waiter_leaves() {
    Fixture f(co_await asio::this_coro::executor);
    f.runner->held = true;
    f.runner->say({{"token", "t"}});
    std::stop_source stop;
    std::string first;
    std::string second;
    test::spawn(f.executor, token_into(f, first));
    test::spawn(f.executor, token_into(f, second, stop.get_token()));
    co_await test::settle();
    stop.request_stop();
    co_await test::settle();
    EXPECT_EQ(second, "error: credential plugin: stopped");
    f.runner->release();
    co_await test::settle();
    EXPECT_EQ(first, "t");
}
TEST(ExecCredentials, AWaitingCallerCanStop) {
    test::run_coro(waiter_leaves());
}

asio::awaitable<void> failures() {
    Fixture f(co_await asio::this_coro::executor);
    EXPECT_EQ(co_await f.token(), "error: credential plugin: executable get-token failed with exit code 1");
    EXPECT_EQ(co_await f.token(), "error: credential plugin: executable get-token failed with exit code 1");
    EXPECT_EQ(f.runner->runs, 1) << "a burst of callers must not run it for each";
    f.clock.advance(seconds(1));
    f.runner->answers = {fail(ErrorKind::config, "executable get-token: not found")};
    const auto missing = co_await f.exec->get({});
    EXPECT_EQ(missing.error().kind, ErrorKind::config);
    EXPECT_EQ(missing.error().message, "credential plugin: executable get-token: not found. install it from  [31mhere");
    f.clock.advance(seconds(1));
    f.runner->answers = {fail(ErrorKind::timeout, "executable get-token did not end")};
    const auto late = co_await f.exec->get({});
    EXPECT_EQ(late.error().kind, ErrorKind::timeout);
    f.clock.advance(seconds(1));
    f.runner->answers = {ProcessResult{.exit_code = 0, .output = "s3cret"}};
    const auto strange = co_await f.exec->get({});
    EXPECT_EQ(strange.error().kind, ErrorKind::malformed);
    EXPECT_EQ(strange.error().message, "credential plugin: get-token printed no ExecCredential object");
    EXPECT_EQ(f.calls.made, (std::vector<std::string>{"1 plugin_execution_error", "1 plugin_not_found_error",
                                                      "1 client_internal_error", "0 no_error"}));
}
TEST(ExecCredentials, FailuresNameThePluginAndTheRemedy) {
    test::run_coro(failures());
}

asio::awaitable<void> wants_terminal() {
    ExecConfig config = Fixture::plugin();
    config.needs_terminal = true;
    Fixture f(co_await asio::this_coro::executor, config);
    const auto got = co_await f.exec->get({});
    EXPECT_EQ(got.error().kind, ErrorKind::config);
    EXPECT_TRUE(got.error().message.contains("interactiveMode: Always")) << got.error().message;
    EXPECT_EQ(f.runner->runs, 0);
}
TEST(ExecCredentials, APluginThatNeedsATerminalIsNotRun) {
    test::run_coro(wants_terminal());
}

}  // namespace
}  // namespace kube
