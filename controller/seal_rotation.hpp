#pragma once

#include "controller/seal_secret.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// When seal keys are replaced. `--seal-key-rotation`, `--seal-key-retention` and `--seal-key-refresh`.
struct SealKeySettings {
    kube::Duration rotation = std::chrono::hours(720);  ///< How long a key seals; 0: until somebody asks for another.
    kube::Duration retention = std::chrono::hours(24);  ///< How long one that ceased to seal is accepted.
    kube::Duration refresh = std::chrono::seconds(30);  ///< Every replica reads the Secret this often.

    /// After this time every replica that still serves has read what the Secret says: three attempts.
    kube::Duration spread() const { return 3 * refresh; }
};

/// What is wrong with them, naming the flag and what to write instead; empty when nothing is.
std::string validate(const SealKeySettings& settings);

/// The changes that the leader makes to the Secret, one write each.
enum class SealStep : std::uint8_t {
    none,
    date,     ///< A key lacks the time that its age is counted from (or it lies in the future): it is now.
    begin,    ///< A new key: accepted by everybody, sealing nothing yet.
    promote,  ///< The new key seals; the one before is accepted from now on until its time is over.
    drop,     ///< Keys whose time is over are forgotten.
};

/// A word for the log.
std::string_view to_string(SealStep step);

/// What is to be done next. `unchanged_for` is how long, by its own monotonic clock, this process knows the Secret to
/// be as it is: no key is promoted or dropped before `spread()` of that, whatever the wall clock says, so that a clock
/// that jumps makes nobody seal with, or still hold, a key that others do not have.
SealStep next_step(const SealSecret& content, kube::WallTime now, kube::Duration unchanged_for,
                   const SealKeySettings& settings);

/// The content after that step. `fresh` is the new key of `begin` and of no other.
SealSecret after_step(SealStep step, SealSecret content, kube::WallTime now, const SealKeySettings& settings,
                      SealKey fresh = {});

/// The content of a new Secret.
SealSecret first_content(SealKey key, kube::WallTime now);

}  // namespace endoscope::controller
