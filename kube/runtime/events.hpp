#pragma once

#include "kube/base/signal.hpp"
#include "kube/client/client.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>

namespace kube {

/// Names an object in an Event.
struct ObjectReference {
    std::string api_version;
    std::string kind;
    std::string ns;  ///< Empty for cluster-scoped objects, whose Events live in "default".
    std::string name;
    std::string uid;
    std::string resource_version;
    std::string field_path;
};

enum class EventType { normal, warning };

struct Event {
    ObjectReference regarding;
    std::optional<ObjectReference> related;
    EventType type = EventType::normal;
    std::string reason;  ///< CamelCase, at most 128 bytes.
    std::string action;  ///< What was done, at most 128 bytes.
    std::string note;    ///< For people; cut to 1024 bytes on a character boundary.
};

/// Writes Events (events.k8s.io/v1) without ever holding up a reconcile: a bounded queue, one writer, equal Events
/// folded into a series. Source of the rules: client-go tools/events/event_broadcaster.go.
class EventRecorder {
  public:
    EventRecorder(boost::asio::any_io_executor executor, Client& client, Clock& clock, std::string controller,
                  std::string instance);

    /// Never blocks. Beyond 1000 unwritten Events the newest are dropped and counted.
    void record(Event event);
    std::uint64_t dropped() const { return dropped_; }

    /// Writes until `stop`, then flushes what is queued for at most five seconds.
    boost::asio::awaitable<void> run(std::stop_token stop);

  private:
    struct Series {
        std::string name;
        std::string ns;
        std::string key;
        int count = 1;
        SteadyTime last_write{};
    };
    boost::asio::awaitable<void> write(const Event& event, std::stop_token stop);
    boost::asio::awaitable<bool> continue_series(Series& series, std::stop_token stop);
    void remember(Series series);
    std::string next_name(const std::string& object);

    Client& client_;
    Clock& clock_;
    std::string controller_;
    std::string instance_;
    Signal queued_;
    std::deque<Event> queue_;
    std::uint64_t dropped_ = 0;
    std::uint64_t sequence_ = 0;
    std::list<Series> recent_;  ///< Most recently used first, bounded.
    std::unordered_map<std::string, std::list<Series>::iterator> by_key_;
};

/// `text` cut to at most `limit` bytes without splitting a UTF-8 character.
std::string cut_utf8(std::string text, std::size_t limit);

}  // namespace kube
