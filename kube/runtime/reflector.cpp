#include "kube/runtime/reflector.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/client/list_splitter.hpp"
#include "kube/client/status.hpp"

#include <nlohmann/json.hpp>

namespace kube {
namespace asio = boost::asio;

namespace {

/// How much longer than `timeoutSeconds` we keep a silent watch.
constexpr Duration kWatchMargin = std::chrono::seconds(15);

}  // namespace

Reflector::Reflector(Client& client, Clock& clock, ReflectorSink& sink, ReflectorOptions options)
    : client_(client),
      clock_(clock),
      sink_(sink),
      options_(std::move(options)),
      fsm_(options_.seed, options_.resume_from) {}

asio::awaitable<void> Reflector::run(std::stop_token stop) {
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
    request.query = options_.selectors;
    request.query.emplace_back("limit", std::to_string(options_.page_size));
    if (action.continue_token.empty()) {
        // Later pages inherit the resourceVersion of the first from the token; sending it is an error.
        if (!action.resource_version.empty()) request.query.emplace_back("resourceVersion", action.resource_version);
        sink_.begin_replace();
    } else {
        request.query.emplace_back("continue", action.continue_token);
    }
    ListSplitter splitter([this](std::string_view item) -> Result<void> {
        const auto object = parse_json(item);
        if (!object) return std::unexpected(object.error());
        sink_.replace_item(*object);
        return {};
    });
    auto listed = co_await client_.stream(
        std::move(request), [&splitter](std::string_view piece) { return splitter.feed(piece); }, stop);
    if (listed) listed = splitter.finish();
    if (!listed) {
        if (listed.error().kind != ErrorKind::cancelled) {
            log::warn("reflector", "list failed; retrying",
                      {{"resource", options_.name},
                       {"kind", to_string(listed.error().kind)},
                       {"error", listed.error().message}});
        }
        co_return fsm_.on_list_error(listed.error(), clock_.steady_now());
    }
    auto next = fsm_.on_page(splitter.resource_version(), splitter.continue_token());
    if (splitter.continue_token().empty()) {
        sink_.end_replace();
        if (!synced_) log::debug("reflector", "synced", {{"resource", options_.name}});
        synced_ = true;
    }
    co_return next;
}

asio::awaitable<ReflectorFsm::Action> Reflector::watch(ReflectorFsm::Watch action, std::stop_token stop) {
    ApiRequest request;
    request.path = options_.path;
    request.query = options_.selectors;
    request.query.emplace_back("watch", "1");
    request.query.emplace_back("allowWatchBookmarks", "true");
    request.query.emplace_back("resourceVersion", action.resource_version);
    request.query.emplace_back("timeoutSeconds", std::to_string(action.timeout.count()));
    const SteadyTime started = clock_.steady_now();
    std::optional<Error> error;
    auto stream = co_await client_.watch(std::move(request), action.timeout + kWatchMargin, stop);
    if (!stream) error = std::move(stream.error());
    while (!error) {
        const auto line = co_await (*stream)->next(stop);
        if (!line) {
            error = line.error();
            break;
        }
        if (!*line) break;
        if (auto handled = handle(**line); !handled) error = std::move(handled.error());
    }
    if (error && error->kind != ErrorKind::cancelled) {
        log::info("reflector", "watch ended",
                  {{"resource", options_.name}, {"kind", to_string(error->kind)}, {"error", error->message}});
    }
    co_return fsm_.on_watch_end(error, clock_.steady_now() - started, clock_.steady_now());
}

Result<void> Reflector::handle(std::string_view line) {
    const auto event = parse_json(line);
    if (!event) return std::unexpected(event.error());
    const std::string type = string_at(*event, {"type"});
    const nlohmann::json* object = find_at(*event, {"object"});
    if (object == nullptr || !object->is_object()) return fail(ErrorKind::malformed, "watch event without an object");
    if (type == "ERROR") return std::unexpected(error_from_status_object(dump_json(*object)));
    const std::string resource_version = string_at(*object, {"metadata", "resourceVersion"});
    if (type == "ADDED" || type == "MODIFIED") {
        sink_.upsert(*object);
    } else if (type == "DELETED") {
        sink_.remove(*object);
    } else if (type != "BOOKMARK") {
        log::warn("reflector", "unknown watch event type; skipped", {{"resource", options_.name}, {"type", type}});
        return {};
    }
    fsm_.on_event(resource_version);
    return {};
}

}  // namespace kube
