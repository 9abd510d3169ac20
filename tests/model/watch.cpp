#include "tests/model/event_views.hpp"
#include "tests/model/reads.hpp"
#include "tests/model/table.hpp"

#include <algorithm>
#include <charconv>

namespace model {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBatchBytes = std::size_t{64} * 1024;
constexpr kube::Duration kLastBookmark = std::chrono::seconds(2);

}  // namespace

std::string Reads::event_line(const Request& request, const char* type, const Json& object, bool& first) const {
    Json shown;
    if (request.rendering == Rendering::table) {
        std::vector<Json> one;
        one.push_back(object);
        Json meta = {{"resourceVersion", string_at(object, {"metadata", "resourceVersion"})}};
        shown = table_of(*request.resource, one, cluster_.clock.now(), request.query.get("includeObject"), first,
                         std::move(meta));
        first = false;
    } else {
        shown = request.rendering == Rendering::metadata ? partial_metadata(object) : object;
    }
    return kube::dump_json({{"type", type}, {"object", std::move(shown)}}) + "\n";
}

std::string Reads::bookmark_line(const Request& request, std::uint64_t version, bool initial_end) const {
    const ResourceInfo& info = *request.resource;
    Json object = {{"kind", info.kind},
                   {"apiVersion", info.api_version()},
                   {"metadata", {{"resourceVersion", std::to_string(version)}}}};
    if (initial_end) object["metadata"]["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    // A skeleton: empty structs are there, lists are null.
    if (!info.custom && info.has_subresource("status")) {
        object["spec"] = Json::object();
        object["status"] = Json::object();
        if (info.kind == "Pod") object["spec"]["containers"] = nullptr;
    }
    bool first = false;
    return event_line(request, "BOOKMARK", object, first);
}

std::string Reads::change_line(const Request& request, const Filter& filter, const Change& change, bool& first) const {
    const ResourceInfo& info = *request.resource;
    if (change.storage != info.storage || (!request.ns.empty() && change.ns != request.ns)) return "";
    const Json now = to_view(info, *change.object);
    const bool visible = !change.removed && filter.matches(now);
    const bool was_visible = change.before && filter.matches(to_view(info, *change.before));
    if (visible) return event_line(request, was_visible ? "MODIFIED" : "ADDED", now, first);
    if (!was_visible) return "";
    // An object that leaves the selection is shown as it was, with the version of the change.
    Json last = to_view(info, *change.before);
    last["metadata"]["resourceVersion"] = std::to_string(change.version);
    return event_line(request, "DELETED", last, first);
}

asio::awaitable<Outcome<void>> Reads::watch(const Request& request, kube::HttpResponseWriter& writer,
                                            kube::HttpHeaders headers) {
    const auto filter = filter_of(request);
    if (!filter) co_return std::unexpected(filter.error());
    const auto wanted = parse_version(request.query.get("resourceVersion"));
    const auto seconds = parse_number(request.query.get("timeoutSeconds"));
    if (!seconds) co_return std::unexpected(seconds.error());
    if (!wanted) co_return std::unexpected(unreadable_version(request.query.get("resourceVersion")));
    const bool bookmarks = truthy(request.query.get("allowWatchBookmarks"));
    const bool initial_events = truthy(request.query.get("sendInitialEvents"));
    const std::string match = request.query.get("resourceVersionMatch");
    if (request.query.has("sendInitialEvents") && match != "NotOlderThan") {
        FieldErrors errors = {forbidden_field(
            "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")};
        if (!match.empty()) {
            errors.push_back(unsupported_field("resourceVersionMatch", quote(match), {"NotOlderThan"}));
        }
        co_return std::unexpected(invalid("meta.k8s.io", "ListOptions", "", errors));
    }
    if (!request.query.has("sendInitialEvents") && !match.empty()) {
        co_return std::unexpected(invalid("meta.k8s.io", "ListOptions", "",
                                          {forbidden_field("resourceVersionMatch",
                                                           "resourceVersionMatch is forbidden for watch unless "
                                                           "sendInitialEvents is provided")}));
    }

    const kube::SteadyTime started = cluster_.clock.steady_now();
    const kube::Duration life = *seconds && **seconds > 0
                                    ? std::chrono::seconds(std::min<std::int64_t>(**seconds, 86400))
                                    : options_.default_timeout;
    const kube::SteadyTime deadline = started + life;
    // One every interval, and one shortly before the end where there is time for it.
    kube::SteadyTime next_bookmark = started + options_.bookmark_interval;
    if (life > kLastBookmark) next_bookmark = std::min(next_bookmark, deadline - kLastBookmark);
    bool tick = false;
    const auto wake = [this, &tick] {
        tick = true;
        changed_.notify_all();
    };
    auto deadline_timer = cluster_.clock.call_at(deadline, wake);
    auto bookmark_timer = bookmarks ? cluster_.clock.call_at(next_bookmark, wake) : nullptr;
    const std::stop_callback on_stop(request.stop, [this] { changed_.notify_all(); });

    std::uint64_t cursor = cluster_.storage.version();
    std::string batch;
    bool first = true;
    const bool from_now = !*wanted || **wanted == 0;
    if (from_now || initial_events) {
        if (from_now || **wanted <= cursor) {
            for (const Object& object : cluster_.storage.list(request.resource->storage, request.ns)) {
                const Json view = to_view(*request.resource, *object);
                const bool send = !request.query.has("sendInitialEvents") || initial_events;
                if (send && filter->matches(view)) batch += event_line(request, "ADDED", view, first);
            }
        }
        if (initial_events && bookmarks) batch += bookmark_line(request, cursor, true);
    } else {
        cursor = **wanted;
    }
    auto begun = co_await writer.begin(200, std::move(headers));
    if (!begun) co_return Outcome<void>();
    while (true) {
        if (cursor < cluster_.storage.compacted()) {
            const ApiError gone = expired("too old resource version: " + std::to_string(cursor) + " (" +
                                          std::to_string(cluster_.storage.compacted()) + ")");
            batch += kube::dump_json({{"type", "ERROR"}, {"object", to_status(gone)}}) + "\n";
            (void)co_await writer.write(batch);
            co_return Outcome<void>();
        }
        const auto& history = cluster_.storage.history();
        auto change = std::ranges::upper_bound(history, cursor, {}, &Change::version);
        for (; change != history.end() && batch.size() < kBatchBytes; ++change) {
            batch += change_line(request, *filter, *change, first);
            cursor = change->version;
        }
        const kube::SteadyTime now = cluster_.clock.steady_now();
        if (bookmarks && now >= next_bookmark && batch.size() < kBatchBytes) {
            batch += bookmark_line(request, std::max(cursor, cluster_.storage.version()), false);
            next_bookmark = now + options_.bookmark_interval;
            if (now < deadline - kLastBookmark) next_bookmark = std::min(next_bookmark, deadline - kLastBookmark);
            bookmark_timer = cluster_.clock.call_at(next_bookmark, wake);
        }
        if (!batch.empty()) {
            auto written = co_await writer.write(batch);
            if (!written) co_return Outcome<void>();
            batch.clear();
            continue;  // more may have happened meanwhile
        }
        if (request.stop.stop_requested() || now >= deadline) co_return Outcome<void>();
        co_await changed_.wait();
    }
}

}  // namespace model
