#include "api/text.hpp"

#include <algorithm>
#include <cstdint>

namespace endoscope::api {
namespace {

bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool is_label_of_any_length(std::string_view text) {
    return !text.empty() && is_lower_alnum(text.front()) && is_lower_alnum(text.back()) &&
           std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_qualified_name_part(std::string_view text) {
    return !text.empty() && text.size() <= 63 && is_alnum(text.front()) && is_alnum(text.back()) &&
           std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

struct Character {
    std::uint32_t code_point;
    std::size_t size;  // 0: not UTF-8.
};

/// Decodes the character at the beginning of a text that is not empty; strict (no overlong forms, no surrogates).
Character decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return {0, 0};
    std::uint32_t code_point = first & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return {0, 0};
        code_point = (code_point << 6U) | (byte(i) & 0x3FU);
    }
    const bool overlong = (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
    const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    if (overlong || surrogate || code_point > 0x10FFFF) return {0, 0};
    return {code_point, size};
}

bool is_control(const Character& character) {
    const std::uint32_t c = character.code_point;
    return character.size == 0 || c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029;
}

/// Bidi_Control of Unicode, and BOM: not seen, but they change how the text around them looks.
bool is_hidden(std::uint32_t c) {
    return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0xFEFF;
}

void append_hex(std::string& text, std::string_view prefix, std::uint32_t value, unsigned digits) {
    text += prefix;
    while (digits-- > 0) text += "0123456789abcdef"[(value >> (4 * digits)) & 15U];
}

}  // namespace

bool is_dns_label(std::string_view text) {
    return text.size() <= 63 && is_label_of_any_length(text);
}

bool is_dns_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    while (true) {
        const std::size_t dot = text.find('.');
        if (!is_label_of_any_length(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_label_key(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return is_qualified_name_part(text);
    return is_dns_subdomain(text.substr(0, slash)) && is_qualified_name_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
    return text.empty() || is_qualified_name_part(text);
}

bool is_env_name(std::string_view text) {
    if (text.empty() || text == "." || text.starts_with("..")) return false;
    if (text.front() >= '0' && text.front() <= '9') return false;
    return std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

bool has_control_characters(std::string_view text) {
    while (!text.empty()) {
        const Character character = decode(text);
        if (is_control(character)) return true;
        text.remove_prefix(character.size);
    }
    return false;
}

std::size_t character_count(std::string_view text) {
    std::size_t count = 0;
    while (!text.empty()) {
        text.remove_prefix(std::max<std::size_t>(decode(text).size, 1));
        ++count;
    }
    return count;
}

std::string printable(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const Character character = decode(text);
        if (is_control(character)) {
            result += '?';
        } else {
            result += text.substr(0, character.size);
        }
        text.remove_prefix(std::max<std::size_t>(character.size, 1));
    }
    return result;
}

std::string visible(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        if (text.starts_with("\r\n")) text.remove_prefix(1);
        const Character character = decode(text);
        const char first = text.front();
        if (first == '\n' || first == '\t' || (!is_control(character) && !is_hidden(character.code_point))) {
            result += text.substr(0, character.size);
        } else if (character.size <= 1) {
            append_hex(result, "\\x", static_cast<unsigned char>(first), 2);
        } else {
            append_hex(result, "\\u", character.code_point, 4);
        }
        text.remove_prefix(std::max<std::size_t>(character.size, 1));
    }
    return result;
}

std::string truncated(std::string text, std::size_t limit) {
    constexpr std::string_view kEllipsis = "...";
    if (text.size() <= limit) return text;
    std::size_t end = limit > kEllipsis.size() ? limit - kEllipsis.size() : 0;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text.resize(end);
    text += kEllipsis.substr(0, limit);
    return text;
}

}  // namespace endoscope::api
