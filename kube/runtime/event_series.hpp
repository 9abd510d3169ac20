#pragma once

#include "kube/base/clock.hpp"
#include "kube/base/lru_map.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

/// Equal Events, of which the API server stores one that counts the others.
struct EventSeries {
    Event event;       ///< The first occurrence.
    std::string name;  ///< Of the stored object.
    std::string ns;    ///< Of the stored object.
    WallTime first_seen{};
    WallTime last_seen{};
    SteadyTime seen_at{};
    SteadyTime written_at{};
    std::uint64_t count = 1;
    std::uint64_t written = 0;  ///< The count that the API server has; 0 = nothing is stored yet.
    bool queued = false;        ///< A write is due or under way.
};

/// Decides which Events are written, without I/O. The first occurrence is, and the second, as a series; later ones only
/// count, and the count is written every 30 minutes while they go on and once when they have been silent for 6 minutes.
/// One object may cause 25 writes at once and then one in 5 minutes. Sources: client-go
/// tools/events/event_broadcaster.go and, for the guard, tools/record/events_cache.go.
class EventCorrelator {
  public:
    using Series = std::shared_ptr<EventSeries>;
    struct Instant {
        SteadyTime steady;
        WallTime wall;
    };
    struct Decision {
        Series write;       ///< To be written now; null: only counted.
        bool spam = false;  ///< Refused by the guard.
        Series evicted;     ///< Fell out of the memory with a count that is not written yet; may be null.
    };

    Decision observe(Event event, Instant now);
    /// The series whose count is to be written now, at most `room`; the others wait for the next sweep. Those that were
    /// silent are forgotten.
    std::vector<Series> sweep(SteadyTime now, std::size_t room);
    /// Every series with a count that is not written yet, for the end of the process.
    std::vector<Series> unwritten() const;
    /// The next equal Event is a first one again.
    void forget(const EventSeries& series);
    /// Gives a series whose object is gone a new one.
    void rename(EventSeries& series, WallTime now);
    bool empty() const { return series_.size() == 0; }

  private:
    struct Allowance {
        double tokens = 0;
        SteadyTime at{};
    };
    bool may_write(const ObjectReference& object, SteadyTime now);

    static constexpr std::size_t kMaxRemembered = 4096;
    LruMap<std::string, Series> series_{kMaxRemembered};
    LruMap<std::string, Allowance> allowances_{kMaxRemembered};
    std::uint64_t sequence_ = 0;
};

/// `text` cut to at most `limit` bytes without splitting a UTF-8 character.
std::string cut_utf8(std::string text, std::size_t limit);

}  // namespace kube
