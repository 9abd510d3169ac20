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

std::string to_string(const LabelSelector& selector) {
    std::string text;
    const auto add = [&text](const std::string& requirement) { text += (text.empty() ? "" : ",") + requirement; };
    for (const auto& [key, value] : selector.match_labels) add(key + "=" + value);
    for (const LabelSelector::Requirement& requirement : selector.match_expressions) {
        std::string values;
        for (const std::string& value : requirement.values) values += (values.empty() ? "" : ",") + value;
        switch (requirement.op) {
            case LabelSelector::Operator::in:
                add(requirement.key + " in (" + values + ")");
                break;
            case LabelSelector::Operator::not_in:
                add(requirement.key + " notin (" + values + ")");
                break;
            case LabelSelector::Operator::exists:
                add(requirement.key);
                break;
            case LabelSelector::Operator::does_not_exist:
                add("!" + requirement.key);
                break;
        }
    }
    return text;
}

}  // namespace endoscope::api
