#include "tests/model/cel.hpp"

#include "tests/model/schema_rules.hpp"

#include <algorithm>
#include <map>
#include <memory>

namespace model {

namespace {

struct Expression;
using Node = std::unique_ptr<Expression>;

/// One node of the syntax tree. `op` is an operator, "literal", "name", "list", ".", "[]", "has", "call" or "?:".
struct Expression {
    std::string op;
    std::string name;
    Json value;
    std::vector<Node> parts;
};

constexpr int kMaxDepth = 60;

/// A recursive-descent parser. The first problem is kept; everything after it is meaningless.
class Parser {
  public:
    explicit Parser(const std::string& text) : text_(text) {}

    Node parse() {
        Node out = ternary();
        skip();
        if (at_ < text_.size()) fail("unexpected " + quote(text_.substr(at_)));
        return out;
    }
    const std::string& problem() const { return problem_; }

  private:
    void fail(const std::string& why) {
        if (problem_.empty()) problem_ = why;
        at_ = text_.size();
    }
    void skip() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
    }
    bool take(std::string_view symbol) {
        skip();
        if (!std::string_view(text_).substr(at_).starts_with(symbol)) return false;
        // "!" is not the beginning of "!=", nor "<" of "<=".
        const char next = at_ + symbol.size() < text_.size() ? text_[at_ + symbol.size()] : '\0';
        if ((symbol == "!" || symbol == "<" || symbol == ">") && next == '=') return false;
        if (symbol == "in" && (std::isalnum(static_cast<unsigned char>(next)) != 0 || next == '_')) return false;
        at_ += symbol.size();
        return true;
    }
    static Node make(std::string op, Node a = nullptr, Node b = nullptr, Node c = nullptr) {
        auto out = std::make_unique<Expression>();
        out->op = std::move(op);
        if (a) out->parts.push_back(std::move(a));
        if (b) out->parts.push_back(std::move(b));
        if (c) out->parts.push_back(std::move(c));
        return out;
    }
    Node literal(Json value) {
        Node out = make("literal");
        out->value = std::move(value);
        return out;
    }
    Node ternary() {
        if (++depth_ > kMaxDepth) fail("nests too deeply");
        Node out = binary(0);
        if (take("?")) {
            Node yes = ternary();
            if (!take(":")) fail("expected ':'");
            Node no = ternary();
            out = make("?:", std::move(out), std::move(yes), std::move(no));
        }
        --depth_;
        return out;
    }
    Node binary(std::size_t level) {
        static const std::vector<std::vector<std::string>> kLevels = {
            {"||"}, {"&&"}, {"==", "!=", "<=", ">=", "<", ">", "in"}, {"+", "-"}, {"*"}};
        if (level == kLevels.size()) return unary();
        Node left = binary(level + 1);
        while (problem_.empty()) {
            const auto op = std::ranges::find_if(kLevels[level], [this](const std::string& one) { return take(one); });
            if (op == kLevels[level].end()) break;
            Node right = binary(level + 1);
            left = make(*op, std::move(left), std::move(right));
        }
        return left;
    }
    Node unary() {
        if (++depth_ > kMaxDepth) {
            fail("nests too deeply");
            return literal(nullptr);
        }
        Node out;
        if (take("!")) {
            out = make("!", unary());
        } else if (take("-")) {
            out = make("neg", unary());
        } else {
            out = postfix(primary());
        }
        --depth_;
        return out;
    }
    Node postfix(Node base) {
        while (problem_.empty()) {
            if (take(".")) {
                const std::string name = identifier();
                Node next = make(".", std::move(base));
                next->name = name;
                if (take("(")) {
                    next->op = "method";
                    arguments(*next);
                }
                base = std::move(next);
            } else if (take("[")) {
                Node index = ternary();
                if (!take("]")) fail("expected ']'");
                base = make("[]", std::move(base), std::move(index));
            } else {
                break;
            }
        }
        return base;
    }
    void arguments(Expression& call) {
        static const std::map<std::string, std::size_t> kMethods = {
            {"size", 0}, {"startsWith", 1}, {"endsWith", 1},   {"contains", 1}, {"matches", 1},
            {"all", 2},  {"exists", 2},     {"exists_one", 2}, {"filter", 2},   {"map", 2}};
        while (problem_.empty() && !take(")")) {
            call.parts.push_back(ternary());
            if (!take(",")) {
                if (!take(")")) fail("expected ')'");
                break;
            }
        }
        const auto known = kMethods.find(call.name);
        if (known == kMethods.end() || call.parts.size() != known->second + 1) {
            fail("the function " + call.name + "()");
        } else if (known->second == 2 && call.parts[1]->op != "name") {
            fail("a macro without a variable name");
        }
    }
    std::string identifier() {
        skip();
        std::string out;
        while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
            out += text_[at_++];
        }
        if (out.empty()) fail("expected a name");
        return out;
    }
    Node primary() {
        skip();
        if (at_ >= text_.size()) {
            fail("unexpected end");
            return literal(nullptr);
        }
        const char c = text_[at_];
        if (c == '\'' || c == '"') return string_literal(c);
        if (c >= '0' && c <= '9') return number_literal();
        if (take("(")) {
            Node out = ternary();
            if (!take(")")) fail("expected ')'");
            return out;
        }
        if (take("[")) {
            Node out = make("list");
            while (problem_.empty() && !take("]")) {
                out->parts.push_back(ternary());
                if (!take(",") && !take("]")) fail("expected ']'");
                if (text_[at_ - 1] == ']') break;
            }
            return out;
        }
        const std::string name = identifier();
        if (name == "true" || name == "false") return literal(name == "true");
        if (name == "null") return literal(nullptr);
        if (take("(")) {
            Node argument = ternary();
            if (!take(")")) fail("expected ')'");
            if (name == "has" && argument->op != ".") fail("has() of something that is not a field");
            if (name != "has" && name != "size") fail("the function " + name + "()");
            Node out = make(name == "has" ? "has" : "method", std::move(argument));
            out->name = name;
            return out;
        }
        Node out = make("name");
        out->name = name;
        return out;
    }
    Node string_literal(char quote_mark) {
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != quote_mark; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
                ++at_;
                out += text_[at_] == 'n' ? '\n' : text_[at_] == 't' ? '\t' : text_[at_];
            } else {
                out += text_[at_];
            }
        }
        if (at_ >= text_.size()) {
            fail("a string without an end");
        } else {
            ++at_;
        }
        return literal(out);
    }
    Node number_literal() {
        std::int64_t value = 0;
        int digits = 0;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
            value = value * 10 + (text_[at_++] - '0');
            if (++digits > 17) {
                fail("a number too large");
                break;
            }
        }
        return literal(value);
    }

    const std::string& text_;
    std::size_t at_ = 0;
    int depth_ = 0;
    std::string problem_;
};

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
    Parser parser(rule);
    (void)parser.parse();
    return parser.problem();
}

std::optional<bool> evaluate_rule(const std::string& rule, const Json& self, const Json* before) {
    Parser parser(rule);
    const Node root = parser.parse();
    if (!parser.problem().empty()) return std::nullopt;
    Scope scope;
    scope["self"] = self;
    if (before != nullptr) scope["oldSelf"] = *before;
    const Value result = evaluate(*root, scope);
    if (!result || !result->is_boolean()) return std::nullopt;
    return result->get<bool>();
}

}  // namespace model
