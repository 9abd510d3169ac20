#include "kube/base/process.hpp"

#include "kube/client/exec_credentials.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace kube {
namespace {

namespace asio = boost::asio;
using test::ManualClock;

ProcessOptions shell(const std::string& script) {
    ProcessOptions options;
    options.command = {"sh", "-c", script};
    options.environment = {"PATH=/usr/bin:/bin"};
    return options;
}

bool has_children() {
    return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD;
}

/// Lets the end of a killed process be noticed.
asio::awaitable<void> until_reaped() {
    while (has_children()) co_await test::settle();
}

asio::awaitable<void> runs() {
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    ProcessOptions options = shell("cat; printf '%s' \"$GREETING\"; echo one >&2; printf 'two' >&2; exit 3");
    options.environment.emplace_back("GREETING=hello");
    std::vector<std::string> lines;
    options.on_error_line = [&lines](std::string_view line) { lines.emplace_back(line); };
    const auto result = co_await runner->run(options, {});
    EXPECT_TRUE(result);
    EXPECT_EQ(result->output, "hello") << "standard input is empty";
    EXPECT_EQ(result->exit_code, 3);
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
    EXPECT_FALSE(has_children());
    const auto killed = co_await runner->run(shell("kill -9 $$"), {});
    EXPECT_EQ(killed->exit_code, 137);
    EXPECT_EQ(clock.pending(), 0U);
}
TEST(Process, ItsOutputErrorLinesAndExitCodeAreReported) {
    test::run_coro(runs());
}

asio::awaitable<void> cannot_start() {
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    ProcessOptions options = shell("");
    options.command = {"no-such-program-at-all"};
    const auto missing = co_await runner->run(options, {});
    EXPECT_EQ(missing.error().kind, ErrorKind::config);
    EXPECT_EQ(missing.error().message, "executable no-such-program-at-all: not found");
    options.command = {"/dev/null"};
    const auto forbidden = co_await runner->run(options, {});
    EXPECT_EQ(forbidden.error().message, "executable /dev/null: Permission denied");
    EXPECT_FALSE(has_children());
}
TEST(Process, AProgramThatCannotBeStartedIsNamed) {
    test::run_coro(cannot_start());
}

asio::awaitable<void> run_into(ProcessRunner& runner, ProcessOptions options, std::stop_token stop,
                               std::optional<Result<ProcessResult>>& result) {
    result = co_await runner.run(std::move(options), std::move(stop));
}

asio::awaitable<void> is_stopped() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    std::stop_source stop;
    std::optional<Result<ProcessResult>> result;
    test::spawn(executor, run_into(*runner, shell("sleep 100 & sleep 100"), stop.get_token(), result));
    co_await test::settle();
    EXPECT_FALSE(result);
    stop.request_stop();
    co_await test::settle();
    EXPECT_TRUE(result && !*result && result->error().kind == ErrorKind::cancelled) << "at once";
    co_await until_reaped();
    EXPECT_EQ(clock.pending(), 0U);
}
TEST(Process, AStopKillsItAndReapsIt) {
    test::run_coro(is_stopped());
}

asio::awaitable<void> times_out() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    ProcessOptions options = shell("sleep 100");
    options.timeout = std::chrono::seconds(7);
    std::optional<Result<ProcessResult>> result;
    test::spawn(executor, run_into(*runner, options, {}, result));
    co_await test::settle();
    clock.advance(std::chrono::milliseconds(6999));
    co_await test::settle();
    EXPECT_FALSE(result);
    clock.advance(std::chrono::milliseconds(1));
    co_await test::settle();
    EXPECT_TRUE(result && !*result);
    EXPECT_EQ(result->error().kind, ErrorKind::timeout);
    EXPECT_EQ(result->error().message, "executable sh did not end within 7 s and was killed");
    co_await until_reaped();
}
TEST(Process, TooLongAndItIsKilled) {
    test::run_coro(times_out());
}

asio::awaitable<void> writes_too_much() {
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    ProcessOptions options = shell("while :; do echo 0123456789; done");
    options.max_output = 10'000;
    const auto result = co_await runner->run(options, {});
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::malformed);
    co_await until_reaped();
    options = shell("i=0; while [ $i -lt 300 ]; do echo line $i >&2; i=$((i+1)); done");
    int lines = 0;
    options.on_error_line = [&lines](std::string_view) { ++lines; };
    const auto noisy = co_await runner->run(options, {});
    EXPECT_TRUE(noisy);
    EXPECT_EQ(lines, 100);
}
TEST(Process, WhatItWritesIsBounded) {
    test::run_coro(writes_too_much());
}

asio::awaitable<void> leaves_a_daemon() {
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    const auto result = co_await runner->run(shell("sleep 2 >/dev/null & echo done"), {});
    EXPECT_TRUE(result);
    EXPECT_EQ(result->output, "done\n") << "the daemon still holds the standard error";
}
TEST(Process, ADaemonThatItLeavesBehindIsNotWaitedFor) {
    test::run_coro(leaves_a_daemon());
}

asio::awaitable<void> closes_descriptors() {
    ManualClock clock;
    const auto runner = make_process_runner(clock);
    const int leaked = ::dup(STDOUT_FILENO);
    const auto result =
        co_await runner->run(shell("[ -e /proc/self/fd/" + std::to_string(leaked) + " ] || echo none"), {});
    ::close(leaked);
    EXPECT_EQ(result->output, "none\n");
}
TEST(Process, ItGetsNoneOfOurDescriptors) {
    test::run_coro(closes_descriptors());
}

asio::awaitable<void> real_plugin() {
    const auto executor = co_await asio::this_coro::executor;
    ManualClock clock;
    ExecConfig config;
    config.api_version = "client.authentication.k8s.io/v1beta1";
    config.command = "sh";
    config.args = {"-c", R"(case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 1;; esac
printf '{"kind":"ExecCredential","apiVersion":"%s","status":{"token":"%s"}}' "$VERSION" "$SECRET")"};
    config.env = {{"VERSION", config.api_version}, {"SECRET", "from-the-plugin"}};
    ExecCredentials exec(executor, clock, config, {{"PATH", "/usr/bin:/bin"}}, make_process_runner(clock));
    const auto credential = co_await exec.get({});
    EXPECT_TRUE(credential) << credential.error().message;
    EXPECT_EQ((*credential)->token, "from-the-plugin");
}
TEST(Process, ARealCredentialPluginIsAsked) {
    test::run_coro(real_plugin());
}

}  // namespace
}  // namespace kube
