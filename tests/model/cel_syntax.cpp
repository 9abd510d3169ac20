#include "tests/model/cel_syntax.hpp"

#include <algorithm>
#include <map>

namespace model {

namespace {

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

}  // namespace

ParsedExpression parse_cel(const std::string& text) {
    Parser parser(text);
    ParsedExpression out;
    out.root = parser.parse();
    out.problem = parser.problem();
    return out;
}

}  // namespace model
