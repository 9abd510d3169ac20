#include "tests/model/names.hpp"

#include <algorithm>

namespace model {

namespace {

constexpr const char* kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* kLabelValue =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr const char* kQualified =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

constexpr const char* kLabelKey =
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
    "'example.com/MyName')";
constexpr const char* kConfigKey =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

bool lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool alnum(char c) {
    return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool label(std::string_view text) {
    return !text.empty() && lower_alnum(text.front()) && lower_alnum(text.back()) &&
           std::ranges::all_of(text, [](char c) { return lower_alnum(c) || c == '-'; });
}

bool subdomain(std::string_view text) {
    while (true) {
        const std::size_t dot = text.find('.');
        if (!label(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool loose(std::string_view text) {
    return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
           std::ranges::all_of(text, [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string too_long(std::size_t limit) {
    return "must be no more than " + std::to_string(limit) + " characters";
}

}  // namespace

std::string dns1123_label_problem(std::string_view name) {
    if (name.size() > 63) return too_long(63);
    if (label(name)) return "";
    return subdomain(name) ? "must not contain dots" : kLabel;
}

std::string dns1123_subdomain_problem(std::string_view name) {
    if (name.size() > 253) return too_long(253);
    return subdomain(name) ? "" : kSubdomain;
}

std::string path_segment_problem(std::string_view name) {
    if (name == "." || name == "..") return "may not be '" + std::string(name) + "'";
    for (const char c : {'/', '%'}) {
        if (name.find(c) != std::string_view::npos) return std::string("may not contain '") + c + "'";
    }
    return "";
}

std::string config_key_problem(std::string_view key) {
    if (key.size() > 253) return too_long(253);
    const bool plain = std::ranges::all_of(key, [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
    return !key.empty() && plain ? "" : kConfigKey;
}

std::string label_value_problem(std::string_view value) {
    if (value.size() > 63) return too_long(63);
    return value.empty() || loose(value) ? "" : kLabelValue;
}

std::string qualified_name_problem(std::string_view name) {
    if (std::ranges::count(name, '/') > 1) return kLabelKey;
    const std::size_t slash = name.find('/');
    if (slash != std::string_view::npos) {
        const std::string problem = dns1123_subdomain_problem(name.substr(0, slash));
        if (!problem.empty()) return "prefix part " + problem;
        name.remove_prefix(slash + 1);
    }
    if (name.size() > 63) return "name part " + too_long(63);
    return loose(name) ? "" : kQualified;
}

}  // namespace model
