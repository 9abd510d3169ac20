#include "kube/client/list_splitter.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

namespace kube {

ListSplitter::ListSplitter(ItemHandler on_item, std::size_t max_item_bytes)
    : on_item_(std::move(on_item)), max_item_bytes_(max_item_bytes) {}

Result<void> ListSplitter::feed(std::string_view bytes) {
    for (const char c : bytes) {
        if (auto consumed = consume(c); !consumed) return consumed;
    }
    return {};
}

Result<void> ListSplitter::consume(char c) {
    if (capturing_) {
        if (captured_.size() >= max_item_bytes_) return fail(ErrorKind::malformed, "list item is too large");
        captured_ += c;
    }
    if (in_string_) {
        if (escaped_) {
            escaped_ = false;
        } else if (c == '\\') {
            escaped_ = true;
        } else if (c == '"') {
            in_string_ = false;
            return {};
        }
        if (expect_key_ && depth_ == 1) key_ += c;
        return {};
    }
    switch (c) {
        case '"':
            if (done_ || depth_ == 0) return fail(ErrorKind::malformed, "list response is not a JSON object");
            in_string_ = true;
            if (expect_key_ && depth_ == 1) key_.clear();
            return {};
        case ':':
            if (depth_ == 1) expect_key_ = false;
            return {};
        case ',':
            if (depth_ == 1) expect_key_ = true;
            return {};
        case '{':
        case '[':
            if (done_ || (depth_ == 0 && c != '{'))
                return fail(ErrorKind::malformed, "list response is not a JSON object");
            ++depth_;
            if (depth_ == 1) expect_key_ = true;
            if (depth_ == 2 && key_ == "items" && c == '[') in_items_ = true;
            if ((depth_ == 2 && key_ == "metadata" && c == '{') || (depth_ == 3 && in_items_ && c == '{')) {
                captured_.assign(1, c);
                capturing_ = true;
            }
            return {};
        case '}':
        case ']':
            return end_value();
        default:
            return {};
    }
}

Result<void> ListSplitter::end_value() {
    if (depth_ == 0) return fail(ErrorKind::malformed, "list response has an unbalanced bracket");
    --depth_;
    if (depth_ == 0) done_ = true;
    if (depth_ == 2 && in_items_ && capturing_) {
        capturing_ = false;
        return on_item_(captured_);
    }
    if (depth_ == 1) {
        in_items_ = false;
        if (capturing_) {
            capturing_ = false;
            const auto metadata = parse_json(captured_);
            if (!metadata) return std::unexpected(metadata.error());
            resource_version_ = string_at(*metadata, {"resourceVersion"});
            continue_token_ = string_at(*metadata, {"continue"});
        }
    }
    return {};
}

Result<void> ListSplitter::finish() {
    if (!done_) return fail(ErrorKind::transport, "list response ended early");
    if (resource_version_.empty()) return fail(ErrorKind::malformed, "list response has no metadata.resourceVersion");
    return {};
}

}  // namespace kube
