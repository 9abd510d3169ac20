#include "kube/base/json.hpp"
#include "kube/client/list_splitter.hpp"
#include "kube/client/managed_fields.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <vector>

namespace endoscope::fuzz {
namespace {

struct Split {
    std::vector<std::string> items;
    bool complete = false;
    std::string resource_version;
    std::string continue_token;
    bool operator==(const Split&) const = default;
};

Split split(std::string_view body, std::size_t piece) {
    Split out;
    kube::ListSplitter splitter([&out](std::string_view item) -> kube::Result<void> {
        out.items.emplace_back(item);
        return {};
    });
    for (std::size_t at = 0; at < body.size(); at += piece) {
        if (!splitter.feed(body.substr(at, piece))) return out;
    }
    out.complete = splitter.finish().has_value();
    if (out.complete) {
        out.resource_version = splitter.resource_version();
        out.continue_token = splitter.continue_token();
    }
    return out;
}

/// Whether a key stands twice in the list, or is written with escapes: the server writes neither, and the splitter then
/// takes another one than a parser does.
bool has_unusual_keys(std::string_view text) {
    for (const std::string_view key :
         {"\"items\"", "\"metadata\"", "\"resourceVersion\"", "\"continue\"", "\"managedFields\""}) {
        const std::size_t first = text.find(key);
        if (first != std::string_view::npos && text.find(key, first + 1) != std::string_view::npos) return true;
    }
    return text.contains('\\');
}

void check_against_parser(std::string_view body, const Split& out) {
    const auto list = kube::parse_json(body);
    if (!list || has_unusual_keys(body)) return;
    const std::string version = kube::string_at(*list, {"metadata", "resourceVersion"});
    require(out.complete == (list->is_object() && !version.empty()), "a list is one to the parser, too");
    if (!out.complete) return;
    require(out.resource_version == version, "the version is the parser's");
    require(out.continue_token == kube::string_at(*list, {"metadata", "continue"}), "the token is the parser's");
    std::vector<nlohmann::json> expected;
    const auto* items = kube::find_at(*list, {"items"});
    if (items != nullptr && items->is_array()) {
        for (const auto& item : *items) {
            if (item.is_object()) expected.push_back(item);
        }
    }
    require(out.items.size() == expected.size(), "there are as many items");
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const auto item = kube::parse_json(out.items[i]);
        require(item && *item == expected[i], "every item is the parser's");
    }
}

/// Takes the cut members out of a parsed document, too.
void cut_managed_fields(nlohmann::json& value) {
    if (value.is_object() && value.contains("managedFields") && value["managedFields"].is_array()) {
        value["managedFields"] = nullptr;
    }
    if (!value.is_structured()) return;
    for (auto& member : value) cut_managed_fields(member);
}

void check_managed_fields(std::string_view body) {
    auto whole = json_of(body);
    const auto cut = json_of(kube::without_managed_fields(body));
    if (!whole || has_unusual_keys(body) || body.contains(": ")) return;
    require(cut.has_value(), "without managedFields it still is JSON");
    cut_managed_fields(*whole);
    auto rest = *cut;
    cut_managed_fields(rest);
    require(rest == *whole, "only managedFields are cut out");
}

}  // namespace
}  // namespace endoscope::fuzz

/// The first byte says how the rest is cut.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    if (size < 2) return 0;
    const std::string_view body = text_of(data + 1, size - 1);
    const Split whole = split(body, body.size());
    require(split(body, data[0] % 32U + 1) == whole, "the items do not depend on the pieces");
    require(split(body, 1) == whole, "nor do they byte by byte");
    check_against_parser(body, whole);
    check_managed_fields(body);
    return 0;
}
