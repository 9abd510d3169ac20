#include "tests/integration/schema_rows.hpp"

#include <iterator>

namespace endoscope::test {

using nlohmann::json;
using enum Refused;

std::string times(std::size_t count, std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < count; ++i) result += text;
    return result;
}

json texts(std::size_t count, const std::string& prefix) {
    json list = json::array();
    for (std::size_t i = 0; i < count; ++i) list.push_back(prefix + std::to_string(i));
    return list;
}

void append(SchemaRows& rows, SchemaRows more) {
    rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

SchemaRows boolean_rows(const std::string& field) {
    return {{field, absent(), by_none}, {field, nullptr, by_none}, {field, true, by_none},
            {field, false, by_none},    {field, "true", by_both},  {field, 1, by_both}};
}

SchemaRows number_rows(const std::string& field, std::int64_t least, std::int64_t most) {
    return {{field, least, by_none},
            {field, most, by_none},
            {field, least - 1, by_both},
            {field, most + 1, by_both},
            {field, -1, by_both},
            {field, 1.5, by_both},
            {field, "1", by_both},
            {field, INT64_MAX, by_both},
            {field, INT64_MIN, by_both},
            {field, UINT64_MAX, by_both},
            {field, json::array({1}), by_both}};
}

SchemaRows word_rows(const std::string& field, const std::vector<std::string>& words) {
    SchemaRows rows = {{field, "", by_both}, {field, "Other", by_both}, {field, 1, by_both}};
    for (const std::string& word : words) {
        rows.push_back({field, word, by_none});
        rows.push_back({field, word + " ", by_both});
        std::string lower = word;
        lower[0] = static_cast<char>(lower[0] | 0x20);
        rows.push_back({field, lower, by_both});
    }
    return rows;
}

SchemaRows label_rows(const std::string& field) {
    return {{field, "a", by_none},         {field, "a-1", by_none},       {field, "1a", by_none},
            {field, letters(63), by_none}, {field, letters(64), by_both}, {field, "-a", by_both},
            {field, "a-", by_both},        {field, "A", by_both},         {field, "a.b", by_both},
            {field, "a_b", by_both},       {field, "a b", by_both},       {field, "a\n", by_both},
            {field, "*a ", by_both},       {field, "\xc3\xa9", by_both},  {field, true, by_both}};
}

SchemaRows selector_rows(const std::string& field) {
    const std::string labels = field + "/matchLabels";
    const std::string expressions = field + "/matchExpressions";
    const std::string first = expressions + "/0";
    const auto expression = [](const std::string& word, const json& values) {
        json result = {{"key", "app"}, {"operator", word}};
        if (!values.is_null()) result["values"] = values;
        return json::array({result});
    };
    constexpr const char* kSmall = "a bound on the size; the code takes any number";
    SchemaRows rows = {{field, "app=web", by_both},
                       {field + "/matchFields", json::array(), by_both},
                       {labels, absent(), by_none},
                       {labels, {{"app", ""}}, by_none},
                       {labels, {{"app", letters(63)}}, by_none},
                       {labels, {{"app", letters(64)}}, by_both},
                       {labels, {{"app", "a_B.c-9"}}, by_none},
                       {labels, {{"app", "-a"}}, by_both},
                       {labels, {{"app", "a-"}}, by_both},
                       {labels, {{"app", "a b"}}, by_both},
                       {labels, {{"app", "a*"}}, by_both},
                       {labels, {{"app", "a\n"}}, by_both},
                       {labels, {{"app", 1}}, by_both},
                       {labels, json::array(), by_both},
                       {expressions, absent(), by_none},
                       {expressions, json::object(), by_both},
                       {first, json::object(), by_both},
                       {first + "/operator", absent(), by_both},
                       {first + "/key", absent(), by_both},
                       {first + "/weight", 1, by_both},
                       {first + "/values", absent(), by_both},
                       {first + "/values", json::array(), by_both},
                       {first + "/values", "web", by_both},
                       {first + "/values", {1}, by_both},
                       {first + "/values", {""}, by_none},
                       {first + "/values", {letters(63)}, by_none},
                       {first + "/values", {letters(64)}, by_both},
                       {first + "/values", {"a", "pr*d"}, by_both},
                       {first + "/values", {"a b"}, by_both},
                       {first + "/values", texts(32, "a"), by_none},
                       {first + "/values", texts(33, "a"), by_schema, kSmall}};
    for (const char* word : {"In", "NotIn"}) {
        rows.push_back({expressions, expression(word, {"web"}), by_none});
        rows.push_back({expressions, expression(word, json::array()), by_both});
        rows.push_back({expressions, expression(word, nullptr), by_both});
    }
    for (const char* word : {"Exists", "DoesNotExist"}) {
        rows.push_back({expressions, expression(word, {"web"}), by_both});
        rows.push_back({expressions, expression(word, json::array()), by_none});
        rows.push_back({expressions, expression(word, nullptr), by_none});
    }
    append(rows, word_rows(first + "/operator", {"In", "NotIn"}));
    // A key: a name of at most 63 characters, with or without a DNS subdomain in front.
    const std::vector<std::pair<std::string, Refused>> keys = {
        {"app", by_none},
        {"a_B.c-9", by_none},
        {letters(63), by_none},
        {letters(64), by_both},
        {"app.kubernetes.io/name", by_none},
        {letters(253) + "/a", by_none},
        {letters(254) + "/a", by_both},
        {letters(253) + "/" + letters(63), by_none},
        {"a/" + letters(64), by_both},
        {"", by_both},
        {"/a", by_both},
        {"a/", by_both},
        {"a/b/c", by_both},
        {"A/b", by_both},
        {"a../b", by_both},
        {"-a", by_both},
        {"a-", by_both},
        {"a b", by_both},
        {"a\n", by_both},
        {"\xc3\xa9", by_both},
    };
    for (const auto& [key, refused] : keys) {
        rows.push_back({labels, {{key, "web"}}, refused});
        rows.push_back({first + "/key", key, refused});
    }
    json many = json::object();
    for (const json& key : texts(32, "a")) many[key.get<std::string>()] = "";
    rows.push_back({labels, many, by_none});
    many["one-more"] = "";
    rows.push_back({labels, many, by_schema, kSmall});
    rows.push_back({expressions, json::array_t(32, expression("Exists", nullptr)[0]), by_none});
    rows.push_back({expressions, json::array_t(33, expression("Exists", nullptr)[0]), by_schema, kSmall});
    return rows;
}

}  // namespace endoscope::test
