#include "tests/conformance/normaliser.hpp"

#include "kube/base/clock.hpp"
#include "kube/base/json.hpp"

#include <algorithm>
#include <chrono>
#include <regex>
#include <vector>

namespace endoscope::conformance {

namespace {

/// Whether an RFC 3339 time is near now, so that it was made by the server and not by the script.
bool is_of_now(const std::string& text) {
    constexpr std::size_t kDate = 10;
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return std::ranges::any_of(std::vector<int>{-1, 0, 1}, [&](int days) {
        return text.starts_with(kube::format_micro_time(now + std::chrono::days(days)).substr(0, kDate));
    });
}

struct Rule {
    std::regex pattern;
    const char* replacement;
};

/// What varies inside texts.
const std::vector<Rule>& rules() {
    static const std::vector<Rule> kRules = {
        {std::regex(R"(127\.0\.0\.1:\d+)"), "127.0.0.1:<port>"},
        {std::regex(R"(X509SHA256=[0-9a-f]{64})"), "X509SHA256=<hash>"},
        {std::regex(R"(current: \d+)"), "current: <rv>"},
        {std::regex(R"(in record \(\d+\))"), "in record (<rv>)"},
        {std::regex(R"(too old resource version: (\d+) \(\d+\))"), "too old resource version: $1 (<rv>)"},
    };
    return kRules;
}

/// Messages that show the whole object, with its times and managedFields, show only that they do.
std::string without_dump(const std::string& text) {
    for (const auto& [begin, end] : {std::pair("Invalid value: \"{", "}\": "), std::pair("Invalid value: {", "}: ")}) {
        const std::size_t from = text.find(begin);
        const std::size_t to = text.rfind(end);
        if (from == std::string::npos || to == std::string::npos ||
            !(text.contains("metadata") || text.contains("managedFields")))
            continue;
        const std::size_t open = text.find('{', from);
        if (open < to) return text.substr(0, open) + "<object>" + text.substr(to + 1);
    }
    return text;
}

bool is_collection(const json& value) {
    const std::string kind = kube::string_at(value, {"kind"});
    return kind.ends_with("List") || kind == "Table";
}

}  // namespace

std::string Normaliser::symbol(const std::string& kind, const std::string& value) {
    std::string& known = symbols_[kind][value];
    if (!known.empty()) return known;
    const int number = ++used_[kind + step_];
    known = "<" + kind + ": " + step_ + (number > 1 ? " #" + std::to_string(number) : "") + ">";
    return known;
}

json Normaliser::normalise(const json& value, const std::string& key) {
    if (value.is_object()) return normalise_object(value);
    if (value.is_string()) return normalise_text(value.get<std::string>(), key);
    json out = value;
    if (out.is_array()) {
        for (json& item : out) item = normalise(item, key);
    }
    return out;
}

void Normaliser::sort_causes(json& status) {
    const std::string group = kube::string_at(status, {"details", "group"});
    if (!group.contains('.') || group.ends_with(".k8s.io") || !status["details"].contains("causes")) return;
    json& causes = status["details"]["causes"];
    if (!causes.is_array() || causes.size() < 2) return;
    std::sort(causes.begin(), causes.end());
    const std::string begin = " is invalid: [";
    auto& message = status["message"].get_ref<std::string&>();
    if (const auto at = message.find(begin); at != std::string::npos) {
        message = message.substr(0, at + begin.size()) + "<causes>]";
    }
}

json Normaliser::normalise_object(const json& value) {
    json out = json::object();
    for (const auto& [key, member] : value.items()) {
        if (key != "managedFields") out[key] = normalise(member, key);
    }
    if (kube::string_at(value, {"kind"}) == "Status") sort_causes(out);
    const bool bookmark = kube::string_at(value, {"type"}) == "BOOKMARK";
    const json::json_pointer version(bookmark ? "/object/metadata/resourceVersion" : "/metadata/resourceVersion");
    if ((bookmark || is_collection(value)) && out.contains(version)) out[version] = "<rv>";
    const std::string prefix = kube::string_at(value, {"metadata", "generateName"});
    if (!prefix.empty() && kube::string_at(value, {"metadata", "name"}).starts_with(prefix)) {
        out["metadata"]["name"] = prefix + "<random>";
    }
    return out;
}

std::string Normaliser::normalise_text(const std::string& text, const std::string& key) {
    static const std::regex kUid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
    static const std::regex kTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)");
    if (text.empty()) return text;
    if (key.ends_with("continue")) return "<continue>";
    if (key == "caBundle") return "<ca>";
    static const std::regex kAge(R"(\d+s)");
    if (key == "cells" && std::regex_match(text, kAge)) return "<age>";
    if (key.ends_with("resourceVersion") && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
        return symbol("rv", text);
    }
    if (std::smatch match; std::regex_match(text, match, kTime) && is_of_now(text)) {
        return match[1].matched ? "<micro-time>" : "<time>";
    }
    std::string out = without_dump(text);
    for (std::smatch match; std::regex_search(out, match, kUid);) {
        const std::string uid = match.str();
        out.replace(static_cast<std::size_t>(match.position()), uid.size(), symbol("uid", uid));
    }
    for (const Rule& rule : rules()) out = std::regex_replace(out, rule.pattern, rule.replacement);
    return out;
}

}  // namespace endoscope::conformance
