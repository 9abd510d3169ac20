#pragma once

#include "kube/client/remote_command.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// How a debug session is ended from inside its container: by a shell script that is run there (`onExpiry: Terminate`).
/// The container shares the PID namespace of its target, whose processes must never be signalled. So only processes
/// whose mount namespace is the container's own are: it is what a container shares with no other. Those that another
/// user owns cannot be told apart without the right to trace them; they are left alone and counted.
///
/// First everything below the container's main process and other `exec`s gets TERM, since the runtime kills what is
/// left when the main process ends: a debugger must have detached from its target by then, or its breakpoints end that.
/// Then those get TERM, and what is left gets KILL, in rounds, because processes fork meanwhile. It needs a POSIX shell
/// with the `-ef` of POSIX.1-2024 (busybox ash, dash, bash, mksh), /proc, and nothing else of the image.

inline constexpr std::chrono::seconds kTerminationGrace{5};

/// The command for one container. `grace` is given to each of the two steps of TERM (negative: none).
kube::ExecRequest termination_request(std::string ns, std::string pod, std::string container,
                                      std::chrono::seconds grace = kTerminationGrace);

/// What the script has counted.
struct TerminationReport {
    unsigned ended = 0;   ///< Processes that were there and are gone.
    unsigned left = 0;    ///< Processes that are still there after KILL, or that may not be signalled.
    unsigned hidden = 0;  ///< Processes of the same control group, hence of the session, that cannot be examined.

    bool operator==(const TerminationReport&) const = default;
};

/// Reads `ended=3 left=0 hidden=0` and a line feed, and nothing else.
std::optional<TerminationReport> parse_termination_report(std::string_view output);

/// How the attempt went. It says what a shell in the hands of whoever debugs there has told: that the session has ended
/// is shown by the Pod's status only.
enum class TerminationOutcome : std::uint8_t {
    ended,          ///< Every process that was found has ended.
    nothing_found,  ///< There was none, which only a container that is ending can have.
    some_left,      ///< Some could not be ended or not be examined.
    no_shell,       ///< The image has no `sh`.
    no_proc,        ///< The container cannot see its processes' namespaces.
    not_permitted,  ///< The API server refuses Endoscope the right to `pods/exec`.
    gone,           ///< The container or the Pod had ended already.
    cut_short,      ///< The script was killed before its report, as is usual when it has ended the container.
    unreachable,    ///< How it ended is not known, or it did not begin.
    failed,         ///< Refused for good, or the answer makes no sense.
};

struct Termination {
    TerminationOutcome outcome = TerminationOutcome::failed;
    bool retry = false;   ///< The same may do better later, if the container still runs then.
    std::string message;  ///< One sentence for people: what happened, and what to do where something is to be done.
    TerminationReport report;
};

/// What the command's end means.
Termination judge_termination(const kube::Result<kube::ExecResult>& result);

}  // namespace endoscope::controller
