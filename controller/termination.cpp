#include "controller/termination.hpp"

#include "kube/base/log.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace endoscope::controller {

namespace {

using std::chrono::seconds;

/// `scan` looks at every process but the shell itself and signals, by its argument: BELOW what has a parent in this PID
/// namespace (the main process and other execs have none: 0), TERM everything, both once each, KILL everything every
/// time. A process without an own mount namespace to read is a zombie, or belongs to somebody else: then the control
/// group, which everybody may read, says whether it is of this container. `pause` works without any program, too.
/// It refuses a /proc of another PID namespace, whose numbers would mean other processes.
/// The script stands in a URL, so it is short.
constexpr std::string_view kScript = R"(ns=/proc/$$/ns/mnt seen=' ' told=' ' n=0
[ -e $ns ] && read -r x v </proc/self/stat && [ "$x" = $$ ] || { echo error=proc; exit 3; }
lines() { all=; { while read -r x; do all=$all/$x; done <$1; } 2>/dev/null; }
facts() {
 state= parent= threads=
 { while read -r k v x; do
  case $k in State:) state=$v;; PPid:) parent=$v;; Threads:) threads=$v;; esac
 done <$1/status; } 2>/dev/null
}
pause() {
 sleep 1 2>/dev/null && return
 read -r x v </proc/uptime; k=${x%.*}
 while [ ${x%.*} -le $((k+1)) ]; do read -r x v </proc/uptime; done
}
scan() {
 left=0 below=0 hidden=0
 for d in /proc/[0-9]*; do
  p=${d#/proc/}
  [ $p != $$ ] || continue
  if [ $d/ns/mnt -ef $ns ]; then
   facts $d
   left=$((left+1))
   case $seen in *" $p "*) ;; *) seen="$seen$p " n=$((n+1));; esac
   [ "$parent" = 0 ] || below=$((below+1))
   if [ $1 = KILL ]; then kill -s KILL $p
   elif [ $1 = TERM ] || [ "$parent" != 0 ]; then
    case $told in *" $p "*) ;; *) told="$told$p "; kill -s TERM $p;; esac
   fi 2>/dev/null
  elif [ ! -e $d/ns/mnt ]; then
   facts $d
   case $state$threads in ''|[ZX][01]) continue;; esac
   lines $d/cgroup
   [ "$all" != "$own" ] || hidden=$((hidden+1))
  fi
 done
}
lines /proc/$$/cgroup; own=$all
i=0; while scan BELOW; [ $below -gt 0 ] && [ $i -lt $grace ]; do pause; i=$((i+1)); done
i=0; while scan TERM; [ $left -gt 0 ] && [ $i -lt $grace ]; do pause; i=$((i+1)); done
i=0; while [ $left -gt 0 ] && scan KILL; [ $left -gt 0 ] && [ $i -lt 6 ]; do [ $i -lt 2 ] || pause; i=$((i+1)); done
echo "ended=$((n-left)) left=$left hidden=$hidden"
)";

/// The rounds of KILL pause four times for a second; the rest is for the way there and back.
constexpr seconds kBesideGrace{20};
constexpr std::size_t kMaxOutput = 4096;
constexpr std::size_t kMaxQuoted = 200;

constexpr int kNoProc = 3;  ///< The script's own exit code.
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;
constexpr int kSignalled = 128;

std::string processes(unsigned count) {
    return std::to_string(count) + (count == 1 ? " process" : " processes");
}

std::string quoted(std::string_view text) {
    return kube::log::escape(text.substr(0, kMaxQuoted));
}

Termination outcome(TerminationOutcome which, std::string message, bool retry = false) {
    Termination termination;
    termination.outcome = which;
    termination.message = std::move(message);
    termination.retry = retry;
    return termination;
}

Termination no_shell() {
    return outcome(
        TerminationOutcome::no_shell,
        "the image of the debug container has no sh, so the session's processes cannot be ended from inside; "
        "delete the Pod to end them");
}

Termination judge_error(const kube::Error& error) {
    if (error.kind == kube::ErrorKind::forbidden) {
        return outcome(
            TerminationOutcome::not_permitted,
            "Endoscope may not run the command that ends the session (" + error.message +
                "); grant it get and create on pods/exec (component manifests/terminate), or delete the Pod");
    }
    if (error.kind == kube::ErrorKind::not_found || kube::is_container_not_running(error)) {
        return outcome(TerminationOutcome::gone,
                       "the container or its Pod has ended before the session could be ended (" + error.message + ")");
    }
    if (kube::is_missing_program(error)) return no_shell();
    if (error.kind == kube::ErrorKind::cancelled || kube::is_retryable(error)) {
        return outcome(TerminationOutcome::unreachable,
                       "the command that ends the session did not answer (" + error.message + ")", true);
    }
    return outcome(TerminationOutcome::failed, "the command that ends the session was refused (" + error.message +
                                                   "); delete the Pod to end its processes");
}

Termination judge_report(const TerminationReport& report) {
    Termination termination;
    termination.report = report;
    if (report.left > 0 || report.hidden > 0) {
        termination.outcome = TerminationOutcome::some_left;
        termination.message = processes(report.ended) + " of the session ended";
        if (report.left > 0) termination.message += "; " + processes(report.left) + " could not be ended";
        if (report.hidden > 0) {
            termination.message += "; " + processes(report.hidden) + " of another user could not be examined";
        }
        termination.message += "; delete the Pod to end what is left";
    } else if (report.ended > 0) {
        termination.outcome = TerminationOutcome::ended;
        termination.message = processes(report.ended) + " of the session ended";
    } else {
        termination.outcome = TerminationOutcome::nothing_found;
        termination.message = "no process of the session was found";
    }
    return termination;
}

}  // namespace

kube::ExecRequest termination_request(std::string ns, std::string pod, std::string container, seconds grace) {
    grace = std::max(grace, seconds(0));
    kube::ExecRequest request;
    request.ns = std::move(ns);
    request.pod = std::move(pod);
    request.container = std::move(container);
    // By the PATH and not /bin/sh: the debug variants of distroless images have theirs in /busybox.
    request.command = {"sh", "-c", "grace=" + std::to_string(grace.count()) + "\n" + std::string(kScript)};
    request.timeout = 2 * grace + kBesideGrace;
    request.max_output = kMaxOutput;
    return request;
}

std::optional<TerminationReport> parse_termination_report(std::string_view output) {
    TerminationReport report;
    const auto take = [&output](std::string_view name, unsigned& value, char end) {
        if (!output.starts_with(name)) return false;
        output.remove_prefix(name.size());
        const auto [stop, error] = std::from_chars(output.data(), output.data() + output.size(), value);
        if (error != std::errc() || stop == output.data() + output.size() || *stop != end) return false;
        output.remove_prefix(static_cast<std::size_t>(stop - output.data()) + 1);
        return true;
    };
    const bool whole = take("ended=", report.ended, ' ') && take("left=", report.left, ' ') &&
                       take("hidden=", report.hidden, '\n') && output.empty();
    return whole ? std::optional(report) : std::nullopt;
}

Termination judge_termination(const kube::Result<kube::ExecResult>& result) {
    if (!result) return judge_error(result.error());
    // The report is the script's last act: the end of the container may overtake its exit, not its words.
    if (result->exit_code == 0 || result->exit_code > kSignalled) {
        if (const auto report = parse_termination_report(result->output)) return judge_report(*report);
    }
    if (result->exit_code == kNoProc && result->output == "error=proc\n") {
        return outcome(
            TerminationOutcome::no_proc,
            "the debug container's /proc does not show namespaces, so the session's processes cannot be told "
            "from the target's; delete the Pod to end them");
    }
    // Some runtimes tell by exit codes like a shell's that there is no program.
    if (result->exit_code == kCannotExecute || result->exit_code == kNotFound) return no_shell();
    if (result->exit_code > kSignalled) {
        return outcome(TerminationOutcome::cut_short,
                       "the command that ends the session was killed before it could report, as happens when the "
                       "container ends",
                       true);
    }
    return outcome(TerminationOutcome::failed,
                   "the command that ends the session made no sense (exit code " + std::to_string(result->exit_code) +
                       ", output \"" + quoted(result->output) + "\", errors \"" + quoted(result->error_output) +
                       "\"); delete the Pod to end its processes");
}

}  // namespace endoscope::controller
