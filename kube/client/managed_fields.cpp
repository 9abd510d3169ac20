#include "kube/client/managed_fields.hpp"

namespace kube {

namespace {

/// Cannot stand inside a string, where its quotes would be escaped.
constexpr std::string_view kKey = "\"managedFields\":[";
constexpr std::string_view kInstead = "\"managedFields\":null";

/// Where the array ends whose opening bracket is right before `at`.
std::size_t end_of_array(std::string_view text, std::size_t at) {
    int depth = 1;
    bool in_string = false;
    for (; at < text.size() && depth > 0; ++at) {
        const char c = text[at];
        if (in_string) {
            if (c == '\\') {
                ++at;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            ++depth;
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return depth > 0 ? std::string_view::npos : at;
}

}  // namespace

std::string without_managed_fields(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (;;) {
        const std::size_t key = text.find(kKey);
        if (key == std::string_view::npos) return out.append(text);
        out.append(text.substr(0, key));
        const std::size_t end = end_of_array(text, key + kKey.size());
        if (end == std::string_view::npos) return out;
        out.append(kInstead);
        text.remove_prefix(end);
    }
}

}  // namespace kube
