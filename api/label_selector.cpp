#include "api/label_selector.hpp"

#include <algorithm>

namespace endoscope::api {
namespace {

bool holds(const LabelSelector::Requirement& requirement, const Labels& labels) {
    const auto label = labels.find(requirement.key);
    const bool present = label != labels.end();
    const auto listed = [&] {
        return std::ranges::find(requirement.values, label->second) != requirement.values.end();
    };
    switch (requirement.op) {
        case LabelSelector::Operator::in:
            return present && listed();
        case LabelSelector::Operator::not_in:
            return !present || !listed();
        case LabelSelector::Operator::exists:
            return present;
        case LabelSelector::Operator::does_not_exist:
            return !present;
    }
    return false;
}

}  // namespace

bool LabelSelector::matches(const Labels& labels) const {
    const bool equal = std::ranges::all_of(match_labels, [&](const auto& wanted) {
        const auto label = labels.find(wanted.first);
        return label != labels.end() && label->second == wanted.second;
    });
    return equal && std::ranges::all_of(match_expressions, [&](const auto& r) { return holds(r, labels); });
}

}  // namespace endoscope::api
