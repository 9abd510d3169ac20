#pragma once

#include "kube/base/json.hpp"
#include "kube/runtime/reflector.hpp"
#include "kube/runtime/store.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/scripted_server.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kube::test {

inline std::string object(const std::string& name, const std::string& version) {
    return R"({"metadata":{"name":")" + name + R"(","namespace":"ns","resourceVersion":")" + version + R"("}})";
}

inline std::string event(const std::string& type, const std::string& name, const std::string& version) {
    return R"({"type":")" + type + R"(","object":)" + object(name, version) + "}\n";
}

inline std::string page(const std::vector<std::string>& items, const std::string& version,
                        const std::string& token = "") {
    std::string text =
        R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + token + R"("},"items":[)";
    for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ",") + items[i];
    return text + "]}";
}

inline constexpr std::string_view kGone =
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}})"
    "\n";

/// What an observer was told.
struct ReflectorRecord final : ReflectorObserver {
    void on_synced() override { synced = true; }
    void on_list_begin() override { ++lists; }
    void on_contact() override { ++contacts; }
    void on_error(std::string_view reason) override { errors += std::string(reason) + " "; }
    void on_sink_error() override { ++sink_errors; }

    bool synced = false;
    int lists = 0;
    int contacts = 0;
    int sink_errors = 0;
    std::string errors;
};

/// A store of resourceVersions, its reflector, and a record of what handlers were told.
struct ReflectorFixture {
    explicit ReflectorFixture(boost::asio::any_io_executor executor,
                              std::shared_ptr<WatchListSupport> watch_list = nullptr, bool most_recent = false)
        : server(executor, clock),
          client(server.transport(), clock, {.user_agent = "test", .field_manager = {}, .path_prefix = {}}),
          store(
              [](const nlohmann::json& o) {
                  return std::pair(object_key(o), string_at(o, {"metadata", "resourceVersion"}));
              },
              object_key),
          reflector(client, clock, store,
                    {.name = "things",
                     .path = "/things",
                     .selectors = {},
                     .seed = 1,
                     .resume_from = {},
                     .most_recent = most_recent,
                     .watch_list = std::move(watch_list),
                     .observer = &observer}) {
        store.on_change([this](const std::string& key, const auto& before, const auto& after) {
            changes.push_back(key + " " + (before ? *before : "-") + ">" + (after ? *after : "-"));
        });
    }
    std::string value(const std::string& key) const {
        const auto found = store.get(key);
        return found ? *found : "none";
    }
    boost::asio::awaitable<void> wait_for_sync(Duration limit, std::optional<Result<void>>& result) {
        auto synced = co_await kube::wait_for_sync(clock, {&reflector}, limit, stop.get_token());
        result = std::move(synced);
    }

    ManualClock clock;
    ScriptedServer server;
    Client client;
    Store<std::string> store;
    ReflectorRecord observer;
    Reflector reflector;
    std::vector<std::string> changes;
    std::stop_source stop;
};

}  // namespace kube::test
