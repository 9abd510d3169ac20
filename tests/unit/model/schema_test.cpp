#include "tests/model/schema.hpp"

#include "tests/model/cel.hpp"

#include <gtest/gtest.h>

namespace model {
namespace {

const Json& schema() {
    static const Json kSchema = Json::parse(R"({"type":"object","required":["spec"],"properties":{
      "metadata":{"type":"object"},
      "spec":{"type":"object","properties":{
        "mode":{"type":"string","enum":["A","B"],"default":"A"},
        "n":{"type":"integer","minimum":1,"maximum":5},
        "s":{"type":"string","minLength":2,"maxLength":3,"pattern":"^[a-z]+$"},
        "env":{"type":"array","maxItems":2,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
          "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"value":{"type":"string"}}}},
        "labels":{"type":"object","additionalProperties":{"type":"string"}},
        "any":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}})");
    return kSchema;
}

std::vector<std::string> problems(const char* spec) {
    Json object = {{"spec", Json::parse(spec)}};
    std::vector<std::string> out;
    for (const FieldError& error : validate_schema(schema(), object, nullptr))
        out.push_back(error.field + ": " + error.body);
    return out;
}

TEST(Schema, PrunesWhatItDoesNotNameAndSaysWhat) {
    Json object = Json::parse(R"({"apiVersion":"a","kind":"k","metadata":{"name":"x"},"foo":1,
        "spec":{"bar":1,"env":[{"name":"a","x":1}],"labels":{"free":"1"},"any":{"deep":{"er":1}}}})");
    std::vector<std::string> removed;
    prune(schema(), object, removed);
    EXPECT_EQ(removed, (std::vector<std::string>{"foo", "spec.bar", "spec.env[0].x"}));
    EXPECT_TRUE(object["spec"]["any"]["deep"].contains("er"));
    EXPECT_EQ(object["metadata"]["name"], "x");
}

TEST(Schema, DefaultsFillGapsAndNulls) {
    Json object = Json::parse(R"({"spec":{"mode":null,"n":null}})");
    apply_defaults(schema(), object);
    EXPECT_EQ(object, Json::parse(R"({"spec":{"mode":"A"}})"));
}

TEST(Schema, MessagesAreUpstreams) {
    EXPECT_EQ(problems(R"({"mode":"X"})"),
              (std::vector<std::string>{R"(spec.mode: Unsupported value: "X": supported values: "A", "B")"}));
    EXPECT_EQ(problems(R"({"n":9})"),
              (std::vector<std::string>{"spec.n: Invalid value: 9: spec.n in body should be less than or equal to 5"}));
    EXPECT_EQ(problems(R"({"n":"x"})"),
              (std::vector<std::string>{
                  R"(spec.n: Invalid value: "string": spec.n in body must be of type integer: "string")"}));
    EXPECT_EQ(problems(R"({"s":"abcd"})"),
              (std::vector<std::string>{"spec.s: Too long: may not be more than 3 bytes"}));
    EXPECT_EQ(problems(R"({"s":"A9"})"),
              (std::vector<std::string>{R"(spec.s: Invalid value: "A9": spec.s in body should match '^[a-z]+$')"}));
    EXPECT_EQ(problems(R"({"env":[{"name":"a"},{"name":"a"}]})"),
              (std::vector<std::string>{R"(spec.env[1]: Duplicate value: {"name":"a"})"}));
    EXPECT_EQ(problems(R"({"env":[{"name":"a"},{"name":"b"},{}]})"),
              (std::vector<std::string>{"spec.env: Too many: 3: must have at most 2 items",
                                        "spec.env[2].name: Required value"}));
    EXPECT_EQ(validate_schema(schema(), Json::object(), nullptr).front().reason, "FieldValueRequired");
}

TEST(Schema, UnknownKeywordsAreNamed) {
    EXPECT_TRUE(unsupported_keywords(schema()).empty());
    EXPECT_EQ(unsupported_keywords(Json::parse(R"({"properties":{"a":{"oneOf":[]}}})")),
              (std::vector<std::string>{"oneOf"}));
}

std::optional<bool> cel(const char* rule, const char* self, const char* before = nullptr) {
    EXPECT_EQ(unsupported_rule(rule), "") << rule;
    const Json old = before != nullptr ? Json::parse(before) : Json();
    return evaluate_rule(rule, Json::parse(self), before != nullptr ? &old : nullptr);
}

TEST(Cel, EvaluatesTheRulesOfOurCrds) {
    const char* one_of = "(has(self.a)?1:0)+(has(self.b)?1:0)==1";
    EXPECT_EQ(cel(one_of, R"({"a":1})"), true);
    EXPECT_EQ(cel(one_of, R"({"a":1,"b":1})"), false);
    EXPECT_EQ(cel(one_of, "{}"), false);
    EXPECT_EQ(cel("self == oldSelf", R"({"a":1})", R"({"a":1})"), true);
    EXPECT_EQ(cel("self == oldSelf", R"({"a":1})", R"({"a":2})"), false);
    EXPECT_EQ(cel("!has(self.output) || self.mode == 'Command'", R"({"output":{},"mode":"Command"})"), true);
    EXPECT_EQ(cel("!has(self.output) || self.mode == 'Command'", R"({"output":{},"mode":"Interactive"})"), false);
    EXPECT_EQ(cel("!(has(self.m) && self.m) || (!has(self.u) && !has(self.g))", R"({"m":true,"u":1})"), false);
    EXPECT_EQ(cel("self != 'X'", "\"X\""), false);
}

TEST(Cel, MacrosMethodsAndArithmetic) {
    EXPECT_EQ(cel("self.all(x, x > 0 && x < 10)", "[1,2]"), true);
    EXPECT_EQ(cel("self.exists(x, x.startsWith('a'))", R"(["b","ab"])"), true);
    EXPECT_EQ(cel("[has(self.a), has(self.b)].filter(x, x).size() == 1", R"({"a":1})"), true);
    EXPECT_EQ(cel("size(self) <= 3 && 'a' in self", R"({"a":1})"), true);
    EXPECT_EQ(cel("self.a * 2 - 1 == 5", R"({"a":3})"), true);
}

TEST(Cel, ErrorsAreNotTruthAndUnknownFunctionsAreRefused) {
    EXPECT_EQ(cel("self.missing == 1", "{}"), std::nullopt);
    EXPECT_EQ(cel("self.missing == 1 || true", "{}"), true);
    EXPECT_NE(unsupported_rule("isURL(self)"), "");
    EXPECT_NE(unsupported_rule("self.format.url()"), "");
    EXPECT_NE(unsupported_rule("self =="), "");
    EXPECT_NE(unsupported_rule(std::string(5000, '(')), "");
    EXPECT_NE(unsupported_rule(std::string(5000, '!')), "");
}

}  // namespace
}  // namespace model
