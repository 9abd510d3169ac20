#include "tests/model/storage.hpp"

#include <algorithm>

namespace model {

Object Storage::get(const std::string& storage, const std::string& ns, const std::string& name) const {
    const auto table = tables_.find(storage);
    if (table == tables_.end()) return nullptr;
    const auto found = table->second.find({ns, name});
    return found == table->second.end() ? nullptr : found->second;
}

std::vector<Object> Storage::select(const Table& table, const std::string& ns) {
    std::vector<Object> out;
    if (ns.empty()) {
        out.reserve(table.size());
        for (const auto& [key, object] : table) out.push_back(object);
        return out;
    }
    for (auto at = table.lower_bound({ns, ""}); at != table.end() && at->first.first == ns; ++at) {
        out.push_back(at->second);
    }
    return out;
}

std::vector<Object> Storage::list(const std::string& storage, const std::string& ns) const {
    const auto table = tables_.find(storage);
    return table == tables_.end() ? std::vector<Object>{} : select(table->second, ns);
}

std::optional<std::vector<Object>> Storage::list_at(const std::string& storage, const std::string& ns,
                                                    std::uint64_t version) const {
    if (version < compacted_) return std::nullopt;
    Table table;
    if (const auto found = tables_.find(storage); found != tables_.end()) table = found->second;
    // Undo what came later, newest first.
    for (auto change = history_.rbegin(); change != history_.rend() && change->version > version; ++change) {
        if (change->storage != storage) continue;
        if (change->before) {
            table[{change->ns, change->name}] = change->before;
        } else {
            table.erase({change->ns, change->name});
        }
    }
    return select(table, ns);
}

void Storage::record(Change change) {
    history_.push_back(std::move(change));
    while (history_.size() > history_limit_) {
        compacted_ = history_.front().version;
        history_.pop_front();
    }
    // A copy: a listener may write.
    const Change latest = history_.empty() ? Change{} : history_.back();
    for (const auto& listener : listeners_) listener(latest);
}

Object Storage::put(const std::string& storage, const std::string& ns, const std::string& name, Json object) {
    ++version_;
    object_at(object, "metadata")["resourceVersion"] = std::to_string(version_);
    Object stored = std::make_shared<const Json>(std::move(object));
    Object& slot = tables_[storage][{ns, name}];
    const Object before = slot;
    slot = stored;
    record({version_, storage, ns, name, stored, before, false});
    return stored;
}

Object Storage::remove(const std::string& storage, const std::string& ns, const std::string& name) {
    const Object before = get(storage, ns, name);
    if (!before) return nullptr;
    tables_[storage].erase({ns, name});
    ++version_;
    Json last = *before;
    object_at(last, "metadata")["resourceVersion"] = std::to_string(version_);
    Object final_state = std::make_shared<const Json>(std::move(last));
    record({version_, storage, ns, name, final_state, before, true});
    return final_state;
}

void Storage::compact(std::uint64_t version) {
    while (!history_.empty() && history_.front().version <= version) history_.pop_front();
    compacted_ = std::max(compacted_, std::min(version, version_));
}

}  // namespace model
