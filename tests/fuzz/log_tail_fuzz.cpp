#include "api/text.hpp"
#include "controller/log_tail.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

namespace endoscope::fuzz {
namespace {

using controller::kMaxOutput;
using controller::log_tail;

constexpr std::string_view kLeftOut = "[... earlier output left out]\n";

std::string without(std::string text, std::string_view characters) {
    std::erase_if(text, [&](char c) { return characters.contains(c); });
    return text;
}

void check(std::string_view log, std::int64_t lines) {
    const std::string output = log_tail(log, lines);
    require(output.size() <= kMaxOutput, "it fits");
    require(!api::has_control_characters(without(output, "\n\t")), "it is UTF-8 without control characters");
    require(api::visible(output) == output, "nothing is left to be written out");
    const bool is_cut = output.starts_with(kLeftOut);
    require(std::ranges::count(output, '\n') < lines + (is_cut ? 1 : 0), "there are not more lines than asked for");
    require(log_tail(output + "\n", lines + 1) == output, "its end is itself");
    if (!is_cut) require(api::visible(log).ends_with(output + (log.ends_with('\n') ? "\n" : "")), "it is the end");
}

}  // namespace
}  // namespace endoscope::fuzz

/// The input: how many lines, how often the log is repeated, the log.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    if (size < 2) return 0;
    const std::int64_t lines = 1 + data[0];
    std::string log;
    for (unsigned i = 0; i <= data[1] % 64U; ++i) log += text_of(data + 2, size - 2);
    check(log, lines);
    return 0;
}
