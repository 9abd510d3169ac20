#include "kube/client/status.hpp"
#include "kube/client/warning.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>

namespace endoscope::fuzz {
namespace {

constexpr std::array kStatuses = {400, 401, 403, 404, 409, 410, 415, 422, 429, 500, 503, 504};

void check_response(int status, std::string_view retry_after, std::string_view body) {
    kube::HttpHeaders headers;
    headers.set("Retry-After", std::string(retry_after));
    const kube::Error error = kube::error_from_response(status, body, headers);
    require(error.http_status == status, "the status is kept");
    require(!error.message.empty(), "there is a message");
    require(!kube::to_string(error.kind).empty(), "there is a kind");
    require(!error.retry_after || error.retry_after->count() >= 0, "nobody waits a negative time");
    const bool all_digits = std::ranges::all_of(retry_after, [](char c) { return c >= '0' && c <= '9'; });
    require(!error.retry_after || all_digits, "only whole seconds are waited");
    require(status != 410 || error.kind == kube::ErrorKind::gone, "gone is gone, whatever the body says");
    require(status != 429 || error.kind == kube::ErrorKind::too_many_requests, "so is too many requests");
}

void check_warnings(std::string_view header) {
    const auto texts = kube::parse_warnings(header);
    std::size_t length = 0;
    for (const std::string& text : texts) {
        require(!text.empty(), "no warning is empty");
        length += text.size();
    }
    require(length <= header.size(), "nothing is made up");
    auto more = kube::parse_warnings("299 - \"first\"," + std::string(header));
    require(more.size() == texts.size() + 1 && more.front() == "first", "what follows loses no warning");
}

}  // namespace
}  // namespace endoscope::fuzz

/// A byte for the status, a line for a header, the rest is the body.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    if (size < 1) return 0;
    const std::string_view text = text_of(data + 1, size - 1);
    const std::size_t line = std::min(text.find('\n'), text.size());
    check_response(kStatuses.at(data[0] % kStatuses.size()), text.substr(0, line), text.substr(line));
    check_warnings(text.substr(0, line));
    const kube::Error in_watch = kube::error_from_status_object(text.substr(line));
    require(in_watch.http_status >= 400 && in_watch.http_status <= 599, "an error event is an error");
    return 0;
}
