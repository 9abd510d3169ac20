#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace endoscope::api {

using Labels = std::map<std::string, std::string>;

/// meta/v1 LabelSelector.
struct LabelSelector {
    enum class Operator : std::uint8_t { in, not_in, exists, does_not_exist };
    struct Requirement {
        std::string key;
        Operator op = Operator::in;
        std::vector<std::string> values;

        bool operator==(const Requirement&) const = default;
    };

    Labels match_labels;
    std::vector<Requirement> match_expressions;

    /// Whether nothing is required. What that means (everything or nothing) is the business of the field.
    bool empty() const { return match_labels.empty() && match_expressions.empty(); }

    /// Whether all requirements hold, as in apimachinery: NotIn and DoesNotExist hold where the label is missing.
    bool matches(const Labels& labels) const;

    bool operator==(const LabelSelector&) const = default;
};

/// The selector as the query parameter `labelSelector` takes it, e.g. "app=web,tier in (a,b),!old". Empty for one that
/// requires nothing.
std::string to_string(const LabelSelector& selector);

}  // namespace endoscope::api
