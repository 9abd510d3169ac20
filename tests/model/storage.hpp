#pragma once

#include "tests/model/json_tools.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace model {

/// A stored object. Immutable, shared with watchers that have not seen it yet.
using Object = std::shared_ptr<const Json>;

/// One write, as watches see it. `object` is null for a removal, `before` for a creation.
struct Change {
    std::uint64_t version = 0;
    std::string storage;
    std::string ns;
    std::string name;
    Object object;  ///< For a removal: the last state, carrying the removal's resourceVersion.
    Object before;
    bool removed = false;
};

/// What etcd is to a real API server: ordered maps, one counter, a bounded history. No I/O, no clock, no rules.
/// A storage name ("pods", "endoscope.dev/debugrequests") is one table; several API versions may share it.
class Storage {
  public:
    explicit Storage(std::size_t history_limit = 20000) : history_limit_(history_limit) {}

    /// The resourceVersion of the last write.
    std::uint64_t version() const { return version_; }
    /// Nothing at or before this version can be watched from or listed exactly any more.
    std::uint64_t compacted() const { return compacted_; }
    const std::deque<Change>& history() const { return history_; }

    Object get(const std::string& storage, const std::string& ns, const std::string& name) const;
    /// In key order; an empty `ns` means every namespace.
    std::vector<Object> list(const std::string& storage, const std::string& ns) const;
    /// The table as it was at `version`; nothing when that is compacted.
    std::optional<std::vector<Object>> list_at(const std::string& storage, const std::string& ns,
                                               std::uint64_t version) const;
    /// Creates or replaces. Sets metadata.resourceVersion.
    Object put(const std::string& storage, const std::string& ns, const std::string& name, Json object);
    /// Removes when present and returns the last state.
    Object remove(const std::string& storage, const std::string& ns, const std::string& name);
    /// Forgets history up to and including `version`.
    void compact(std::uint64_t version);
    /// Called after every write, listeners in the order in which they came.
    void on_change(std::function<void(const Change&)> listener) { listeners_.push_back(std::move(listener)); }

  private:
    using Table = std::map<std::pair<std::string, std::string>, Object>;
    static std::vector<Object> select(const Table& table, const std::string& ns);
    void record(Change change);

    std::size_t history_limit_;
    std::uint64_t version_ = 1;
    std::uint64_t compacted_ = 0;
    std::map<std::string, Table> tables_;
    std::deque<Change> history_;
    std::vector<std::function<void(const Change&)>> listeners_;
};

}  // namespace model
