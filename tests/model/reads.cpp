#include "tests/model/reads.hpp"

#include "tests/model/encoding.hpp"
#include "tests/model/event_views.hpp"
#include "tests/model/table.hpp"

#include <charconv>

namespace model {

namespace asio = boost::asio;

namespace {

/// Where a paged list goes on.
struct Continue {
    std::uint64_t version = 0;
    std::string ns;
    std::string name;
};

std::string encode(const Continue& at) {
    const Json token = {{"v", "meta.k8s.io/v1"}, {"rv", at.version}, {"start", at.ns + "/" + at.name}};
    return base64_encode(token.dump());
}

std::optional<Continue> decode(const std::string& text) {
    const auto bytes = base64_decode(text);
    if (!bytes) return std::nullopt;
    const auto token = kube::parse_json(*bytes);
    if (!token || !token->is_object()) return std::nullopt;
    const Json* version = find_at(*token, {"rv"});
    const std::string start = string_at(*token, {"start"});
    const std::size_t slash = start.find('/');
    if (version == nullptr || !version->is_number_unsigned() || slash == std::string::npos) return std::nullopt;
    return Continue{version->get<std::uint64_t>(), start.substr(0, slash), start.substr(slash + 1)};
}

ApiError too_large(std::uint64_t wanted, std::uint64_t current) {
    ApiError error{
        504, "Timeout",
        "Timeout: Too large resource version: " + std::to_string(wanted) + ", current: " + std::to_string(current),
        Json::object(), 1};
    const Json cause = {{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}};
    error.details["causes"] = Json::array({cause});
    return error;
}

/// apimachinery pkg/apis/meta/internalversion/validation.
FieldErrors list_option_errors(const QueryParams& query) {
    const std::string match = query.get("resourceVersionMatch");
    const std::string version = query.get("resourceVersion");
    FieldErrors errors;
    if (!match.empty()) {
        if (version.empty()) {
            errors.push_back(forbidden_field("resourceVersionMatch",
                                             "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if (!query.get("continue").empty()) {
            errors.push_back(
                forbidden_field("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"));
        }
        if (match != "Exact" && match != "NotOlderThan") {
            errors.push_back(unsupported_field("resourceVersionMatch", quote(match), {"Exact", "NotOlderThan", ""}));
        }
        if (match == "Exact" && version == "0") {
            errors.push_back(forbidden_field("resourceVersionMatch",
                                             "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
    }
    if (query.has("sendInitialEvents")) {
        errors.push_back(forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    return errors;
}

}  // namespace

Outcome<std::optional<std::uint64_t>> parse_version(const std::string& text) {
    if (text.empty()) return std::optional<std::uint64_t>();
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
        return std::unexpected(bad_request("invalid resource version: resourceVersion: Invalid value: " + quote(text) +
                                           ": strconv.ParseUint: parsing " + quote(text) + ": invalid syntax"));
    }
    return std::optional<std::uint64_t>(value);
}

Outcome<std::optional<std::int64_t>> parse_number(const std::string& text) {
    if (text.empty()) return std::optional<std::int64_t>();
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
        return std::unexpected(bad_request("strconv.ParseInt: parsing " + quote(text) + ": invalid syntax"));
    }
    return std::optional<std::int64_t>(value);
}

ApiError unreadable_version(const std::string& text) {
    return {500, "",
            "resourceVersion: Invalid value: " + quote(text) + ": strconv.ParseUint: parsing " + quote(text) +
                ": invalid syntax",
            nullptr, std::nullopt};
}

Json Reads::render(const Request& request, const Json& object) const {
    if (string_at(object, {"kind"}) == "Status") return object;
    switch (request.rendering) {
        case Rendering::table: {
            Json meta = {{"resourceVersion", string_at(object, {"metadata", "resourceVersion"})}};
            std::vector<Json> one;
            one.push_back(object);
            return table_of(*request.resource, one, cluster_.clock.now(), request.query.get("includeObject"), true,
                            std::move(meta));
        }
        case Rendering::metadata:
            return partial_metadata(object);
        default:
            return object;
    }
}

asio::awaitable<Outcome<Reply>> Reads::get(const Request& request) {
    const ResourceInfo& info = *request.resource;
    const auto wanted = parse_version(request.query.get("resourceVersion"));
    if (!wanted) co_return std::unexpected(unreadable_version(request.query.get("resourceVersion")));
    if (*wanted && !co_await wait_for_version(**wanted, request.stop)) {
        co_return std::unexpected(too_large(**wanted, cluster_.storage.version()));
    }
    const Object object = cluster_.storage.get(info.storage, request.ns, request.info.name);
    if (!object) co_return std::unexpected(not_found(info.group, info.resource, request.info.name));
    co_return reply(200, render(request, to_view(info, *object)));
}

Outcome<Reads::Filter> Reads::filter_of(const Request& request) const {
    auto labels = LabelSelector::parse(request.query.get("labelSelector"));
    if (!labels) return std::unexpected(labels.error());
    auto fields = FieldSelector::parse(request.query.get("fieldSelector"));
    if (!fields) return std::unexpected(fields.error());
    std::vector<std::string> supported = request.resource->selectable_fields;
    supported.emplace_back("metadata.name");
    if (request.resource->namespaced) supported.emplace_back("metadata.namespace");
    if (const std::string unknown = fields->unsupported(supported); !unknown.empty()) {
        if (request.resource->custom || !request.resource->selectable_fields.empty()) {
            return std::unexpected(bad_request("field label not supported: " + unknown));
        }
        return std::unexpected(bad_request(quote(unknown) + " is not a known field selector: only \"metadata.name\"" +
                                           (request.resource->namespaced ? ", \"metadata.namespace\"" : "")));
    }
    return Filter{std::move(*labels), std::move(*fields)};
}

asio::awaitable<bool> Reads::wait_for_version(std::uint64_t version, std::stop_token stop) {
    bool late = false;
    const auto timer = cluster_.clock.call_after(std::chrono::seconds(3), [&] {
        late = true;
        changed_.notify_all();
    });
    const std::stop_callback on_stop(stop, [this] { changed_.notify_all(); });
    while (cluster_.storage.version() < version && !late && !stop.stop_requested()) co_await changed_.wait();
    co_return cluster_.storage.version() >= version;
}

Json Reads::list_json(const Request& request, std::vector<Json> items, std::uint64_t version, const std::string& token,
                      std::size_t remaining) const {
    const ResourceInfo& info = *request.resource;
    Json meta = {{"resourceVersion", std::to_string(version)}};
    if (info.custom && request.rendering == Rendering::object) meta["continue"] = "";
    if (!token.empty()) {
        meta["continue"] = token;
        const bool selected = request.query.has("labelSelector") || request.query.has("fieldSelector");
        if (!selected) meta["remainingItemCount"] = remaining;
    }
    if (request.rendering == Rendering::table) {
        return table_of(info, items, cluster_.clock.now(), request.query.get("includeObject"), true, std::move(meta));
    }
    Json out = {{"kind", info.list_kind}, {"apiVersion", info.api_version()}, {"metadata", std::move(meta)}};
    out["items"] = Json::array();
    if (request.rendering == Rendering::metadata) {
        out["kind"] = "PartialObjectMetadataList";
        out["apiVersion"] = "meta.k8s.io/v1";
    }
    for (Json& item : items) {
        if (request.rendering == Rendering::metadata) {
            out["items"].push_back(partial_metadata(item));
            continue;
        }
        if (!info.custom) {
            // Typed lists do not repeat the kind in their items.
            item.erase("kind");
            item.erase("apiVersion");
        }
        out["items"].push_back(std::move(item));
    }
    return out;
}

asio::awaitable<Outcome<Reply>> Reads::list(const Request& request) {
    const ResourceInfo& info = *request.resource;
    const auto filter = filter_of(request);
    if (!filter) co_return std::unexpected(filter.error());
    const auto limit = parse_number(request.query.get("limit"));
    if (!limit) co_return std::unexpected(limit.error());
    const std::string match = request.query.get("resourceVersionMatch");
    const std::string token = request.query.get("continue");
    const FieldErrors errors = list_option_errors(request.query);
    if (!errors.empty()) co_return std::unexpected(invalid("meta.k8s.io", "ListOptions", "", errors));
    const auto wanted = parse_version(request.query.get("resourceVersion"));
    if (!wanted) co_return std::unexpected(wanted.error());
    const auto page = static_cast<std::size_t>(std::max<std::int64_t>(limit->value_or(0), 0));
    std::uint64_t version = cluster_.storage.version();
    std::vector<Object> objects;
    std::optional<Continue> after;
    if (!token.empty()) {
        after = decode(token);
        if (!after)
            co_return std::unexpected(
                bad_request("invalid continue token: continue key is not valid: " + token.substr(0, 100)));
        if (*wanted && **wanted != 0) {
            co_return std::unexpected(bad_request("specifying resource version is not allowed when using continue"));
        }
        version = after->version;
        auto snapshot = cluster_.storage.list_at(info.storage, request.ns, version);
        if (!snapshot) {
            co_return std::unexpected(
                expired("The provided continue parameter is too old to display a consistent list result. You can start "
                        "a new list without the continue parameter."));
        }
        objects = std::move(*snapshot);
    } else {
        if (*wanted && **wanted > version) {
            const bool reached = co_await wait_for_version(**wanted, request.stop);
            if (!reached) co_return std::unexpected(too_large(**wanted, cluster_.storage.version()));
            version = cluster_.storage.version();
        }
        const bool exact = *wanted && **wanted != 0 && (match == "Exact" || (match.empty() && page > 0));
        if (exact) {
            version = **wanted;
            auto snapshot = cluster_.storage.list_at(info.storage, request.ns, version);
            if (!snapshot) {
                co_return std::unexpected(expired("The resourceVersion for the provided list is too old."));
            }
            objects = std::move(*snapshot);
        } else {
            objects = cluster_.storage.list(info.storage, request.ns);
        }
    }
    std::vector<Json> items;
    std::string next;
    std::size_t remaining = 0;
    for (const Object& object : objects) {
        const std::string ns = string_at(*object, {"metadata", "namespace"});
        const std::string name = string_at(*object, {"metadata", "name"});
        if (after && std::pair(ns, name) <= std::pair(after->ns, after->name)) continue;
        Json view = to_view(info, *object);
        if (!filter->matches(view)) continue;
        if (page > 0 && items.size() == page) {
            if (next.empty()) {
                const Json& last = items.back();
                next = encode(
                    {version, string_at(last, {"metadata", "namespace"}), string_at(last, {"metadata", "name"})});
            }
            ++remaining;
            continue;
        }
        items.push_back(std::move(view));
    }
    co_return reply(200, list_json(request, std::move(items), version, next, remaining));
}

}  // namespace model
