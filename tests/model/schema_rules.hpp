#pragma once

#include "tests/model/api_error.hpp"

#include <map>
#include <memory>
#include <string>

namespace re2 {
class RE2;
}

namespace model {

/// x-kubernetes-validations, evaluated by the small CEL of cel.hpp. Rules that name oldSelf are transition rules: they
/// are skipped where there is no old value. A CRD with rules that the model cannot evaluate is refused when it is
/// created (crd_rules.cpp), so none is skipped silently.
FieldErrors check_rules(const Json& schema, const Json& value, const Json* before, const std::string& path);

/// Whether the schema has rules anywhere.
bool has_rules(const Json& schema);

/// Whether `pattern` is found in `text`, by RE2, whose syntax is that of Go's regexp. A pattern that is none matches
/// nothing.
bool matches_pattern(const std::string& pattern, const std::string& text);

/// The same for many texts: each pattern is compiled once.
class Patterns {
  public:
    Patterns();
    ~Patterns();
    bool match(const std::string& pattern, const std::string& text);

  private:
    std::map<std::string, std::unique_ptr<re2::RE2>> compiled_;
};

/// What is wrong with the pattern, or "".
std::string pattern_problem(const std::string& pattern);

}  // namespace model
