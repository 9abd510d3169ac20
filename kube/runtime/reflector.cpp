#include "kube/runtime/reflector.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/client/list_splitter.hpp"
#include "kube/client/managed_fields.hpp"
#include "kube/client/status.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <exception>

namespace kube {
namespace asio = boost::asio;

namespace {

/// How much longer than `timeoutSeconds` we keep a silent watch.
constexpr Duration kWatchMargin = std::chrono::seconds(15);
/// For the head of a list and for each piece of it: the API server itself takes up to a minute.
constexpr Duration kListTimeout = std::chrono::seconds(60);
/// How long initial events may pause before their end is no longer expected.
constexpr Duration kInitialEventsPause = std::chrono::seconds(30);
/// How long a watch that goes on after a broken one may take to tell what was missed.
constexpr Duration kCatchUpTime = std::chrono::seconds(1);
constexpr Duration kSyncPoll = std::chrono::milliseconds(20);

bool ends_initial_events(const nlohmann::json& object) {
    return string_at(object, {"metadata", "annotations", "k8s.io/initial-events-end"}) == "true";
}

}  // namespace

Reflector::Reflector(Client& client, Clock& clock, ReflectorSink& sink, ReflectorOptions options)
    : client_(client),
      clock_(clock),
      sink_(sink),
      options_(std::move(options)),
      fsm_(options_.seed, options_.resume_from, options_.watch_list, options_.most_recent) {}

template <class Call>
void Reflector::guarded(Call&& call) {
    try {
        call();
    } catch (const std::exception& error) {
        log::error("reflector", "a handler failed", {{"resource", options_.name}, {"error", error.what()}});
        if (options_.observer != nullptr) options_.observer->on_sink_error();
    }
}

asio::awaitable<void> Reflector::run(std::stop_token stop) {
    if (!options_.resume_from.empty()) set_synced();
    ReflectorFsm::Action action = fsm_.start();
    while (!stop.stop_requested()) {
        if (auto* list_action = std::get_if<ReflectorFsm::List>(&action)) {
            action = co_await list(*list_action, stop);
        } else if (auto* watch_action = std::get_if<ReflectorFsm::Watch>(&action)) {
            action = co_await watch(*watch_action, stop);
        } else {
            const Duration delay = std::get<ReflectorFsm::Wait>(action).delay;
            co_await sleep_for(clock_, delay, stop);
            action = fsm_.on_waited();
        }
    }
}

asio::awaitable<ReflectorFsm::Action> Reflector::list(ReflectorFsm::List action, std::stop_token stop) {
    ApiRequest request;
    request.path = options_.path;
    request.priority = options_.priority;
    request.timeout = kListTimeout;
    request.query = options_.selectors;
    if (action.paged) request.query.emplace_back("limit", std::to_string(options_.page_size));
    if (action.continue_token.empty()) {
        // Later pages inherit the resourceVersion of the first from the token; sending it is an error.
        if (!action.resource_version.empty()) request.query.emplace_back("resourceVersion", action.resource_version);
        if (options_.observer != nullptr) options_.observer->on_list_begin();
        guarded([this] { sink_.begin_replace(); });
    } else {
        request.query.emplace_back("continue", action.continue_token);
    }
    ListSplitter splitter([this](std::string_view item) -> Result<void> {
        const auto object = parse(item);
        if (!object) return std::unexpected(object.error());
        guarded([&] { sink_.replace_item(*object); });
        return {};
    });
    auto listed = co_await client_.stream(
        std::move(request), [&splitter](std::string_view piece) { return splitter.feed(piece); }, stop);
    if (listed) listed = splitter.finish();
    if (!listed) {
        note_error("list failed; retrying", listed.error());
        co_return fsm_.on_list_error(listed.error(), clock_.steady_now());
    }
    note_contact();
    auto next = fsm_.on_page(splitter.resource_version(), splitter.continue_token());
    if (splitter.continue_token().empty()) {
        guarded([this] { sink_.end_replace(); });
        missed_something_ = false;
        set_synced();
    }
    co_return next;
}

asio::awaitable<ReflectorFsm::Action> Reflector::watch(ReflectorFsm::Watch action, std::stop_token stop) {
    ApiRequest request;
    request.path = options_.path;
    request.query = options_.selectors;
    request.query.emplace_back("watch", "1");
    request.query.emplace_back("allowWatchBookmarks", "true");
    if (action.initial_events) {
        request.query.emplace_back("sendInitialEvents", "true");
        request.query.emplace_back("resourceVersionMatch", "NotOlderThan");
        if (options_.observer != nullptr) options_.observer->on_list_begin();
        guarded([this] { sink_.begin_replace(); });
    }
    request.query.emplace_back("resourceVersion", action.resource_version);
    request.query.emplace_back("timeoutSeconds", std::to_string(action.timeout.count()));
    const SteadyTime started = clock_.steady_now();
    std::optional<Error> error;
    auto stream = co_await client_.watch(std::move(request), action.timeout + kWatchMargin, stop);
    if (stream) {
        note_contact();
        watching_since_ = clock_.steady_now();
        error = co_await follow(**stream, stop);
        watching_since_.reset();
    } else {
        error = std::move(stream.error());
    }
    const SteadyTime now = clock_.steady_now();
    if (error) {
        note_error("watch ended", *error);
        missed_something_ = true;
    }
    // The one error of our own making.
    if (error && error->kind == ErrorKind::timeout && stream && fsm_.initial_events()) {
        co_return fsm_.on_initial_events_timeout();
    }
    co_return fsm_.on_watch_end(error, now - started, now);
}

asio::awaitable<std::optional<Error>> Reflector::follow(WatchStream& stream, std::stop_token stop) {
    for (;;) {
        // A bound on the pause between initial events; a watch as such may be silent.
        bool paused_too_long = false;
        std::stop_source give_up;
        const std::stop_callback on_stop(stop, [&give_up] { give_up.request_stop(); });
        std::unique_ptr<Timer> limit;
        if (fsm_.initial_events()) {
            limit = clock_.call_after(kInitialEventsPause, [&] {
                paused_too_long = true;
                give_up.request_stop();
            });
        }
        const auto line = co_await stream.next(give_up.get_token());
        if (paused_too_long) co_return fail(ErrorKind::timeout, "the initial events have no end").error();
        if (!line) co_return line.error();
        if (!*line) co_return std::nullopt;
        auto handled = handle(**line);
        if (!handled) co_return std::move(handled.error());
    }
}

bool Reflector::is_current() const {
    if (!watching_since_ || fsm_.initial_events()) return false;
    return !missed_something_ || clock_.steady_now() - *watching_since_ >= kCatchUpTime;
}

Result<nlohmann::json> Reflector::parse(std::string_view text) const {
    return options_.drop_managed_fields ? parse_json(without_managed_fields(text)) : parse_json(text);
}

Result<void> Reflector::handle(std::string_view line) {
    const auto event = parse(line);
    if (!event) return std::unexpected(event.error());
    const std::string type = string_at(*event, {"type"});
    const nlohmann::json* object = find_at(*event, {"object"});
    if (object == nullptr || !object->is_object()) return fail(ErrorKind::malformed, "watch event without an object");
    if (type == "ERROR") return std::unexpected(error_from_status_object(dump_json(*object)));
    note_contact();
    const std::string resource_version = string_at(*object, {"metadata", "resourceVersion"});
    if (type == "BOOKMARK") {
        if (fsm_.initial_events() && ends_initial_events(*object)) {
            guarded([this] { sink_.end_replace(); });
            fsm_.on_initial_events_end(resource_version);
            set_synced();
        } else {
            fsm_.on_event(resource_version);
        }
        return {};
    }
    const bool known = type == "ADDED" || type == "MODIFIED" || type == "DELETED";
    if (!known || string_at(*object, {"metadata", "name"}).empty()) {
        log::warn("reflector", "watch event of an unknown type or without a name; skipped",
                  {{"resource", options_.name}, {"type", type}, {"kind", string_at(*object, {"kind"})}});
        return {};
    }
    guarded([&] { store(type, *object); });
    fsm_.on_event(resource_version);
    return {};
}

void Reflector::store(std::string_view type, const nlohmann::json& object) {
    const bool deleted = type == "DELETED";
    if (fsm_.initial_events()) {
        deleted ? sink_.replace_remove(object) : sink_.replace_item(object);
    } else {
        deleted ? sink_.remove(object) : sink_.upsert(object);
    }
}

void Reflector::set_synced() {
    if (!synced_) log::debug("reflector", "synced", {{"resource", options_.name}});
    synced_ = true;
    if (options_.observer != nullptr) options_.observer->on_synced();
}

void Reflector::note_contact() {
    if (options_.observer != nullptr) options_.observer->on_contact();
}

void Reflector::note_error(std::string_view what, const Error& error) {
    if (error.kind == ErrorKind::cancelled) return;
    if (options_.observer != nullptr) options_.observer->on_error(to_string(error.kind));
    // Ends of watches are everyday life; what only somebody else can mend is not.
    const bool everyday = error.kind == ErrorKind::transport || error.kind == ErrorKind::gone ||
                          error.kind == ErrorKind::too_many_requests;
    const log::Level level = everyday ? log::Level::info : log::Level::warn;
    if (!log::enabled(level)) return;
    log::write(level, "reflector", what,
               {{"resource", options_.name}, {"kind", to_string(error.kind)}, {"error", error.message}});
}

asio::awaitable<Result<void>> wait_for_sync(Clock& clock, std::vector<const Reflector*> reflectors, Duration limit,
                                            std::stop_token stop) {
    const SteadyTime deadline = clock.steady_now() + limit;
    for (;;) {
        const auto behind = std::ranges::find(reflectors, false, &Reflector::synced);
        if (behind == reflectors.end()) co_return Result<void>();
        if (clock.steady_now() >= deadline) {
            std::string names;
            for (const Reflector* reflector : reflectors) {
                if (!reflector->synced()) names += (names.empty() ? "" : ", ") + reflector->name();
            }
            co_return fail(ErrorKind::timeout, "caches are not synced in time: " + names);
        }
        const bool waited = co_await sleep_for(clock, kSyncPoll, stop);
        if (!waited) co_return fail(ErrorKind::cancelled, "stopped");
    }
}

asio::awaitable<void> run_resync(Clock& clock, ReflectorSink& sink, Duration period, std::uint64_t seed,
                                 std::stop_token stop) {
    std::mt19937_64 random(seed);
    const Duration::rep tenth = period.count() / 10;
    std::uniform_int_distribution<Duration::rep> jitter(-tenth, tenth);
    for (;;) {
        const bool waited = co_await sleep_for(clock, period + Duration(jitter(random)), stop);
        if (!waited) co_return;
        try {
            sink.resync();
        } catch (const std::exception& error) {
            log::error("reflector", "a handler failed in a resync", {{"error", error.what()}});
        }
    }
}

}  // namespace kube
