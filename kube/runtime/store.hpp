#pragma once

#include "kube/runtime/reflector.hpp"
#include "kube/runtime/work_queue.hpp"

#include <nlohmann/json_fwd.hpp>

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kube {

/// A cache of immutable projections, filled by a reflector. Readers get a snapshot handle, never a reference into the
/// map. `T` needs only what `Projection` extracts; the JSON is gone after the call.
/// Handlers run synchronously on the I/O thread, in the order of the events of an object; they must not block, and so
/// `Reflector::synced` means that they were told. What one throws is rethrown once all have been told everything.
template <class T>
class Store final : public ReflectorSink {
  public:
    using Object = std::shared_ptr<const T>;
    /// Key ("namespace/name", or "name") and projection of one object. One that throws leaves the object as it was.
    using Projection = std::function<std::pair<std::string, T>(const nlohmann::json& object)>;
    using KeyOf = std::function<std::string(const nlohmann::json& object)>;
    /// `before` is null for an addition, `after` for a deletion, whose last known state may be older than the deletion
    /// when that was not seen. Both are the same object in a resync.
    using Handler = std::function<void(const std::string& key, const Object& before, const Object& after)>;
    /// The values under which an object is found in an index: none, one or several.
    using IndexValues = std::function<std::vector<std::string>(const T& object)>;

    Store(Projection project, KeyOf key_of) : project_(std::move(project)), key_of_(std::move(key_of)) {}

    void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }

    /// Adds a secondary index; objects already there are in it at once.
    void add_index(std::string name, IndexValues values) {
        Index& index = indices_[std::move(name)];
        index.values = std::move(values);
        index.objects.clear();
        for (const auto& [key, object] : objects_) insert(index, object);
    }

    Object get(const std::string& key) const {
        const auto found = objects_.find(key);
        return found == objects_.end() ? nullptr : found->second;
    }
    std::vector<Object> list() const {
        std::vector<Object> all;
        all.reserve(objects_.size());
        for (const auto& [key, object] : objects_) all.push_back(object);
        return all;
    }
    /// The objects with that value in the index `name`, in no order; none for an index that was not added.
    std::vector<Object> by_index(const std::string& name, const std::string& value) const {
        const auto index = indices_.find(name);
        if (index == indices_.end()) return {};
        const auto found = index->second.objects.find(value);
        return found == index->second.objects.end() ? std::vector<Object>() : found->second;
    }
    std::size_t size() const { return objects_.size(); }

    /// The queue priority of what handlers are being told: low for a first list and a resync, so that a change is not
    /// kept waiting by what did not change.
    int priority() const { return priority_; }

    void begin_replace() override { incoming_.clear(); }
    void replace_item(const nlohmann::json& object) override {
        try {
            auto [key, projected] = project_(object);
            incoming_[std::move(key)] = std::make_shared<const T>(std::move(projected));
        } catch (...) {
            const std::string key = key_of_(object);
            if (Object known = get(key)) incoming_[key] = std::move(known);
            throw;
        }
    }
    void replace_remove(const nlohmann::json& object) override { incoming_.erase(key_of_(object)); }
    void end_replace() override {
        const auto old = std::exchange(objects_, std::exchange(incoming_, {}));
        for (auto& [name, index] : indices_) {
            index.objects.clear();
            for (const auto& [key, object] : objects_) insert(index, object);
        }
        priority_ = std::exchange(filled_, true) ? 0 : kLowPriority;
        for (const auto& [key, after] : objects_) {
            const auto found = old.find(key);
            notify(key, found == old.end() ? nullptr : found->second, after);
        }
        for (const auto& [key, before] : old) {
            if (!objects_.contains(key)) notify(key, before, nullptr);
        }
        end_notifications();
    }
    void upsert(const nlohmann::json& object) override {
        auto [key, projected] = project_(object);
        const auto after = std::make_shared<const T>(std::move(projected));
        const auto before = std::exchange(objects_[key], after);
        reindex(before, after);
        notify(key, before, after);
        end_notifications();
    }
    void remove(const nlohmann::json& object) override {
        const std::string key = key_of_(object);
        const auto found = objects_.find(key);
        if (found == objects_.end()) return;
        const auto before = found->second;
        objects_.erase(found);
        reindex(before, nullptr);
        notify(key, before, nullptr);
        end_notifications();
    }
    /// Tells handlers every object again, as unchanged and at low priority.
    void resync() override {
        priority_ = kLowPriority;
        for (const auto& [key, object] : objects_) notify(key, object, object);
        end_notifications();
    }

  private:
    struct Index {
        IndexValues values;
        std::unordered_map<std::string, std::vector<Object>> objects;
    };

    static void insert(Index& index, const Object& object) {
        for (const std::string& value : index.values(*object)) index.objects[value].push_back(object);
    }
    static void erase(Index& index, const Object& object) {
        for (const std::string& value : index.values(*object)) {
            const auto found = index.objects.find(value);
            if (found == index.objects.end()) continue;
            std::erase(found->second, object);
            if (found->second.empty()) index.objects.erase(found);
        }
    }
    void reindex(const Object& before, const Object& after) {
        for (auto& [name, index] : indices_) {
            if (before) erase(index, before);
            if (after) insert(index, after);
        }
    }
    void notify(const std::string& key, const Object& before, const Object& after) {
        for (const auto& handler : handlers_) {
            try {
                handler(key, before, after);
            } catch (...) {
                if (!failure_) failure_ = std::current_exception();
            }
        }
    }
    void end_notifications() {
        priority_ = 0;
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }

    Projection project_;
    KeyOf key_of_;
    std::vector<Handler> handlers_;
    std::unordered_map<std::string, Object> objects_;
    std::unordered_map<std::string, Object> incoming_;
    std::map<std::string, Index> indices_;
    std::exception_ptr failure_;  ///< The first that a handler threw in the notifications under way.
    int priority_ = 0;
    bool filled_ = false;
};

/// "namespace/name", or "name" for cluster-scoped objects.
std::string object_key(const nlohmann::json& object);

}  // namespace kube
