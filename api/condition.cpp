#include "api/condition.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace endoscope::api {
namespace {

std::optional<ConditionStatus> status_from_string(std::string_view text) {
    for (const auto status : {ConditionStatus::is_true, ConditionStatus::is_false, ConditionStatus::unknown}) {
        if (to_string(status) == text) return status;
    }
    return std::nullopt;
}

std::string text_at(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string_view to_string(ConditionStatus status) {
    switch (status) {
        case ConditionStatus::is_true:
            return "True";
        case ConditionStatus::is_false:
            return "False";
        case ConditionStatus::unknown:
            return "Unknown";
    }
    return {};
}

bool set_condition(std::vector<Condition>& conditions, Condition next) {
    const auto found = std::ranges::find(conditions, next.type, &Condition::type);
    if (found == conditions.end()) {
        conditions.push_back(std::move(next));
        return true;
    }
    if (found->status == next.status && !found->last_transition_time.empty()) {
        next.last_transition_time = found->last_transition_time;
    }
    if (*found == next) return false;
    *found = std::move(next);
    return true;
}

const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type) {
    const auto found = std::ranges::find(conditions, type, &Condition::type);
    return found == conditions.end() ? nullptr : &*found;
}

nlohmann::json to_json(const std::vector<Condition>& conditions) {
    auto list = nlohmann::json::array();
    for (const Condition& condition : conditions) {
        nlohmann::json entry = {{"type", condition.type},
                                {"status", to_string(condition.status)},
                                {"reason", condition.reason},
                                {"message", condition.message},
                                {"lastTransitionTime", condition.last_transition_time}};
        if (condition.observed_generation != 0) entry["observedGeneration"] = condition.observed_generation;
        list.push_back(std::move(entry));
    }
    return list;
}

std::vector<Condition> parse_conditions(const nlohmann::json& list) {
    std::vector<Condition> conditions;
    if (!list.is_array()) return conditions;
    for (const auto& entry : list) {
        if (!entry.is_object()) continue;
        const auto status = status_from_string(text_at(entry, "status"));
        Condition condition{.type = text_at(entry, "type"),
                            .status = status.value_or(ConditionStatus::unknown),
                            .reason = text_at(entry, "reason"),
                            .message = text_at(entry, "message"),
                            .last_transition_time = text_at(entry, "lastTransitionTime")};
        if (!status || condition.type.empty()) continue;
        const auto generation = entry.find("observedGeneration");
        if (generation != entry.end() && generation->is_number_integer()) {
            condition.observed_generation = generation->get<std::int64_t>();
        }
        conditions.push_back(std::move(condition));
    }
    return conditions;
}

}  // namespace endoscope::api
