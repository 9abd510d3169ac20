#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/error.hpp"
#include "kube/runtime/backoff.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <variant>

namespace kube {

/// What a reflector does next, decided without I/O (client-go tools/cache/reflector.go). The driver performs the action
/// and reports how it ended; every report returns the next action.
class ReflectorFsm {
  public:
    struct List {
        std::string resource_version;  ///< "0" first, then the last one seen; "" after it expired.
        std::string continue_token;    ///< Set on later pages, where no resourceVersion may be sent.
    };
    struct Watch {
        std::string resource_version;
        std::chrono::seconds timeout{};  ///< `timeoutSeconds`; our own limit is a margin longer.
    };
    struct Wait {
        Duration delay{};
    };
    using Action = std::variant<List, Watch, Wait>;

    /// `resume_from`: a resourceVersion whose state the sink already holds; then the first action is a watch.
    explicit ReflectorFsm(std::uint64_t seed, std::string resume_from = {});

    Action start();
    /// A page was received and taken; `continue_token` is empty on the last one.
    Action on_page(const std::string& resource_version, const std::string& continue_token);
    Action on_list_error(const Error& error, SteadyTime now);
    Action on_waited();
    /// An event was stored (or a bookmark seen): resume from here from now on.
    void on_event(const std::string& resource_version);
    /// The watch never opened, or ended. No error = clean end of stream.
    Action on_watch_end(const std::optional<Error>& error, Duration lived, SteadyTime now);

    const std::string& resource_version() const { return resource_version_; }
    std::uint64_t relists() const { return relists_; }

  private:
    Action relist();
    Action watch();
    Action wait_then_list(SteadyTime now);

    Backoff backoff_;
    std::mt19937_64 random_;
    std::string resource_version_;  ///< Last seen; "" before the first list.
    bool expired_ = false;          ///< The server forgot `resource_version_`: list with "".
    bool retried_expired_ = false;  ///< One immediate retry, then by back-off.
    bool resume_watch_ = false;     ///< What follows a Wait.
    std::uint64_t events_ = 0;      ///< Since the watch opened.
    std::uint64_t relists_ = 0;
};

}  // namespace kube
