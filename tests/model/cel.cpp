#include "tests/model/cel.hpp"

#include "tests/model/cel_syntax.hpp"
#include "tests/model/schema_rules.hpp"

#include <algorithm>
#include <map>

namespace model {

namespace {

using Scope = std::map<std::string, Json>;
using Value = std::optional<Json>;

std::string unescape_field(const std::string& name) {
    // Property names that are not CEL identifiers are written __dash__, __dot__ and so on.
    std::string out = name;
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"__dash__", "-"}, {"__dot__", "."}, {"__slash__", "/"}}) {
        for (std::size_t at = out.find(from); at != std::string::npos; at = out.find(from, at + 1)) {
            out.replace(at, from.size(), to);
        }
    }
    return out;
}

Value evaluate(const Expression& node, const Scope& scope);

Value field_of(const Expression& node, const Scope& scope) {
    const Value base = evaluate(*node.parts[0], scope);
    if (!base || !base->is_object()) return std::nullopt;
    const auto found = base->find(unescape_field(node.name));
    return found == base->end() ? Value() : Value(*found);
}

/// all, exists, exists_one, filter, map over a list or the keys of a map.
Value macro(const Expression& node, const Json& base, const Scope& scope) {
    std::vector<Json> items;
    if (base.is_array()) {
        items.assign(base.begin(), base.end());
    } else if (base.is_object()) {
        for (const auto& [key, member] : base.items()) items.emplace_back(key);
    } else {
        return std::nullopt;
    }
    Json out = Json::array();
    std::size_t hits = 0;
    for (Json& item : items) {
        Scope inner = scope;
        inner[node.parts[1]->name] = item;
        const Value result = evaluate(*node.parts[2], inner);
        if (!result) return std::nullopt;
        if (node.name == "map") {
            out.push_back(*result);
            continue;
        }
        if (!result->is_boolean()) return std::nullopt;
        if (!result->get<bool>()) continue;
        ++hits;
        out.push_back(std::move(item));
    }
    if (node.name == "all") return hits == items.size();
    if (node.name == "exists") return hits > 0;
    if (node.name == "exists_one") return hits == 1;
    return out;
}

Value method(const Expression& node, const Scope& scope) {
    const Value base = evaluate(*node.parts[0], scope);
    if (!base) return std::nullopt;
    if (node.name == "size") {
        if (base->is_string()) {
            const auto text = base->get<std::string>();
            return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
        }
        return base->is_structured() ? Value(base->size()) : std::nullopt;
    }
    if (node.parts.size() == 3) return macro(node, *base, scope);
    const Value argument = evaluate(*node.parts[1], scope);
    if (!argument || !argument->is_string() || !base->is_string()) return std::nullopt;
    const auto text = base->get<std::string>();
    const auto part = argument->get<std::string>();
    if (node.name == "startsWith") return text.starts_with(part);
    if (node.name == "endsWith") return text.ends_with(part);
    if (node.name == "matches") return matches_pattern(part, text);
    return text.find(part) != std::string::npos;
}

/// && and || ignore an error on one side when the other decides.
Value logical(const Expression& node, const Scope& scope) {
    const bool decisive = node.op == "||";
    const Value left = evaluate(*node.parts[0], scope);
    if (left && left->is_boolean() && left->get<bool>() == decisive) return decisive;
    const Value right = evaluate(*node.parts[1], scope);
    if (right && right->is_boolean() && right->get<bool>() == decisive) return decisive;
    if (!left || !right || !left->is_boolean() || !right->is_boolean()) return std::nullopt;
    return !decisive;
}

Value binary(const Expression& node, const Scope& scope) {
    const Value left = evaluate(*node.parts[0], scope);
    const Value right = evaluate(*node.parts[1], scope);
    if (!left || !right) return std::nullopt;
    const std::string& op = node.op;
    if (op == "==") return *left == *right;
    if (op == "!=") return *left != *right;
    if (op == "in") {
        if (right->is_array()) return std::ranges::find(*right, *left) != right->end();
        if (right->is_object() && left->is_string()) return right->contains(left->get<std::string>());
        return std::nullopt;
    }
    if (op == "+" && left->is_string() && right->is_string()) {
        return left->get<std::string>() + right->get<std::string>();
    }
    if (left->is_number_integer() && right->is_number_integer() && (op == "+" || op == "-" || op == "*")) {
        const auto a = left->get<std::int64_t>();
        const auto b = right->get<std::int64_t>();
        std::int64_t result = 0;
        const bool overflow = op == "+"   ? __builtin_add_overflow(a, b, &result)
                              : op == "-" ? __builtin_sub_overflow(a, b, &result)
                                          : __builtin_mul_overflow(a, b, &result);
        return overflow ? Value() : Value(result);
    }
    const bool comparable = (left->is_number() && right->is_number()) || (left->is_string() && right->is_string());
    if (!comparable) return std::nullopt;
    if (op == "<") return *left < *right;
    if (op == "<=") return *left <= *right;
    if (op == ">") return *left > *right;
    if (op == ">=") return *left >= *right;
    return std::nullopt;
}

Value evaluate(const Expression& node, const Scope& scope) {
    if (node.op == "literal") return node.value;
    if (node.op == "name") {
        const auto found = scope.find(node.name);
        return found == scope.end() ? Value() : Value(found->second);
    }
    if (node.op == ".") return field_of(node, scope);
    if (node.op == "has") {
        const Expression& field = *node.parts[0];
        const Value base = evaluate(*field.parts[0], scope);
        if (!base || !base->is_object()) return std::nullopt;
        return base->contains(unescape_field(field.name));
    }
    if (node.op == "method") return method(node, scope);
    if (node.op == "&&" || node.op == "||") return logical(node, scope);
    if (node.op == "list") {
        Json out = Json::array();
        for (const Node& part : node.parts) {
            const Value value = evaluate(*part, scope);
            if (!value) return std::nullopt;
            out.push_back(*value);
        }
        return out;
    }
    const Value first = evaluate(*node.parts[0], scope);
    if (node.op == "!") return first && first->is_boolean() ? Value(!first->get<bool>()) : std::nullopt;
    if (node.op == "neg") {
        return first && first->is_number_integer() ? Value(-first->get<std::int64_t>()) : std::nullopt;
    }
    if (node.op == "?:") {
        if (!first || !first->is_boolean()) return std::nullopt;
        return evaluate(*node.parts[first->get<bool>() ? 1 : 2], scope);
    }
    if (node.op == "[]") {
        const Value index = evaluate(*node.parts[1], scope);
        if (!first || !index) return std::nullopt;
        if (first->is_array() && index->is_number_integer()) {
            const auto i = index->get<std::int64_t>();
            if (i < 0 || static_cast<std::size_t>(i) >= first->size()) return std::nullopt;
            return (*first)[static_cast<std::size_t>(i)];
        }
        if (!first->is_object() || !index->is_string()) return std::nullopt;
        const auto found = first->find(index->get<std::string>());
        return found == first->end() ? Value() : Value(*found);
    }
    return binary(node, scope);
}

}  // namespace

std::string unsupported_rule(const std::string& rule) {
    return parse_cel(rule).problem;
}

std::optional<bool> evaluate_rule(const std::string& rule, const Json& self, const Json* before) {
    const ParsedExpression parsed = parse_cel(rule);
    if (!parsed.problem.empty()) return std::nullopt;
    Scope scope;
    scope["self"] = self;
    if (before != nullptr) scope["oldSelf"] = *before;
    const Value result = evaluate(*parsed.root, scope);
    if (!result || !result->is_boolean()) return std::nullopt;
    return result->get<bool>();
}

}  // namespace model
