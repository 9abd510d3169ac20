#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::api {

/// Types of the conditions of a DebugRequest, and `kAccepted` of a DebugPolicy.
namespace condition_type {
inline constexpr std::string_view kAuthorized = "Authorized";
inline constexpr std::string_view kPolicyAccepted = "PolicyAccepted";
inline constexpr std::string_view kApproved = "Approved";
inline constexpr std::string_view kInjected = "Injected";
inline constexpr std::string_view kStarted = "Started";
inline constexpr std::string_view kEnded = "Ended";
inline constexpr std::string_view kContainerStillRunning = "ContainerStillRunning";
inline constexpr std::string_view kReady = "Ready";              ///< kstatus
inline constexpr std::string_view kReconciling = "Reconciling";  ///< kstatus
inline constexpr std::string_view kStalled = "Stalled";          ///< kstatus
inline constexpr std::string_view kAccepted = "Accepted";
}  // namespace condition_type

/// `status` of a condition. The names are spelt so that they cannot be taken for booleans.
enum class ConditionStatus : std::uint8_t { is_true, is_false, unknown };

/// "True", "False" or "Unknown".
std::string_view to_string(ConditionStatus status);

/// apimachinery meta/v1 Condition.
struct Condition {
    std::string type;
    ConditionStatus status = ConditionStatus::unknown;
    std::string reason;
    std::string message;
    std::string last_transition_time;  ///< RFC 3339, UTC.
    std::int64_t observed_generation = 0;

    bool operator==(const Condition&) const = default;
};

/// Puts `next` into the list, in place of the one with the same type, else at its end. `next.last_transition_time` is
/// the present time; the old one is kept where the status does not change (as apimachinery's SetStatusCondition does).
/// Returns whether the list changed.
bool set_condition(std::vector<Condition>& conditions, Condition next);

/// The condition of that type, or nullptr.
const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type);

/// The list as in `status.conditions`.
nlohmann::json to_json(const std::vector<Condition>& conditions);

/// Reads `status.conditions`. Entries that are not conditions are left out: a status is a record, not an input.
std::vector<Condition> parse_conditions(const nlohmann::json& list);

}  // namespace endoscope::api
