#include "tests/model/table.hpp"

#include <algorithm>
#include <optional>

namespace model {

namespace {

/// One step of a path: a name, an index (-1 = every item) or a filter `@.key == value`.
struct Step {
    std::string name;
    std::optional<long> index;
    std::string filter_key;
    std::string filter_value;
};

std::string unquoted(std::string text) {
    std::erase(text, ' ');
    if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front()) {
        return text.substr(1, text.size() - 2);
    }
    return text;
}

std::optional<Step> parse_bracket(const std::string& inside) {
    Step step;
    if (inside.starts_with("?(") && inside.ends_with(')')) {
        const std::string expression = inside.substr(2, inside.size() - 3);
        const std::size_t equals = expression.find("==");
        if (equals == std::string::npos || !expression.starts_with("@.")) return std::nullopt;
        step.filter_key = unquoted(expression.substr(2, equals - 2));
        step.filter_value = unquoted(expression.substr(equals + 2));
        return step;
    }
    if (inside == "*") {
        step.index = -1;
        return step;
    }
    if (!inside.empty() && std::ranges::all_of(inside, [](char c) { return c >= '0' && c <= '9'; }) &&
        inside.size() < 9) {
        step.index = std::stol(inside);
        return step;
    }
    step.name = unquoted(inside);
    return step;
}

std::optional<std::vector<Step>> parse(const std::string& path) {
    std::vector<Step> steps;
    std::size_t at = 0;
    while (at < path.size()) {
        if (path[at] == '[') {
            const std::size_t close = path.find(']', at);
            if (close == std::string::npos) return std::nullopt;
            auto step = parse_bracket(path.substr(at + 1, close - at - 1));
            if (!step) return std::nullopt;
            steps.push_back(std::move(*step));
            at = close + 1;
            continue;
        }
        if (path[at] == '.') ++at;
        Step step;
        while (at < path.size() && path[at] != '.' && path[at] != '[') {
            if (path[at] == '\\' && at + 1 < path.size()) ++at;
            step.name += path[at++];
        }
        if (!step.name.empty()) steps.push_back(std::move(step));
    }
    return steps;
}

}  // namespace

Json json_path(const Json& object, const std::string& path) {
    const auto steps = parse(path);
    if (!steps) return nullptr;
    std::vector<const Json*> found = {&object};
    for (const Step& step : *steps) {
        std::vector<const Json*> next;
        for (const Json* value : found) {
            if (!step.filter_key.empty() || step.index == -1) {
                if (!value->is_array()) continue;
                for (const Json& item : *value) {
                    if (step.filter_key.empty() || string_at(item, {step.filter_key}) == step.filter_value) {
                        next.push_back(&item);
                    }
                }
            } else if (step.index) {
                const auto index = static_cast<std::size_t>(*step.index);
                if (value->is_array() && index < value->size()) next.push_back(&(*value)[index]);
            } else if (const Json* member = find_at(*value, {step.name}); member != nullptr) {
                next.push_back(member);
            }
        }
        found = std::move(next);
    }
    return found.empty() ? Json() : *found.front();
}

}  // namespace model
