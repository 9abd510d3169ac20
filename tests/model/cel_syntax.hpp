#pragma once

#include "tests/model/json_tools.hpp"

#include <memory>
#include <string>
#include <vector>

namespace model {

struct Expression;
using Node = std::unique_ptr<Expression>;

/// One node of the syntax tree. `op` is an operator, "literal", "name", "list", ".", "[]", "has", "call" or "?:".
struct Expression {
    std::string op;
    std::string name;
    Json value;
    std::vector<Node> parts;
};

struct ParsedExpression {
    Node root;
    std::string problem;  ///< Why it cannot be evaluated; the tree is meaningless then.
};

/// Parses the part of CEL that cel.hpp lists.
ParsedExpression parse_cel(const std::string& text);

}  // namespace model
