#include "controller/termination.hpp"

#include "kube/base/process.hpp"
#include "tests/support/run_coro.hpp"

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <vector>

namespace endoscope::controller {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

kube::Result<kube::ExecResult> ran(int exit_code, const std::string& output, const std::string& errors = "") {
    kube::ExecResult result;
    result.exit_code = exit_code;
    result.output = output;
    result.error_output = errors;
    return result;
}

kube::Result<kube::ExecResult> not_run(kube::ErrorKind kind, const std::string& message) {
    return kube::fail(kind, message);
}

TEST(Termination, TheCommandFitsIntoAUrlAndItsTimeIntoTheDeadline) {
    const auto request = termination_request("shop", "web-0", "dbg-x", seconds(7));
    EXPECT_EQ(request.ns, "shop");
    EXPECT_EQ(request.pod, "web-0");
    EXPECT_EQ(request.container, "dbg-x");
    ASSERT_EQ(request.command.size(), 3U);
    EXPECT_EQ(request.command[0], "sh");
    EXPECT_EQ(request.command[1], "-c");
    EXPECT_TRUE(request.command[2].starts_with("grace=7\n"));
    EXPECT_LT(kube::percent_encode(request.command[2]).size(), 4096U);
    EXPECT_EQ(request.timeout, seconds(34));
    EXPECT_TRUE(termination_request("a", "b", "c", seconds(-1)).command[2].starts_with("grace=0\n"));
}

TEST(Termination, ReportsAreReadStrictly) {
    EXPECT_EQ(parse_termination_report("ended=3 left=0 hidden=12\n"), (TerminationReport{3, 0, 12}));
    EXPECT_EQ(parse_termination_report("ended=0 left=1 hidden=0\n"), (TerminationReport{0, 1, 0}));
    for (const std::string text :
         {"", "\n", "ended=3", "ended=3 left=0 hidden=0", "ended=3 left=0 hidden=0\n\n",
          "ended=3 left=0 hidden=0\nmore", "x\nended=3 left=0 hidden=0\n", "ended=-3 left=0 hidden=0\n",
          "ended=+3 left=0 hidden=0\n", "ended= left=0 hidden=0\n", "ended=3  left=0 hidden=0\n",
          "ended=3 left=0 hidden=0 \n", "ended=99999999999 left=0 hidden=0\n", "left=0 ended=3 hidden=0\n",
          "ended=3 left=0\n", "error=proc\n"}) {
        EXPECT_FALSE(parse_termination_report(text)) << text;
    }
}

struct Row {
    std::string name;
    kube::Result<kube::ExecResult> result;
    TerminationOutcome outcome;
    bool retry;
    std::string says;
};

TEST(Termination, EveryEndOfTheCommandHasAMeaning) {
    using enum TerminationOutcome;
    using kube::ErrorKind;
    const std::vector<Row> rows = {
        {"one", ran(0, "ended=1 left=0 hidden=0\n", "Killed\n"), ended, false, "1 process of the session ended"},
        {"several", ran(0, "ended=3 left=0 hidden=0\n"), ended, false, "3 processes of the session ended"},
        {"none", ran(0, "ended=0 left=0 hidden=0\n"), nothing_found, false, "no process"},
        {"left", ran(0, "ended=1 left=2 hidden=0\n"), some_left, false,
         "1 process of the session ended; 2 processes could not be ended; delete the Pod to end what is left"},
        {"hidden", ran(0, "ended=0 left=0 hidden=1\n"), some_left, false,
         "0 processes of the session ended; 1 process of another user could not be examined; delete the Pod"},
        {"both", ran(0, "ended=0 left=4 hidden=1\n"), some_left, false, "4 processes could not be ended; 1 process of"},
        {"no /proc", ran(3, "error=proc\n"), no_proc, false, "delete the Pod"},
        {"not found, by exit code", ran(127, ""), no_shell, false, "has no sh"},
        {"not executable, by exit code", ran(126, "OCI runtime exec failed"), no_shell, false, "has no sh"},
        {"killed", ran(137, ""), cut_short, true, "killed before it could report"},
        {"killed after the report", ran(137, "ended=1 left=0 hidden=0\n"), ended, false,
         "1 process of the session ended"},
        {"killed in its report", ran(137, "ended=1 le"), cut_short, true, "killed before it could report"},
        {"a report and a failure", ran(1, "ended=1 left=0 hidden=0\n"), failed, false, "exit code 1"},
        {"another answer", ran(0, "hello \x1b[2J\n"), failed, false, "output \"hello \\u001b[2J\\u000a\""},
        {"an error of the shell", ran(2, "", "sh: syntax error\n"), failed, false, "exit code 2"},
        {"no such program", not_run(ErrorKind::server, R"(exec: "sh": executable file not found in $PATH: unknown)"),
         no_shell, false, "has no sh"},
        {"no right", not_run(ErrorKind::forbidden, "cannot get resource pods/exec"), not_permitted, false,
         "(cannot get resource pods/exec); grant it get and create on pods/exec (component manifests/terminate)"},
        {"no Pod", not_run(ErrorKind::not_found, "pods \"web-0\" not found"), gone, false, "has ended before"},
        {"no container", not_run(ErrorKind::server, "container not found (\"dbg\")"), gone, false, "has ended before"},
        {"a broken connection", not_run(ErrorKind::transport, "reset"), unreachable, true, "did not answer (reset)"},
        {"too late", not_run(ErrorKind::timeout, "late"), unreachable, true, "did not answer"},
        {"a stop", not_run(ErrorKind::cancelled, "stopped"), unreachable, true, "did not answer"},
        {"a broken server", not_run(ErrorKind::server, "etcd"), unreachable, true, "did not answer (etcd)"},
        {"a bad request", not_run(ErrorKind::bad_request, "container dbg is not valid"), failed, false,
         "was refused (container dbg is not valid); delete the Pod"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        const Termination termination = judge_termination(row.result);
        EXPECT_EQ(termination.outcome, row.outcome) << termination.message;
        EXPECT_EQ(termination.retry, row.retry);
        EXPECT_TRUE(termination.message.contains(row.says)) << termination.message;
        EXPECT_FALSE(termination.message.contains('\n'));
    }
    EXPECT_EQ(judge_termination(ran(0, "ended=1 left=2 hidden=3\n")).report, (TerminationReport{1, 2, 3}));
    const auto endless = judge_termination(ran(1, std::string(4096, 'x'), std::string(4096, 'y')));
    EXPECT_LT(endless.message.size(), 600U);
}

/// A Pod in small, as a runtime makes it: PID 1 is the target, which reaps nothing and has a child; the session has the
/// same PID namespace and another mount namespace; its main process and the script come from outside, so that they have
/// no parent there. $1 is the session's user, $2 the script's, $3 what the session does until $DIR/ready exists, $4 the
/// script; the rest runs it. Prints what the script prints, its exit code, the files in $DIR, and who is alive.
constexpr std::string_view kPod = R"(
DIR=$(mktemp -d); chmod 777 $DIR; export DIR
session_user=$1 script_user=$2 session=$3 script=$4; shift 4
child() { c=; until [ -n "$c" ]; do sleep 0.02; read -r c x </proc/$1/task/$1/children; done; }
unshare --pid --fork --kill-child --mount --mount-proc sh -c "sleep 1005 & exec sleep 1000" >/dev/null & child $!; target=$c
nsenter --target $target --pid --mount unshare --mount \
  setpriv --reuid $session_user --regid $session_user --clear-groups sh -c "$session" >/dev/null & child $!; main=$c
until [ -e $DIR/ready ]; do sleep 0.02; done
nsenter --target $main --pid --mount \
  setpriv --reuid $script_user --regid $script_user --clear-groups "$@" -c "$script"
echo exit=$?
for file in $DIR/*; do echo "file ${file##*/}"; done
for d in /proc/[0-9]*; do
  [ $d/ns/pid -ef /proc/$target/ns/pid ] || continue
  command=$(tr '\0' ' ' <$d/cmdline)
  [ -z "$command" ] || echo "alive $command"
done
kill -KILL $target; wait; rm -r $DIR
)";

/// A stubborn process that forks, one that leaves another behind, a plain one, and one that takes its time to let go of
/// what it holds, and says whether the main process was still there then.
constexpr std::string_view kSession = R"(main=$$
sh -c 'trap "" TERM; sleep 1001 & while :; do sleep 1; done' &
sh -c 'trap "sleep 1002 & exit 0" TERM; while :; do sleep 0.1; done' &
sh -c "trap 'sleep 0.3; kill -0 $main && echo >\$DIR/let-go-in-time; exit' TERM; echo >\$DIR/armed; while :; do sleep 0.05; done" &
sleep 1003 &
until [ -e $DIR/armed ]; do sleep 0.02; done
echo >$DIR/ready
wait
)";

struct Shell {
    std::string name;
    std::vector<std::string> command;
};

struct Ended {
    int exit_code = -1;
    std::vector<std::string> lines;
};

asio::awaitable<void> run_into(std::shared_ptr<kube::ProcessRunner> runner, std::vector<std::string> command,
                               Ended& ended) {
    kube::ProcessOptions options;
    options.command = std::move(command);
    options.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    const auto result = co_await runner->run(options, {});
    if (!result) {
        ended.lines = {result.error().message};
        co_return;
    }
    ended.exit_code = result->exit_code;
    std::istringstream text(result->output);
    for (std::string line; std::getline(text, line);) ended.lines.push_back(line);
}

/// Runs all of them at once: most of it is waiting.
std::vector<Ended> run_all(const std::vector<std::vector<std::string>>& commands) {
    std::vector<Ended> ended(commands.size());
    kube::test::run_coro(
        [](const std::vector<std::vector<std::string>>& all, std::vector<Ended>& results) -> asio::awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            const auto clock = kube::make_system_clock(executor);
            const auto runner = kube::make_process_runner(*clock);
            for (std::size_t i = 1; i < all.size(); ++i)
                kube::test::spawn(executor, run_into(runner, all[i], results[i]));
            co_await run_into(runner, all[0], results[0]);
            for (std::size_t i = 1; i < all.size();) {
                if (results[i].lines.empty()) {
                    co_await kube::sleep_for(*clock, std::chrono::milliseconds(10), {});
                } else {
                    ++i;
                }
            }
        }(commands, ended));
    return ended;
}

std::vector<std::string> pod(const std::string& session_user, const std::string& script_user, std::string_view session,
                             const std::vector<std::string>& shell) {
    std::vector<std::string> command = {"sh",         "-c",        std::string(kPod),   "sh",
                                        session_user, script_user, std::string(session)};
    command.push_back(termination_request("a", "b", "c", seconds(1)).command[2]);
    command.insert(command.end(), shell.begin(), shell.end());
    return command;
}

/// Why there can be no Pod in small here, if so.
std::string why_not() {
    const auto tried = run_all(
        {{"sh", "-c",
          "unshare --pid --fork --mount --mount-proc setpriv --reuid 1 --clear-groups true 2>&1; echo end=$?"}});
    return tried[0].lines.back() == "end=0" ? "" : tried[0].lines.front();
}

std::set<std::string> after_the_report(const Ended& ended) {
    return {ended.lines.begin() + 1, ended.lines.end()};
}

TEST(TerminationScript, EndsTheSessionAndNothingOfTheTarget) {
    if (const std::string reason = why_not(); !reason.empty()) GTEST_SKIP() << "no namespaces here: " << reason;
    const std::vector<Shell> shells = {
        {"dash", {"dash"}},
        {"bash", {"bash"}},
        {"busybox ash", {"busybox", "ash"}},
        {"dash with no other program", {"env", "PATH=/none", "/usr/bin/dash"}},
        {"bash with no other program", {"env", "PATH=/none", "/usr/bin/bash"}},
    };
    std::vector<std::vector<std::string>> pods;
    std::vector<std::string> names;
    for (const Shell& shell : shells) {
        std::vector<std::string> probe = shell.command;
        probe.insert(probe.end(), {"-c", "echo there"});
        if (run_all({probe})[0].exit_code != 0) continue;
        for (const std::string user : {"0", "65532"}) {
            names.push_back(shell.name + " as user " + user);
            pods.push_back(pod(user, user, kSession, shell.command));
        }
    }
    ASSERT_FALSE(pods.empty());
    const auto results = run_all(pods);
    for (std::size_t i = 0; i < results.size(); ++i) {
        SCOPED_TRACE(names[i]);
        ASSERT_FALSE(results[i].lines.empty());
        const auto report = parse_termination_report(results[i].lines.front() + "\n");
        ASSERT_TRUE(report) << results[i].lines.front();
        EXPECT_GE(report->ended, 8U);
        EXPECT_EQ(report->left, 0U);
        // Without control groups of their own, a target that cannot be examined could be one of the session.
        EXPECT_EQ(report->hidden, names[i].ends_with("65532") ? 2U : 0U);
        EXPECT_EQ(after_the_report(results[i]),
                  (std::set<std::string>{"exit=0", "file armed", "file let-go-in-time", "file ready",
                                         "alive sleep 1000 ", "alive sleep 1005 "}));
    }
}

TEST(TerminationScript, LeavesAloneWhatItCannotTellApart) {
    if (const std::string reason = why_not(); !reason.empty()) GTEST_SKIP() << "no namespaces here: " << reason;
    const std::string session = "sleep 1001 & echo >$DIR/ready; wait";
    const std::string main = "alive sh -c " + session + " ";
    // The last one sees the /proc of the outer PID namespace, where its numbers are other processes.
    const auto results = run_all({
        pod("0", "65532", session, {"dash"}),
        pod("0", "0", session, {"unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc; exec dash \"$@\"", "sh"}),
        pod("0", "0", session, {"unshare", "--mount", "sh", "-c", "umount -l /proc; exec dash \"$@\"", "sh"}),
    });
    const std::vector<std::string> reports = {"ended=0 left=0 hidden=4", "error=proc", "error=proc"};
    for (std::size_t i = 0; i < results.size(); ++i) {
        SCOPED_TRACE(i);
        ASSERT_FALSE(results[i].lines.empty());
        EXPECT_EQ(results[i].lines.front(), reports[i]);
        EXPECT_EQ(after_the_report(results[i]),
                  (std::set<std::string>{i == 0 ? "exit=0" : "exit=3", "file ready", main, "alive sleep 1000 ",
                                         "alive sleep 1005 ", "alive sleep 1001 "}));
    }
}

}  // namespace
}  // namespace endoscope::controller
