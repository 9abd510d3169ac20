#include "kube/net/http.hpp"

#include "kube/net/http_wire.hpp"

#include <boost/beast/http/status.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace kube {

void HttpHeaders::set(std::string name, std::string value) {
    for (auto& [key, old] : fields_) {
        if (wire::equals_ignoring_case(key, name)) {
            old = std::move(value);
            return;
        }
    }
    add(std::move(name), std::move(value));
}

void HttpHeaders::add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
}

std::string_view HttpHeaders::get(std::string_view name) const {
    for (const auto& [key, value] : fields_) {
        if (wire::equals_ignoring_case(key, name)) return value;
    }
    return {};
}

std::vector<std::string_view> HttpHeaders::get_all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [key, value] : fields_) {
        if (wire::equals_ignoring_case(key, name)) values.push_back(value);
    }
    return values;
}

namespace wire {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_clean(std::string_view value) {
    return std::ranges::none_of(value, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7f;
    });
}

bool is_token(std::string_view name) {
    static constexpr std::string_view kSpecial = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') ||
               kSpecial.find(c) != std::string_view::npos;
    });
}

Result<void> check(const HttpRequest& request) {
    if (!is_token(request.method)) return fail(ErrorKind::bad_request, "HTTP method is not a token");
    if (request.target.empty() || request.target.find_first_of(" \t") != std::string::npos ||
        !is_clean(request.target)) {
        return fail(ErrorKind::bad_request, "HTTP request target is empty or not percent-encoded");
    }
    for (const auto& [name, value] : request.headers.fields()) {
        if (is_token(name) && is_clean(value)) continue;
        return fail(ErrorKind::bad_request,
                    "HTTP header " + (is_token(name) ? name : "name") + " holds a character that is not allowed there");
    }
    return {};
}

bool lists_token(std::string_view value, std::string_view token) {
    while (!value.empty()) {
        const auto comma = value.find(',');
        if (equals_ignoring_case(trim(value.substr(0, comma)), token)) return true;
        if (comma == std::string_view::npos) break;
        value.remove_prefix(comma + 1);
    }
    return false;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

std::string_view reason_phrase(int status) {
    namespace http = boost::beast::http;
    const auto text = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
    return {text.data(), text.size()};
}

std::string http_date(WallTime time) {
    static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{second - day};
    char text[40];
    const int length = std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT",
                                     kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                                     static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                                     static_cast<int>(clock.seconds().count()));
    return {text, static_cast<std::size_t>(length)};
}

void InputBuffer::consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
}

std::span<char> InputBuffer::prepare() {
    if (storage_.empty()) storage_.resize(initial_);
    // Small reads are what makes a watch slow, so room is made before it runs out.
    if (begin_ > 0 && storage_.size() - end_ < initial_ / 4) {
        std::memmove(storage_.data(), storage_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == storage_.size() && storage_.size() < maximum_) {
        storage_.resize(std::min(maximum_, storage_.size() * 2));
    }
    return {storage_.data() + end_, storage_.size() - end_};
}

}  // namespace wire
}  // namespace kube
