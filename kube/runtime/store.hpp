#pragma once

#include "kube/runtime/reflector.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kube {

/// A cache of immutable projections, filled by a reflector. Readers get a snapshot handle, never a reference into the
/// map. `T` needs only what `Projection` extracts; the JSON is gone after the call.
/// Handlers run synchronously on the I/O thread, in the order of the events of an object; they must not block.
template <class T>
class Store final : public ReflectorSink {
  public:
    /// Key ("namespace/name", or "name") and projection of one object.
    using Projection = std::function<std::pair<std::string, T>(const nlohmann::json& object)>;
    using KeyOf = std::function<std::string(const nlohmann::json& object)>;
    /// `before` or `after` is null for an addition or a deletion.
    using Handler = std::function<void(const std::string& key, const std::shared_ptr<const T>& before,
                                       const std::shared_ptr<const T>& after)>;

    Store(Projection project, KeyOf key_of) : project_(std::move(project)), key_of_(std::move(key_of)) {}

    void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }

    std::shared_ptr<const T> get(const std::string& key) const {
        const auto found = objects_.find(key);
        return found == objects_.end() ? nullptr : found->second;
    }
    std::vector<std::shared_ptr<const T>> list() const {
        std::vector<std::shared_ptr<const T>> all;
        all.reserve(objects_.size());
        for (const auto& [key, object] : objects_) all.push_back(object);
        return all;
    }
    std::size_t size() const { return objects_.size(); }

    void begin_replace() override { incoming_.clear(); }
    void replace_item(const nlohmann::json& object) override {
        auto [key, projected] = project_(object);
        incoming_[std::move(key)] = std::make_shared<const T>(std::move(projected));
    }
    void end_replace() override {
        auto old = std::exchange(objects_, std::exchange(incoming_, {}));
        for (const auto& [key, after] : objects_) {
            const auto found = old.find(key);
            notify(key, found == old.end() ? nullptr : found->second, after);
        }
        for (const auto& [key, before] : old) {
            if (!objects_.contains(key)) notify(key, before, nullptr);
        }
    }
    void upsert(const nlohmann::json& object) override {
        auto [key, projected] = project_(object);
        put(key, std::make_shared<const T>(std::move(projected)));
    }
    void remove(const nlohmann::json& object) override {
        const std::string key = key_of_(object);
        const auto found = objects_.find(key);
        if (found == objects_.end()) return;
        const auto before = found->second;
        objects_.erase(found);
        notify(key, before, nullptr);
    }

  private:
    void put(const std::string& key, std::shared_ptr<const T> after) {
        auto& slot = objects_[key];
        const auto before = std::exchange(slot, after);
        notify(key, before, after);
    }
    void notify(const std::string& key, const std::shared_ptr<const T>& before, const std::shared_ptr<const T>& after) {
        for (const auto& handler : handlers_) handler(key, before, after);
    }

    Projection project_;
    KeyOf key_of_;
    std::vector<Handler> handlers_;
    std::unordered_map<std::string, std::shared_ptr<const T>> objects_;
    std::unordered_map<std::string, std::shared_ptr<const T>> incoming_;
};

/// "namespace/name", or "name" for cluster-scoped objects.
std::string object_key(const nlohmann::json& object);

}  // namespace kube
