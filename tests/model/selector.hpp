#pragma once

#include "tests/model/api_error.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace model {

/// A label selector, from a query parameter or from a metav1.LabelSelector.
class LabelSelector {
  public:
    /// Upstream's grammar: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    static Outcome<LabelSelector> parse(std::string_view text);
    /// `selector` is a metav1.LabelSelector; null or {} select everything.
    static Outcome<LabelSelector> from_json(const Json& selector);

    /// `object` is a whole object; its metadata.labels are looked at.
    bool matches(const Json& object) const;
    bool empty() const { return requirements_.empty(); }

  private:
    enum class Operator { in, not_in, exists, absent, greater, less };
    struct Requirement {
        std::string key;
        Operator op = Operator::exists;
        std::vector<std::string> values;
    };
    std::vector<Requirement> requirements_;
};

/// A field selector: `a=b,c!=d`. Which fields a resource supports is the caller's table.
class FieldSelector {
  public:
    static Outcome<FieldSelector> parse(std::string_view text);
    /// The first field that is not in `supported`, or "".
    std::string unsupported(const std::vector<std::string>& supported) const;
    bool matches(const Json& object) const;
    /// The value of `metadata.name=`, or "".
    std::string name() const;

  private:
    struct Term {
        std::string field;
        std::string value;
        bool equal = true;
    };
    std::vector<Term> terms_;
};

/// The text of a dotted path: strings as they are, booleans and numbers as JSON, "" when absent.
std::string field_text(const Json& object, std::string_view path);

}  // namespace model
