#include "kube/runtime/resource_version.hpp"

#include <charconv>
#include <cstdint>

namespace kube {

namespace {

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    return parsed.ec == std::errc() ? value : 0;
}

}  // namespace

bool is_older(std::string_view left, std::string_view right) {
    return number(left) < number(right);
}

}  // namespace kube
