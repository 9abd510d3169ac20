#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::test {

/// Who refuses a value.
enum class Refused : std::uint8_t {
    by_none,
    by_both,
    by_code,    ///< The schema cannot tell; the row says why.
    by_schema,  ///< The code need not; the row says why.
};

/// One change to a valid object, and what schema and code say to it.
struct SchemaRow {
    std::string field;     ///< JSON pointer below `spec`.
    nlohmann::json value;  ///< In its place; discarded (`absent()`): taken away.
    Refused refused;
    std::string why = {};  ///< Where only one of the two refuses.
};

using SchemaRows = std::vector<SchemaRow>;

/// A valid object and rows for its fields.
struct SchemaTable {
    nlohmann::json base;
    SchemaRows rows;
};

/// DebugRequests: each field that an author may write is in the base of some table.
std::vector<SchemaTable> request_tables();
/// Likewise DebugPolicies.
std::vector<SchemaTable> policy_tables();

// What both have in common.

inline nlohmann::json absent() {
    return nlohmann::json(nlohmann::json::value_t::discarded);
}
/// `text`, `count` times.
std::string times(std::size_t count, std::string_view text);
inline std::string letters(std::size_t count) {
    return std::string(count, 'a');
}
/// A list of `count` different texts that begin with `prefix`.
nlohmann::json texts(std::size_t count, const std::string& prefix);
void append(SchemaRows& rows, SchemaRows more);

SchemaRows boolean_rows(const std::string& field);
SchemaRows number_rows(const std::string& field, std::int64_t least, std::int64_t most);
/// One of these words.
SchemaRows word_rows(const std::string& field, const std::vector<std::string>& words);
/// A DNS label that is there.
SchemaRows label_rows(const std::string& field);
/// A LabelSelector with matchLabels {app: web} and one matchExpression with operator In.
SchemaRows selector_rows(const std::string& field);

}  // namespace endoscope::test
