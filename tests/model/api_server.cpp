#include "tests/model/api_server.hpp"

#include "kube/base/log.hpp"
#include "tests/model/body.hpp"
#include "tests/model/bootstrap.hpp"
#include "tests/model/discovery.hpp"
#include "tests/model/logs.hpp"
#include "tests/model/reviews.hpp"

namespace model {

namespace asio = boost::asio;

namespace {

constexpr const char* kCrdTable = "apiextensions.k8s.io/customresourcedefinitions";
/// What go-restful answers outside of the core group.
constexpr const char* kUnknownPath = "404 page not found\n";

/// `Warning: 299 - "text"` (RFC 7234): quotes and backslashes escaped, line breaks not possible.
std::string warning_header(const std::string& text) {
    std::string out = "299 - \"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + "\"";
}

kube::HttpResponse to_http(const Reply& answer, const std::vector<std::string>& warnings, const std::string& audit_id) {
    kube::HttpResponse response;
    response.status = answer.code;
    if (!answer.content_type.empty()) response.headers.set("Content-Type", answer.content_type);
    response.headers.set("Audit-Id", audit_id);
    response.headers.set("Cache-Control", "no-cache, private");
    for (const std::string& warning : warnings) response.headers.add("Warning", warning_header(warning));
    response.body = answer.body.is_null() ? answer.text : kube::dump_json(answer.body) + "\n";
    return response;
}

ApiError unknown_resource() {
    return {404, "NotFound", "the server could not find the requested resource", Json::object(), std::nullopt};
}

/// Groups of custom resources answer what they do not know like unknown paths.
bool is_builtin_group(const Registry& registry, const std::string& group) {
    return std::ranges::any_of(registry.all(),
                               [&](const ResourcePtr& info) { return !info->custom && info->group == group; });
}

std::string write_options(const std::string& verb) {
    if (verb == "update") return "UpdateOptions";
    if (verb == "patch") return "PatchOptions";
    return verb.starts_with("delete") ? "DeleteOptions" : "CreateOptions";
}

/// apimachinery pkg/apis/meta/v1/validation.
FieldErrors write_option_errors(const QueryParams& query) {
    constexpr std::size_t kMaxManager = 128;
    FieldErrors errors;
    if (query.get("fieldManager").size() > kMaxManager) errors.push_back(too_long_field("fieldManager", kMaxManager));
    for (const std::string& dry_run : query.all("dryRun")) {
        if (dry_run != "All") errors.push_back(unsupported_field("dryRun", "[" + quote(dry_run) + "]", {"All"}));
    }
    return errors;
}

Reply text_reply(int code, std::string text) {
    Reply out;
    out.code = code;
    out.text = std::move(text);
    out.content_type = "text/plain; charset=utf-8";
    return out;
}

TransportFactory tcp_transports(const asio::any_io_executor& executor, kube::Clock& clock) {
    return [executor, &clock](const std::string& host, unsigned short port, const kube::TlsClientConfig& tls) {
        return kube::make_tcp_transport(executor, clock, host, port, tls);
    };
}

Access access_of(const RequestInfo& info, const QueryParams& query) {
    Access access;
    access.verb = info.verb;
    if (!info.is_resource) {
        access.path = info.path;
        if (access.verb == "head") access.verb = "get";
        return access;
    }
    access.group = info.group;
    access.resource = info.resource;
    access.subresource = info.subresource;
    access.ns = info.ns;
    access.name = info.name;
    // A list or watch of one name can be allowed by resourceNames.
    if (access.name.empty()) {
        if (const auto fields = FieldSelector::parse(query.get("fieldSelector"))) access.name = fields->name();
    }
    return access;
}

}  // namespace

ApiServer::ApiServer(asio::any_io_executor executor, kube::Clock& clock, ApiServerSettings settings)
    : cluster_(clock, settings.seed, settings.history_limit),
      changed_(executor),
      admission_(executor, clock, cluster_.storage,
                 settings.transports ? settings.transports : tcp_transports(executor, clock),
                 [this] { return cluster_.new_uid(); }),
      writes_(cluster_, admission_),
      reads_(cluster_, changed_, settings.watch) {
    cluster_.tokens = std::move(settings.tokens);
    cluster_.storage.on_change([this](const Change& change) { on_change(change); });
    bootstrap(cluster_);
}

ApiServer::~ApiServer() = default;

kube::HttpHandler ApiServer::handler() {
    return [this](const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
        return handle(exchange, writer);
    };
}

void ApiServer::on_change(const Change& change) {
    if (change.storage == kCrdTable) {
        const std::string table =
            string_at(*change.object, {"spec", "group"}) + "/" + string_at(*change.object, {"spec", "names", "plural"});
        if (change.removed) {
            for (const Object& object : cluster_.storage.list(table, "")) {
                cluster_.storage.remove(table, string_at(*object, {"metadata", "namespace"}),
                                        string_at(*object, {"metadata", "name"}));
            }
        }
        cluster_.registry.set_custom(change.name,
                                     change.removed ? std::vector<ResourcePtr>{} : resources_of_crd(*change.object));
    }
    changed_.notify_all();
}

std::optional<Reply> ApiServer::non_resource(const std::string& path) const {
    if (path == "/version" || path == "/version/") return reply(200, version_info());
    for (const char* health : {"/healthz", "/readyz", "/livez"}) {
        if (path == health || path.starts_with(std::string(health) + "/")) return text_reply(200, "ok");
    }
    if (path == "/openapi/v2") {
        Reply out;
        out.text = openapi_v2_protobuf(cluster_.registry);
        out.content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        return out;
    }
    if (auto document = openapi_v3(cluster_.registry, path)) return reply(200, std::move(*document));
    if (auto document = discovery(cluster_.registry, path)) return reply(200, std::move(*document));
    return std::nullopt;
}

Outcome<Request> ApiServer::accept(const kube::HttpExchange& exchange) const {
    Request request;
    const std::string& target = exchange.request.target;
    const std::size_t mark = target.find('?');
    std::string path = target.substr(0, mark);
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    request.query =
        QueryParams(mark == std::string::npos ? std::string_view{} : std::string_view(target).substr(mark + 1));
    request.info = parse_request(exchange.request.method, path, request.query);
    auto user = authenticate(exchange, cluster_.tokens);
    if (!user) return std::unexpected(user.error());
    auto acting = impersonate(exchange.request.headers, *user, cluster_.storage);
    if (!acting) return std::unexpected(acting.error());
    request.user = std::move(*acting);
    const Access access = access_of(request.info, request.query);
    if (!authorize(cluster_.storage, request.user, access).allowed) {
        return std::unexpected(
            forbidden(access.group, access.resource, request.info.name, denial(request.user, access)));
    }
    request.content_type = exchange.request.headers.get("Content-Type");
    request.body = exchange.request.body;
    request.rendering = rendering_of(exchange.request.headers.get("Accept"));
    request.stop = exchange.stop;
    if (!request.info.is_resource) return request;
    request.resource = cluster_.registry.find(request.info.group, request.info.version, request.info.resource);
    if (!request.resource) return request;
    if (!request.resource->namespaced && request.resource->resource != "namespaces" && !request.info.ns.empty()) {
        request.resource = nullptr;  // there is no such path
        return request;
    }
    if (request.resource->namespaced) request.ns = request.info.ns;
    if (request.rendering == Rendering::unacceptable) {
        return std::unexpected(not_acceptable(
            "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;"
            "v=v1, application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1 (this is a model API server)"));
    }
    return request;
}

asio::awaitable<Outcome<Reply>> ApiServer::dispatch(Request& request) {
    const ResourceInfo& info = *request.resource;
    const std::string& verb = request.info.verb;
    const std::string& sub = request.info.subresource;
    if (!info.custom && verb == "get" && (sub == "exec" || sub == "attach" || sub == "portforward")) {
        // A WebSocket begins with GET, but what it does takes the right to create (upstream since 1.35).
        Access access = access_of(request.info, request.query);
        access.verb = "create";
        const Decision decision = authorize(cluster_.storage, request.user, access);
        if (!decision.allowed) {
            co_return std::unexpected(forbidden(info.group, info.resource, request.info.name, decision.reason));
        }
    }
    if (!info.custom && !sub.empty() &&
        (sub == "exec" || sub == "attach" || sub == "portforward" || sub == "proxy" || sub == "token" ||
         sub == "scale" || sub == "resize")) {
        co_return std::unexpected(not_implemented(info.resource + "/" + sub));
    }
    if (!sub.empty() && !info.has_subresource(sub)) {
        // go-restful knows no such route; the handler of custom resources finds no such object.
        if (info.custom) co_return std::unexpected(not_found(info.group, info.resource, request.info.name));
        co_return std::unexpected(unknown_resource());
    }
    if (info.verbs.size() == 1) {
        if (verb != "create" || !request.info.name.empty()) co_return std::unexpected(method_not_allowed());
        auto body = decode_body(request.content_type, request.body);
        if (!body) co_return std::unexpected(body.error());
        if (!body->is_object()) co_return std::unexpected(bad_request("the body must be a JSON object"));
        auto answer = answer_review(info, std::move(*body), request.user, request.ns, cluster_.storage, cluster_.tokens,
                                    cluster_.now());
        if (!answer) co_return std::unexpected(answer.error());
        co_return reply(201, std::move(*answer));
    }
    if (info.namespaced && request.ns.empty() && !request.info.name.empty()) {
        co_return std::unexpected(unknown_resource());
    }
    if (info.namespaced && request.ns.empty() && verb != "list") co_return std::unexpected(method_not_allowed());
    if (const FieldErrors errors = write_option_errors(request.query); !errors.empty()) {
        co_return std::unexpected(invalid("meta.k8s.io", write_options(verb), "", errors));
    }
    if (sub == "binding") {
        if (verb != "create") co_return std::unexpected(method_not_allowed());
        co_return co_await writes_.bind(request);
    }
    if (sub == "eviction") {
        if (verb != "create") co_return std::unexpected(method_not_allowed());
        co_return co_await writes_.evict(request);
    }
    if (sub == "log") {
        if (verb != "get") co_return std::unexpected(method_not_allowed());
        const auto options = log_options(request.info.name, request.query);
        if (!options) co_return std::unexpected(options.error());
        const Object pod = cluster_.storage.get(info.storage, request.ns, request.info.name);
        if (!pod) co_return std::unexpected(not_found("", info.resource, request.info.name));
        co_return pod_log(*pod, *options);
    }
    if (verb == "get") co_return co_await reads_.get(request);
    if (verb == "list" && sub.empty()) co_return co_await reads_.list(request);
    Outcome<Reply> out = std::unexpected(method_not_allowed());
    if (verb == "create" && sub.empty() && request.info.name.empty()) {
        out = co_await writes_.create(request);
    } else if (verb == "update" && !request.info.name.empty()) {
        out = co_await writes_.update(request);
    } else if (verb == "patch" && !request.info.name.empty()) {
        out = co_await writes_.patch(request);
    } else if (verb == "delete" && sub.empty()) {
        out = co_await writes_.remove(request);
    } else if (verb == "deletecollection" && sub.empty() && (info.custom || info.kind != "Namespace")) {
        co_return co_await writes_.remove_collection(request);
    }
    if (out) out->body = reads_.render(request, out->body);
    co_return out;
}

asio::awaitable<void> ApiServer::serve(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
    const std::string audit_id = cluster_.new_uid();
    auto request = accept(exchange);
    Reply answer;
    std::vector<std::string> warnings;
    std::optional<int> retry_after;
    if (!request) {
        answer = reply(request.error().code, to_status(request.error()));
    } else if (!request->resource) {
        const bool readable = exchange.request.method == "GET" || exchange.request.method == "HEAD";
        auto known = readable ? non_resource(request->info.path) : std::nullopt;
        if (known) {
            answer = std::move(*known);
        } else if (request->info.is_resource &&
                   (request->info.group.empty() || is_builtin_group(cluster_.registry, request->info.group))) {
            answer = reply(404, to_status(unknown_resource()));
        } else {
            answer = text_reply(404, kUnknownPath);
        }
    } else if (request->info.verb == "watch" && request->info.subresource.empty()) {
        kube::HttpHeaders headers;
        headers.set("Content-Type", "application/json");
        headers.set("Audit-Id", audit_id);
        headers.set("Cache-Control", "no-cache, private");
        auto watched = co_await reads_.watch(*request, writer, std::move(headers));
        if (watched) co_return;
        answer = reply(watched.error().code, to_status(watched.error()));
    } else {
        auto outcome = co_await dispatch(*request);
        warnings = std::move(request->warnings);
        if (outcome) {
            answer = std::move(*outcome);
        } else {
            retry_after = outcome.error().retry_after;
            answer = reply(outcome.error().code, to_status(outcome.error()));
        }
    }
    kube::HttpResponse response = to_http(answer, warnings, audit_id);
    if (retry_after) response.headers.set("Retry-After", std::to_string(*retry_after));
    (void)co_await writer.respond(std::move(response));
}

asio::awaitable<void> ApiServer::handle(const kube::HttpExchange& exchange, kube::HttpResponseWriter& writer) {
    std::string problem;
    try {
        co_await serve(exchange, writer);
    } catch (const Json::exception& exception) {
        // A body with a shape that nobody looked for. The client's fault, and said so.
        problem = exception.what();
    }
    if (problem.empty()) co_return;
    kube::log::warn("model", "refused a request that has an unexpected shape", {{"error", problem}});
    const ApiError error = bad_request("the request has an unexpected shape: " + problem);
    kube::HttpResponse response = to_http(reply(400, to_status(error)), {}, "");
    (void)co_await writer.respond(std::move(response));
}

}  // namespace model
