#pragma once

#include "kube/base/error.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace kube {

/// Cuts a LIST response into its items while it arrives, so that no page is ever held as one JSON tree: the peak is one
/// item. A state machine without I/O: feed it bytes in any pieces.
class ListSplitter {
  public:
    /// Receives the raw JSON text of one item; an error ends the list.
    using ItemHandler = std::function<Result<void>(std::string_view item)>;

    explicit ListSplitter(ItemHandler on_item, std::size_t max_item_bytes = std::size_t{16} << 20);

    Result<void> feed(std::string_view bytes);
    /// Call at the end of the body; fails when the document is not complete.
    Result<void> finish();

    /// `metadata.resourceVersion` of the list; valid after `finish`.
    const std::string& resource_version() const { return resource_version_; }
    /// `metadata.continue`; empty on the last page.
    const std::string& continue_token() const { return continue_token_; }

  private:
    Result<void> consume(char c);
    Result<void> end_value();

    ItemHandler on_item_;
    std::size_t max_item_bytes_;
    int depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    bool expect_key_ = false;  ///< At depth 1: the next string is a key.
    bool in_items_ = false;    ///< Inside the array of the top-level key "items".
    bool capturing_ = false;   ///< `captured_` collects an item, or the value of "metadata".
    bool done_ = false;
    std::string key_;
    std::string captured_;
    std::string resource_version_;
    std::string continue_token_;
};

}  // namespace kube
