#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace endoscope::fuzz {

/// Ends the process where an invariant does not hold; the fuzzer then keeps the input.
inline void require(bool holds, std::string_view invariant) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(invariant.size()), invariant.data());
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    // The fuzzer's bytes are characters here; this is the one way to say so.
    return {reinterpret_cast<const char*>(data), size};
}

/// The document, or nothing where the text is no JSON. The API server sends no other.
inline std::optional<nlohmann::json> json_of(std::string_view text) {
    nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
    if (document.is_discarded()) return std::nullopt;
    return document;
}

/// The document without the members of objects that are null, which mean the same as none. Maps whose keys are not
/// fields (labels, a requester's extra) stay as they are: there a null is a value.
inline nlohmann::json without_nulls(const nlohmann::json& value) {
    if (!value.is_structured()) return value;
    nlohmann::json result = value.is_object() ? nlohmann::json::object() : nlohmann::json::array();
    for (const auto& [name, member] : value.items()) {
        if (value.is_array()) {
            result.push_back(without_nulls(member));
        } else if (name == "matchLabels" || name == "extra") {
            result[name] = member;
        } else if (!member.is_null()) {
            result[name] = without_nulls(member);
        }
    }
    return result;
}

/// Whether the text is one line, as messages for people are: a request must not be able to forge a second one.
inline bool is_one_line(std::string_view text) {
    for (const char c : text) {
        if ((c >= '\0' && c < ' ') || c == '\x7f') return false;
    }
    return !text.empty();
}

}  // namespace endoscope::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
