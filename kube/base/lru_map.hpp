#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

namespace kube {

/// A map that holds at most `capacity` values: the least recently used goes first.
template <class Key, class Value>
class LruMap {
  public:
    using Entries = std::list<std::pair<Key, Value>>;

    explicit LruMap(std::size_t capacity) : capacity_(capacity) {}

    /// nullptr when it is not there; valid until it is erased. Counts as a use.
    Value* find(const Key& key) {
        const auto known = by_key_.find(key);
        if (known == by_key_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, known->second);
        return &known->second->second;
    }

    /// Adds or replaces. Returns what had to give way, if anything.
    std::optional<Value> insert(const Key& key, Value value) {
        if (Value* const known = find(key)) {
            *known = std::move(value);
            return std::nullopt;
        }
        entries_.emplace_front(key, std::move(value));
        by_key_[key] = entries_.begin();
        if (entries_.size() <= capacity_) return std::nullopt;
        std::optional<Value> evicted = std::move(entries_.back().second);
        by_key_.erase(entries_.back().first);
        entries_.pop_back();
        return evicted;
    }

    void erase(const Key& key) {
        const auto known = by_key_.find(key);
        if (known == by_key_.end()) return;
        entries_.erase(known->second);
        by_key_.erase(known);
    }

    /// Most recently used first.
    const Entries& entries() const { return entries_; }
    std::size_t size() const { return entries_.size(); }

  private:
    std::size_t capacity_;
    Entries entries_;
    std::unordered_map<Key, typename Entries::iterator> by_key_;
};

}  // namespace kube
