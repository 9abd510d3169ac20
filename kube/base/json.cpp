#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

namespace kube {

namespace {

constexpr int kMaxDepth = 100;

/// Whether brackets outside strings nest deeper than allowed.
bool nests_too_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > kMaxDepth) return true;
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return false;
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text) {
    if (nests_too_deep(text)) return fail(ErrorKind::malformed, "JSON nests deeper than 100 levels");
    nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
    if (value.is_discarded()) {
        return fail(ErrorKind::malformed, "not valid JSON: \"" + std::string(text.substr(0, 80)) + "\"");
    }
    return value;
}

std::string dump_json(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

const nlohmann::json* find_at(const nlohmann::json& value, std::initializer_list<std::string_view> path) {
    const nlohmann::json* at = &value;
    for (const std::string_view key : path) {
        if (!at->is_object()) return nullptr;
        const auto found = at->find(key);
        if (found == at->end()) return nullptr;
        at = &*found;
    }
    return at;
}

std::string string_at(const nlohmann::json& value, std::initializer_list<std::string_view> path) {
    const nlohmann::json* found = find_at(value, path);
    return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace kube
