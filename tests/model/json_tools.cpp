#include "tests/model/json_tools.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace model {

Json& object_at(Json& parent, const std::string& key) {
    if (!parent.is_object()) parent = Json::object();
    Json& child = parent[key];
    if (!child.is_object()) child = Json::object();
    return child;
}

Json& object_at(Json& parent, std::initializer_list<const char*> path) {
    Json* at = &parent;
    for (const char* key : path) at = &object_at(*at, key);
    return *at;
}

bool true_at(const Json& value, std::initializer_list<std::string_view> path) {
    const Json* found = find_at(value, path);
    return found != nullptr && found->is_boolean() && found->get<bool>();
}

const Json& array_at(const Json& value, std::initializer_list<std::string_view> path) {
    static const Json kEmpty = Json::array();
    const Json* found = find_at(value, path);
    return found != nullptr && found->is_array() ? *found : kEmpty;
}

std::vector<std::string> strings_at(const Json& value, std::initializer_list<std::string_view> path) {
    std::vector<std::string> out;
    for (const Json& item : array_at(value, path)) {
        if (item.is_string()) out.push_back(item.get<std::string>());
    }
    return out;
}

bool contains(const std::vector<std::string>& list, std::string_view value) {
    return std::ranges::find(list, value) != list.end();
}

void set_default(Json& object, const std::string& key, Json value) {
    if (!object.is_object()) return;
    Json& member = object[key];
    if (member.is_null()) member = std::move(value);
}

std::string go_format(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_null()) return "<nil>";
    if (!value.is_structured()) return value.dump();
    std::vector<std::string> parts;
    for (const auto& [key, member] : value.items()) {
        parts.push_back(value.is_object() ? key + ":" + go_format(member) : go_format(member));
    }
    return (value.is_object() ? "map[" : "[") + join(parts, " ") + "]";
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (const std::string& part : parts) {
        if (!out.empty()) out += separator;
        out += part;
    }
    return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> out;
    while (true) {
        const std::size_t end = text.find(separator);
        out.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + 1);
    }
}

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    char escaped[8];
                    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(c));
                    out += escaped;
                } else {
                    out += c;
                }
        }
    }
    return out + "\"";
}

std::string format_time(kube::WallTime time) {
    // MicroTime without its fraction is metav1.Time.
    return kube::format_micro_time(time).substr(0, 19) + "Z";
}

std::optional<kube::WallTime> parse_time(std::string_view text) {
    using namespace std::chrono;
    const auto number = [&](std::size_t from, std::size_t length, int low, int high) -> std::optional<int> {
        int value = 0;
        if (text.size() < from + length) return std::nullopt;
        const char* end = text.data() + from + length;
        const auto parsed = std::from_chars(text.data() + from, end, value);
        if (parsed.ec != std::errc{} || parsed.ptr != end || value < low || value > high) return std::nullopt;
        return value;
    };
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
        return std::nullopt;
    }
    const auto y = number(0, 4, 0, 9999);
    const auto mo = number(5, 2, 1, 12);
    const auto d = number(8, 2, 1, 31);
    const auto h = number(11, 2, 0, 23);
    const auto mi = number(14, 2, 0, 59);
    const auto s = number(17, 2, 0, 60);
    if (!y || !mo || !d || !h || !mi || !s) return std::nullopt;
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
    if (!date.ok()) return std::nullopt;
    kube::WallTime out = sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s};
    std::size_t at = 19;
    if (text[at] == '.') {
        int scale = 100000;
        std::size_t digits = 0;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
            out += microseconds{(text[at] - '0') * scale};
            scale /= 10;
        }
        if (digits == 0) return std::nullopt;
    }
    if (at >= text.size()) return std::nullopt;
    if (text[at] == 'Z') return at + 1 == text.size() ? std::optional(out) : std::nullopt;
    if ((text[at] != '+' && text[at] != '-') || at + 6 != text.size() || text[at + 3] != ':') return std::nullopt;
    const auto oh = number(at + 1, 2, 0, 23);
    const auto om = number(at + 4, 2, 0, 59);
    if (!oh || !om) return std::nullopt;
    const auto offset = hours{*oh} + minutes{*om};
    return text[at] == '+' ? out - offset : out + offset;
}

}  // namespace model
