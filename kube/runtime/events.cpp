#include "kube/runtime/events.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxQueued = 1000;
constexpr std::size_t kMaxSeries = 4096;
constexpr std::size_t kMaxNote = 1024;
constexpr std::size_t kMaxWord = 128;
/// A series that goes on is written at most this often; in between it only counts.
constexpr Duration kSeriesInterval = std::chrono::minutes(1);
/// After this long a repetition is news again.
constexpr Duration kSeriesLife = std::chrono::minutes(6);
constexpr Duration kFlushTime = std::chrono::seconds(5);

nlohmann::json to_json(const ObjectReference& reference) {
    nlohmann::json json = {{"apiVersion", reference.api_version}, {"kind", reference.kind}, {"name", reference.name}};
    if (!reference.ns.empty()) json["namespace"] = reference.ns;
    if (!reference.uid.empty()) json["uid"] = reference.uid;
    if (!reference.resource_version.empty()) json["resourceVersion"] = reference.resource_version;
    if (!reference.field_path.empty()) json["fieldPath"] = reference.field_path;
    return json;
}

/// Equal Events differ in neither resourceVersion nor note: unique notes once took a cluster's storage down
/// (kubernetes/kubernetes#16600).
std::string series_key(const Event& event) {
    std::string key = event.type == EventType::normal ? "N" : "W";
    for (const std::string& part :
         {event.reason, event.action, event.regarding.kind, event.regarding.ns, event.regarding.name,
          event.regarding.uid, event.related ? event.related->uid : std::string(),
          event.related ? event.related->name : std::string()}) {
        key += '\0';
        key += part;
    }
    return key;
}

std::string events_path(const std::string& ns) {
    return "/apis/events.k8s.io/v1/namespaces/" + ns + "/events";
}

}  // namespace

std::string cut_utf8(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    std::size_t end = limit;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text.resize(end);
    return text;
}

EventRecorder::EventRecorder(asio::any_io_executor executor, Client& client, Clock& clock, std::string controller,
                             std::string instance)
    : client_(client),
      clock_(clock),
      controller_(std::move(controller)),
      instance_(cut_utf8(std::move(instance), kMaxWord)),
      queued_(std::move(executor)) {}

void EventRecorder::record(Event event) {
    if (queue_.size() >= kMaxQueued) {
        ++dropped_;
        return;
    }
    queue_.push_back(std::move(event));
    queued_.notify_all();
}

std::string EventRecorder::next_name(const std::string& object) {
    // <object>.<unix nanoseconds in hex>, made unique within one microsecond by a sequence.
    const auto nanos = static_cast<std::uint64_t>(clock_.now().time_since_epoch().count()) * 1000 + sequence_++ % 1000;
    char suffix[24];
    std::snprintf(suffix, sizeof suffix, ".%016llx", static_cast<unsigned long long>(nanos));
    return cut_utf8(object, 200) + suffix;
}

void EventRecorder::remember(Series series) {
    recent_.push_front(std::move(series));
    by_key_[recent_.front().key] = recent_.begin();
    if (recent_.size() <= kMaxSeries) return;
    by_key_.erase(recent_.back().key);
    recent_.pop_back();
}

asio::awaitable<bool> EventRecorder::continue_series(Series& series, std::stop_token stop) {
    const SteadyTime now = clock_.steady_now();
    ++series.count;
    if (series.count > 2 && now - series.last_write < kSeriesInterval) co_return true;
    series.last_write = now;
    const nlohmann::json body = {
        {"series", {{"count", series.count}, {"lastObservedTime", format_micro_time(clock_.now())}}}};
    ApiRequest request;
    request.priority = RequestPriority::low;
    request.method = "PATCH";
    request.path = events_path(series.ns) + "/" + series.name;
    request.content_type = patch::kMerge;
    request.body = dump_json(body);
    request.idempotent = true;
    const auto patched = co_await client_.call(std::move(request), stop);
    co_return patched.has_value() || patched.error().kind != ErrorKind::not_found;
}

asio::awaitable<void> EventRecorder::write(const Event& event, std::stop_token stop) {
    const std::string key = series_key(event);
    if (const auto known = by_key_.find(key); known != by_key_.end()) {
        const auto position = known->second;
        if (clock_.steady_now() - position->last_write < kSeriesLife) {
            const bool alive = co_await continue_series(*position, stop);
            if (alive) co_return;
        }
        // It expired on the server or here: a new Event takes its place.
        by_key_.erase(key);
        recent_.erase(position);
    }
    const std::string ns = event.regarding.ns.empty() ? "default" : event.regarding.ns;
    Series series;
    series.name = next_name(event.regarding.name);
    series.ns = ns;
    series.key = key;
    series.last_write = clock_.steady_now();
    nlohmann::json body = {{"apiVersion", "events.k8s.io/v1"},
                           {"kind", "Event"},
                           {"metadata", {{"name", series.name}, {"namespace", ns}}},
                           {"eventTime", format_micro_time(clock_.now())},
                           {"reportingController", controller_},
                           {"reportingInstance", instance_},
                           {"action", cut_utf8(event.action, kMaxWord)},
                           {"reason", cut_utf8(event.reason, kMaxWord)},
                           {"type", event.type == EventType::normal ? "Normal" : "Warning"},
                           {"note", cut_utf8(event.note, kMaxNote)},
                           {"regarding", to_json(event.regarding)}};
    if (event.related) body["related"] = to_json(*event.related);
    ApiRequest request;
    request.priority = RequestPriority::low;
    request.method = "POST";
    request.path = events_path(ns);
    request.body = dump_json(body);
    request.idempotent = true;  // the name is fixed: a second POST is AlreadyExists
    const auto created = co_await client_.call(std::move(request), stop);
    if (created || created.error().kind == ErrorKind::already_exists) {
        remember(std::move(series));
    } else if (created.error().kind != ErrorKind::cancelled && created.error().kind != ErrorKind::forbidden) {
        log::warn("events", "event dropped", {{"reason", event.reason}, {"error", created.error().message}});
        ++dropped_;
    } else if (created.error().kind == ErrorKind::forbidden) {
        // A namespace that is being deleted takes no Events; that is quiet unless somebody debugs.
        log::debug("events", "event refused", {{"reason", event.reason}, {"error", created.error().message}});
        ++dropped_;
    }
}

asio::awaitable<void> EventRecorder::run(std::stop_token stop) {
    // After a stop what is queued is still written, but not for ever: the record of the last moments matters most.
    std::stop_source flush_limit;
    std::unique_ptr<Timer> limit;
    const std::stop_callback on_stop(stop, [&] {
        limit = clock_.call_after(kFlushTime, [&flush_limit] { flush_limit.request_stop(); });
        queued_.notify_all();
    });
    for (;;) {
        while (queue_.empty() && !stop.stop_requested()) co_await queued_.wait();
        if (queue_.empty() || flush_limit.stop_requested()) co_return;
        const Event event = std::move(queue_.front());
        queue_.pop_front();
        co_await write(event, flush_limit.get_token());
    }
}

}  // namespace kube
