#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"
#include "kube/runtime/backoff.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>

namespace kube {

/// Whether WatchList (KEP-3157: the initial state as the beginning of a watch) works with this server. One is shared by
/// all reflectors of a process, so that a refusal is met once.
struct WatchListSupport {
    bool refused = false;
};

/// What a reflector does next, decided without I/O (client-go tools/cache/reflector.go, tools/pager/pager.go). The
/// driver performs the action and reports how it ended; every report returns the next action.
class ReflectorFsm {
  public:
    struct List {
        std::string resource_version;  ///< "0" or "" first, then the last one seen; "" after it expired.
        std::string continue_token;    ///< Set on later pages, where no resourceVersion may be sent.
        bool paged = true;             ///< Whether to send a limit; without one the watch cache can serve the list.
    };
    struct Watch {
        std::string resource_version;
        std::chrono::seconds timeout{};  ///< `timeoutSeconds`; our own limit is a margin longer.
        bool initial_events = false;     ///< Ask for the whole state first (`sendInitialEvents`).
    };
    struct Wait {
        Duration delay{};
    };
    using Action = std::variant<List, Watch, Wait>;

    /// `resume_from`: a resourceVersion whose state the sink already holds; then the first action is a watch.
    /// `watch_list`: use it while it is not refused; null: always list.
    /// `most_recent`: the first list is a consistent read (see `ReflectorOptions::most_recent`).
    explicit ReflectorFsm(std::uint64_t seed, std::string resume_from = {},
                          std::shared_ptr<WatchListSupport> watch_list = nullptr, bool most_recent = false);

    Action start();
    /// A page was received and taken; `continue_token` is empty on the last one.
    Action on_page(const std::string& resource_version, const std::string& continue_token);
    Action on_list_error(const Error& error, SteadyTime now);
    Action on_waited();
    /// An event was stored (or a bookmark seen): resume from here from now on. Initial events do not count, since they
    /// come in no order of versions.
    void on_event(const std::string& resource_version);
    /// The bookmark at the end of the initial events was seen and the state swapped; the watch goes on.
    void on_initial_events_end(const std::string& resource_version);
    /// That bookmark does not come: some servers know the parameter and never send it.
    Action on_initial_events_timeout();
    /// The watch never opened, or ended. No error = clean end of stream.
    Action on_watch_end(const std::optional<Error>& error, Duration lived, SteadyTime now);

    const std::string& resource_version() const { return resource_version_; }
    /// Lists begun, the first included; the pages of one count as one.
    std::uint64_t relists() const { return relists_; }
    /// The running watch is still sending the initial state.
    bool initial_events() const { return initial_events_; }

  private:
    Action relist();
    Action watch();
    /// The back-off, or what the server asks for if that is more.
    Action wait(const Error* error, SteadyTime now, bool then_resume);
    Action on_initial_watch_end(const std::optional<Error>& error, SteadyTime now);

    Backoff backoff_;
    std::mt19937_64 random_;
    std::string resource_version_;  ///< Last seen; "" before the first list.
    std::shared_ptr<WatchListSupport> watch_list_;
    std::string list_version_;       ///< Of the list's first page: a list is of one version.
    bool most_recent_;               ///< List with "": it begins so, or the server forgot `resource_version_`.
    bool retried_expired_ = false;   ///< One immediate retry, then by back-off.
    bool relisted_at_once_ = false;  ///< Likewise for a watch that expires before it has begun.
    bool unpaged_ = false;           ///< The continue token of this list expired: all of it in one piece.
    bool server_pages_ = false;      ///< A list from the watch cache came in pages: there is no such cache.
    bool resume_watch_ = false;      ///< What follows a Wait.
    bool initial_events_ = false;
    std::uint64_t events_ = 0;  ///< Since the watch opened.
    std::uint64_t relists_ = 0;
};

}  // namespace kube
