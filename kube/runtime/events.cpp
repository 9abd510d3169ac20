#include "kube/runtime/events.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace kube {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxQueued = 1000;
constexpr std::size_t kMaxNote = 1024;
constexpr std::size_t kMaxWord = 128;
constexpr int kAttempts = 12;
constexpr Duration kRetryInterval = std::chrono::seconds(10);
constexpr Duration kSweepInterval = std::chrono::minutes(1);
constexpr Duration kFlushTime = std::chrono::seconds(5);

nlohmann::json to_json(const ObjectReference& reference) {
    nlohmann::json json = {{"apiVersion", reference.api_version}, {"kind", reference.kind}, {"name", reference.name}};
    if (!reference.ns.empty()) json["namespace"] = reference.ns;
    if (!reference.uid.empty()) json["uid"] = reference.uid;
    if (!reference.resource_version.empty()) json["resourceVersion"] = reference.resource_version;
    if (!reference.field_path.empty()) json["fieldPath"] = reference.field_path;
    return json;
}

/// What the server did not answer, or not finally. The client itself has repeated what carries `Retry-After`.
bool is_worth_a_retry(ErrorKind kind) {
    return kind == ErrorKind::transport || kind == ErrorKind::tls || kind == ErrorKind::timeout ||
           kind == ErrorKind::malformed || kind == ErrorKind::server || kind == ErrorKind::too_many_requests;
}

/// Nobody needs to hear that a namespace that goes away takes no Events.
bool is_terminating_namespace(const Error& error) {
    return error.kind == ErrorKind::forbidden &&
           std::ranges::any_of(error.causes, [](const auto& cause) { return cause.reason == "NamespaceTerminating"; });
}

}  // namespace

EventRecorder::EventRecorder(asio::any_io_executor executor, Client& client, Clock& clock, EventRecorderOptions options)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      queued_(std::move(executor)),
      random_(options_.seed) {
    options_.instance = cut_utf8(std::move(options_.instance), kMaxWord);
}

void EventRecorder::record(Event event) {
    auto decision = correlator_.observe(std::move(event), {clock_.steady_now(), clock_.now()});
    if (decision.spam) {
        ++dropped_;
        if (options_.observer != nullptr) options_.observer->on_dropped("spam");
    }
    for (auto& series : {decision.evicted, decision.write}) {
        if (!series) continue;
        if (queue_.size() < kMaxQueued) {
            enqueue(series);
        } else if (series->written > 0) {
            series->queued = false;  // the sweep writes the count once there is room
        } else {
            correlator_.forget(*series);
            drop(*series, "queue_full");
        }
    }
    arm_sweep();
}

void EventRecorder::enqueue(Series series) {
    series->queued = true;
    queue_.push_back(std::move(series));
    queued_.notify_all();
}

void EventRecorder::arm_sweep() {
    if (next_sweep_ || correlator_.empty()) return;
    next_sweep_ = clock_.call_after(kSweepInterval, [this] {
        next_sweep_.reset();
        sweep();
        arm_sweep();
    });
}

void EventRecorder::sweep() {
    const std::size_t room = kMaxQueued - std::min(kMaxQueued, queue_.size());
    for (auto& series : correlator_.sweep(clock_.steady_now(), room)) enqueue(std::move(series));
}

void EventRecorder::drop(const EventSeries& series, std::string_view why) {
    ++dropped_;
    if (options_.observer != nullptr) options_.observer->on_dropped(why);
    log::debug("events", "event dropped",
               {{"why", why}, {"reason", series.event.reason}, {"object", series.event.regarding.name}});
}

ApiRequest EventRecorder::request_for(const EventSeries& series) const {
    const Event& event = series.event;
    const bool is_new = series.written == 0;
    nlohmann::json body = nlohmann::json::object();
    if (is_new) {
        body = {{"apiVersion", "events.k8s.io/v1"},
                {"kind", "Event"},
                {"metadata", {{"name", series.name}, {"namespace", series.ns}}},
                {"eventTime", format_micro_time(series.first_seen)},
                {"reportingController", options_.controller},
                {"reportingInstance", options_.instance},
                {"action", cut_utf8(event.action, kMaxWord)},
                {"reason", cut_utf8(event.reason, kMaxWord)},
                {"type", event.type == EventType::normal ? "Normal" : "Warning"},
                {"note", cut_utf8(event.note, kMaxNote)},
                {"regarding", to_json(event.regarding)}};
        if (event.related) body["related"] = to_json(*event.related);
    }
    if (series.count > 1) {
        body["series"] = {{"count", series.count}, {"lastObservedTime", format_micro_time(series.last_seen)}};
    }
    ApiRequest request;
    request.priority = RequestPriority::low;
    request.path = "/apis/events.k8s.io/v1/namespaces/" + series.ns + "/events";
    request.method = is_new ? "POST" : "PATCH";
    if (!is_new) {
        request.path += "/" + series.name;
        request.content_type = patch::kMerge;
    }
    request.body = dump_json(body);
    request.idempotent = true;  // the name is fixed: a second POST is AlreadyExists
    return request;
}

Duration EventRecorder::retry_delay(int attempt) {
    // The first is drawn, so that not every client comes back at the same moment.
    if (attempt > 1) return kRetryInterval;
    return Duration(std::uniform_int_distribution<Duration::rep>(0, kRetryInterval.count())(random_));
}

asio::awaitable<void> EventRecorder::write(Series series, std::stop_token stop) {
    for (int attempt = 1;; ++attempt) {
        const std::uint64_t count = series->count;
        const bool is_new = series->written == 0;
        const auto answer = co_await client_.call(request_for(*series), stop);
        if (answer || (is_new && answer.error().kind == ErrorKind::already_exists)) {
            series->written = count;
            series->written_at = clock_.steady_now();
            series->queued = false;
            // Repeated while it was being created: the first repetition is told at once.
            if (count == 1 && series->count > 1) enqueue(std::move(series));
            co_return;
        }
        const Error& error = answer.error();
        if (!is_new && error.kind == ErrorKind::not_found) {
            // It has expired on the server, and a PATCH of it will never succeed again (kubernetes/kubernetes#6289).
            correlator_.rename(*series, clock_.now());
            continue;
        }
        std::string_view why = "refused";
        if (is_worth_a_retry(error.kind)) {
            why = "unreachable";
            if (attempt < kAttempts) {
                const bool waited = co_await sleep_for(clock_, retry_delay(attempt), stop);
                if (waited) continue;
            }
        }
        if (stop.stop_requested()) why = "shutdown";
        series->queued = false;
        if (is_new) correlator_.forget(*series);
        drop(*series, why);
        if (why != "shutdown" && !is_terminating_namespace(error)) {
            log::warn("events", "event not written",
                      {{"reason", series->event.reason}, {"attempts", attempt}, {"error", error.message}});
        }
        co_return;
    }
}

asio::awaitable<void> EventRecorder::run(std::stop_token stop) {
    // After a stop what is queued is still written, but not for ever: the record of the last moments matters most.
    std::stop_source flush_limit;
    std::unique_ptr<Timer> limit;
    const std::stop_callback on_stop(stop, [&] {
        for (auto& series : correlator_.unwritten()) enqueue(std::move(series));
        limit = clock_.call_after(kFlushTime, [&flush_limit] { flush_limit.request_stop(); });
        queued_.notify_all();
    });
    for (;;) {
        while (queue_.empty() && !stop.stop_requested()) co_await queued_.wait();
        if (queue_.empty()) break;
        Series series = std::move(queue_.front());
        queue_.pop_front();
        if (flush_limit.stop_requested()) {
            drop(*series, "shutdown");
            continue;
        }
        co_await write(std::move(series), flush_limit.get_token());
    }
    next_sweep_.reset();
}

}  // namespace kube
