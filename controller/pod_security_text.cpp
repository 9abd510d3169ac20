#include "controller/pod_security_checks.hpp"

#include <re2/re2.h>

namespace endoscope::controller {
namespace {

/// The letter that Go escapes this character with after a backslash; 0 where there is none.
char short_escape(char character) {
    switch (character) {
        case '"':
        case '\\':
            return character;
        case '\a':
            return 'a';
        case '\b':
            return 'b';
        case '\f':
            return 'f';
        case '\n':
            return 'n';
        case '\r':
            return 'r';
        case '\t':
            return 't';
        case '\v':
            return 'v';
        default:
            return 0;
    }
}

/// The code point of one character that is known to be UTF-8.
std::uint32_t code_point(std::string_view character) {
    const auto first = static_cast<unsigned char>(character.front());
    std::uint32_t value = character.size() == 1 ? first : first & (0x7FU >> character.size());
    for (const char next : character.substr(1)) value = (value << 6U) | (static_cast<unsigned char>(next) & 0x3FU);
    return value;
}

/// A backslash, the letter, and the value in as many hex digits.
std::string escape(char letter, std::uint32_t value, std::size_t digits) {
    std::string result(2 + digits, '0');
    result[0] = '\\';
    result[1] = letter;
    for (std::size_t i = result.size(); value != 0; value >>= 4U) result[--i] = "0123456789abcdef"[value & 0xFU];
    return result;
}

}  // namespace

std::string go_quoted(std::string_view text) {
    // Go prints letters, marks, numbers, punctuation, symbols and, of the spaces, only that of ASCII.
    static const re2::RE2 printable(R"(([\pL\pM\pN\pP\pS ]))");
    static const re2::RE2 character(R"((?s)(.))");
    std::string result = "\"";
    re2::StringPiece rest(text.data(), text.size());
    std::string match;
    while (!rest.empty()) {
        if (const char letter = short_escape(rest[0]); letter != 0) {
            result.append({'\\', letter});
            rest.remove_prefix(1);
        } else if (re2::RE2::Consume(&rest, printable, &match)) {
            result += match;
        } else if (re2::RE2::Consume(&rest, character, &match)) {
            const std::uint32_t value = code_point(match);
            const bool is_control = value < 0x20 || value == 0x7F;
            result += is_control        ? escape('x', value, 2)
                      : value <= 0xFFFF ? escape('u', value, 4)
                                        : escape('U', value, 8);
        } else {
            result += escape('x', static_cast<unsigned char>(rest[0]), 2);
            rest.remove_prefix(1);
        }
    }
    return result + '"';
}

std::string words(std::initializer_list<std::string_view> texts) {
    std::string result;
    for (const std::string_view text : texts) result.append(result.empty() ? "" : " ").append(text);
    return result;
}

std::string containers_text(const std::vector<std::string>& names) {
    return words({plural(names.size(), "container", "containers"), quoted(names)});
}

std::vector<std::string> containers_where(const PodSecuritySubject& pod,
                                          const std::function<bool(const PodSecuritySubject::Container&)>& is_bad) {
    std::vector<std::string> names;
    for (const auto& container : pod.containers) {
        if (is_bad(container)) names.push_back(container.name);
    }
    return names;
}

std::string setters_where(const PodSecuritySubject& pod,
                          const std::function<bool(const PodSecuritySubject::SecurityContext&)>& is_bad) {
    const bool pod_is_bad = is_bad(pod.context);
    const auto containers = containers_where(pod, [&](const auto& container) { return is_bad(container.context); });
    if (containers.empty()) return pod_is_bad ? "pod" : "";
    return (pod_is_bad ? "pod and " : "") + containers_text(containers);
}

}  // namespace endoscope::controller
