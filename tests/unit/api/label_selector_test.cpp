#include "api/label_selector.hpp"

#include <gtest/gtest.h>

namespace endoscope::api {
namespace {

using Operator = LabelSelector::Operator;

TEST(LabelSelector, Operators) {
    const Labels labels{{"tier", "prod"}, {"app", "web"}};
    struct Row {
        LabelSelector selector;
        bool matches;
    };
    const Row rows[] = {
        {{}, true},
        {{.match_labels = {{"tier", "prod"}}, .match_expressions = {}}, true},
        {{.match_labels = {{"tier", "dev"}}, .match_expressions = {}}, false},
        {{.match_labels = {{"none", ""}}, .match_expressions = {}}, false},
        {{.match_labels = {}, .match_expressions = {{"tier", Operator::in, {"dev", "prod"}}}}, true},
        {{.match_labels = {}, .match_expressions = {{"tier", Operator::in, {"dev"}}}}, false},
        {{.match_labels = {}, .match_expressions = {{"none", Operator::in, {"dev"}}}}, false},
        {{.match_labels = {}, .match_expressions = {{"tier", Operator::not_in, {"dev"}}}}, true},
        {{.match_labels = {}, .match_expressions = {{"tier", Operator::not_in, {"prod"}}}}, false},
        {{.match_labels = {}, .match_expressions = {{"none", Operator::not_in, {"prod"}}}}, true},
        {{.match_labels = {}, .match_expressions = {{"tier", Operator::exists, {}}}}, true},
        {{.match_labels = {}, .match_expressions = {{"none", Operator::exists, {}}}}, false},
        {{.match_labels = {}, .match_expressions = {{"tier", Operator::does_not_exist, {}}}}, false},
        {{.match_labels = {}, .match_expressions = {{"none", Operator::does_not_exist, {}}}}, true},
        {{.match_labels = {{"app", "web"}}, .match_expressions = {{"tier", Operator::in, {"dev"}}}}, false},
    };
    for (std::size_t i = 0; i < std::size(rows); ++i) EXPECT_EQ(rows[i].selector.matches(labels), rows[i].matches) << i;
}

TEST(LabelSelector, AsAQueryParameter) {
    EXPECT_EQ(to_string(LabelSelector()), "");
    const LabelSelector selector{.match_labels = {{"app", "web"}, {"empty", ""}},
                                 .match_expressions = {{"tier", Operator::in, {"a", "b"}},
                                                       {"zone", Operator::not_in, {"c"}},
                                                       {"example.com/x", Operator::exists, {}},
                                                       {"old", Operator::does_not_exist, {}}}};
    EXPECT_EQ(to_string(selector), "app=web,empty=,tier in (a,b),zone notin (c),example.com/x,!old");
}

}  // namespace
}  // namespace endoscope::api
