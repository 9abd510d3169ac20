#include "tests/model/selector.hpp"

#include "tests/model/names.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace model {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

/// Commas inside parentheses do not separate.
std::vector<std::string_view> terms_of(std::string_view text) {
    std::vector<std::string_view> out;
    int depth = 0;
    std::size_t start = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || (text[i] == ',' && depth == 0)) {
            out.push_back(trim(text.substr(start, i - start)));
            start = i + 1;
        } else if (text[i] == '(') {
            ++depth;
        } else if (text[i] == ')') {
            --depth;
        }
    }
    return out;
}

std::optional<long long> integer(std::string_view text) {
    long long value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

/// What is wrong with a requirement, in upstream's words (apimachinery labels.NewRequirement).
std::string requirement_problem(const std::string& key, const std::vector<std::string>& values, bool compares) {
    for (const std::string& value : values) {
        if (compares && !integer(value)) {
            return "values[0]: Invalid value: " + quote(value) +
                   ": for 'Gt', 'Lt' operators, the value must be an integer";
        }
        if (const std::string problem = label_value_problem(value); !problem.empty()) {
            return "values[0][" + key + "]: Invalid value: " + quote(value) + ": " + problem;
        }
    }
    if (const std::string problem = qualified_name_problem(key); !problem.empty()) {
        return "<nil>: Invalid value: " + quote(key) + ": " + problem;
    }
    return "";
}

struct SetTerm {
    std::string_view key;
    bool negated = false;
    std::vector<std::string> values;
};

/// `key in (a,b)` or `key notin (a,b)`.
std::optional<SetTerm> parse_set(std::string_view term) {
    const std::size_t open = term.find('(');
    if (open == std::string_view::npos || term.back() != ')') return std::nullopt;
    SetTerm out;
    std::string_view head = trim(term.substr(0, open));
    if (head.ends_with(" notin")) {
        out.negated = true;
        head.remove_suffix(6);
    } else if (head.ends_with(" in")) {
        head.remove_suffix(3);
    } else {
        return std::nullopt;
    }
    out.key = trim(head);
    for (const std::string& value : split(term.substr(open + 1, term.size() - open - 2), ',')) {
        out.values.emplace_back(trim(value));
    }
    return out;
}

}  // namespace

Outcome<LabelSelector> LabelSelector::parse(std::string_view text) {
    LabelSelector selector;
    if (trim(text).empty()) return selector;
    for (const std::string_view term : terms_of(text)) {
        Requirement requirement;
        if (const auto set = parse_set(term)) {
            requirement.key = set->key;
            requirement.op = set->negated ? Operator::not_in : Operator::in;
            requirement.values = set->values;
        } else if (const std::size_t unequal = term.find("!="); unequal != std::string_view::npos) {
            requirement.key = trim(term.substr(0, unequal));
            requirement.op = Operator::not_in;
            requirement.values.emplace_back(trim(term.substr(unequal + 2)));
        } else if (const std::size_t equal = term.find('='); equal != std::string_view::npos) {
            const std::size_t width = term.substr(equal).starts_with("==") ? 2 : 1;
            requirement.key = trim(term.substr(0, equal));
            requirement.op = Operator::in;
            requirement.values.emplace_back(trim(term.substr(equal + width)));
        } else if (const std::size_t compare = term.find_first_of("<>"); compare != std::string_view::npos) {
            requirement.key = trim(term.substr(0, compare));
            requirement.op = term[compare] == '>' ? Operator::greater : Operator::less;
            requirement.values.emplace_back(trim(term.substr(compare + 1)));
        } else if (term.starts_with('!')) {
            requirement.key = trim(term.substr(1));
            requirement.op = Operator::absent;
        } else {
            requirement.key = term;
        }
        if (!requirement.values.empty() && requirement.values.front().starts_with('=')) {
            return std::unexpected(bad_request("unable to parse requirement: found '=', expected: identifier"));
        }
        const bool compares = requirement.op == Operator::greater || requirement.op == Operator::less;
        const std::string problem = requirement_problem(requirement.key, requirement.values, compares);
        if (!problem.empty()) return std::unexpected(bad_request("unable to parse requirement: " + problem));
        selector.requirements_.push_back(std::move(requirement));
    }
    return selector;
}

Outcome<LabelSelector> LabelSelector::from_json(const Json& selector) {
    LabelSelector out;
    if (const Json* labels = find_at(selector, {"matchLabels"}); labels != nullptr && labels->is_object()) {
        for (const auto& [key, value] : labels->items()) {
            Requirement equal;
            equal.key = key;
            equal.op = Operator::in;
            equal.values.push_back(value.is_string() ? value.get<std::string>() : "");
            out.requirements_.push_back(std::move(equal));
        }
    }
    for (const Json& expression : array_at(selector, {"matchExpressions"})) {
        Requirement requirement;
        requirement.key = string_at(expression, {"key"});
        requirement.values = strings_at(expression, {"values"});
        const std::string op = string_at(expression, {"operator"});
        if (op == "In") {
            requirement.op = Operator::in;
        } else if (op == "NotIn") {
            requirement.op = Operator::not_in;
        } else if (op == "Exists") {
            requirement.op = Operator::exists;
        } else if (op == "DoesNotExist") {
            requirement.op = Operator::absent;
        } else {
            return std::unexpected(bad_request(quote(op) + " is not a valid label selector operator"));
        }
        out.requirements_.push_back(std::move(requirement));
    }
    return out;
}

bool LabelSelector::matches(const Json& object) const {
    return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
        const Json* value = find_at(object, {"metadata", "labels", requirement.key});
        const bool there = value != nullptr && value->is_string();
        switch (requirement.op) {
            case Operator::exists:
                return there;
            case Operator::absent:
                return !there;
            case Operator::in:
                return there && contains(requirement.values, value->get<std::string>());
            case Operator::not_in:
                return !there || !contains(requirement.values, value->get<std::string>());
            case Operator::greater:
            case Operator::less:
                break;
        }
        const auto left = there ? integer(value->get<std::string>()) : std::nullopt;
        const auto right = requirement.values.empty() ? std::nullopt : integer(requirement.values.front());
        if (!left || !right) return false;
        return requirement.op == Operator::greater ? *left > *right : *left < *right;
    });
}

Outcome<FieldSelector> FieldSelector::parse(std::string_view text) {
    FieldSelector selector;
    if (trim(text).empty()) return selector;
    for (const std::string_view term : terms_of(text)) {
        if (term.empty()) continue;
        const std::size_t equal = term.find('=');
        if (equal == std::string_view::npos || equal == 0) {
            return std::unexpected(bad_request("invalid selector: '" + std::string(text) + "'; can't understand '" +
                                               std::string(term) + "'"));
        }
        Term parsed;
        parsed.equal = term[equal - 1] != '!';
        parsed.field = trim(term.substr(0, parsed.equal ? equal : equal - 1));
        const std::size_t width = term.substr(equal).starts_with("==") ? 2 : 1;
        // Values escape backslash, comma and equals sign with a backslash.
        const std::string_view raw = trim(term.substr(equal + width));
        for (std::size_t i = 0; i < raw.size(); ++i) {
            if (raw[i] == '\\' && i + 1 < raw.size()) ++i;
            parsed.value += raw[i];
        }
        selector.terms_.push_back(std::move(parsed));
    }
    return selector;
}

std::string FieldSelector::unsupported(const std::vector<std::string>& supported) const {
    for (const Term& term : terms_) {
        if (!contains(supported, term.field)) return term.field;
    }
    return "";
}

std::string FieldSelector::name() const {
    for (const Term& term : terms_) {
        if (term.field == "metadata.name" && term.equal) return term.value;
    }
    return "";
}

bool FieldSelector::matches(const Json& object) const {
    return std::ranges::all_of(terms_, [&](const Term& term) {
        std::string text = field_text(object, term.field);
        // A Secret's or Pod's unset boolean reads "false" upstream.
        if (text.empty() && term.field == "spec.unschedulable") text = "false";
        return (text == term.value) == term.equal;
    });
}

std::string field_text(const Json& object, std::string_view path) {
    const Json* at = &object;
    for (const std::string& key : split(path, '.')) {
        if (!at->is_object()) return "";
        const auto found = at->find(key);
        if (found == at->end()) return "";
        at = &*found;
    }
    if (at->is_string()) return at->get<std::string>();
    return at->is_null() || at->is_structured() ? "" : at->dump();
}

}  // namespace model
