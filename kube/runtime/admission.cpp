#include "kube/runtime/admission.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <charconv>

namespace kube {
namespace asio = boost::asio;

namespace {

Result<std::vector<std::string>> read_strings(const nlohmann::json& value, const char* field) {
    std::vector<std::string> out;
    if (value.is_null()) return out;
    if (!value.is_array()) return fail(ErrorKind::bad_request, std::string(field) + " must be a list of strings");
    for (const auto& item : value) {
        if (!item.is_string()) return fail(ErrorKind::bad_request, std::string(field) + " must be a list of strings");
        out.push_back(item.get<std::string>());
    }
    return out;
}

HttpResponse plain(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.body = std::move(text) + "\n";
    return response;
}

AdmissionResponse denial(int code, std::string reason, std::string message) {
    AdmissionResponse response;
    response.code = code;
    response.reason = std::move(reason);
    response.message = std::move(message);
    return response;
}

bool is_review(const nlohmann::json& review) {
    return string_at(review, {"apiVersion"}) == "admission.k8s.io/v1" &&
           string_at(review, {"kind"}) == "AdmissionReview";
}

/// The uid of a review that cannot be read otherwise; "" when even that is missing, or when whoever asks speaks another
/// version and would not understand a review as an answer.
std::string uid_of(std::string_view body) {
    const auto review = parse_json(body);
    return review && is_review(*review) ? string_at(*review, {"request", "uid"}) : "";
}

}  // namespace

Result<UserInfo> read_user_info(const nlohmann::json& json) {
    UserInfo user;
    user.username = string_at(json, {"username"});
    user.uid = string_at(json, {"uid"});
    if (const auto* groups = find_at(json, {"groups"})) {
        auto read = read_strings(*groups, "groups of a user");
        if (!read) return std::unexpected(std::move(read.error()));
        user.groups = std::move(*read);
    }
    const auto* extra = find_at(json, {"extra"});
    if (extra == nullptr || extra->is_null()) return user;
    if (!extra->is_object()) return fail(ErrorKind::bad_request, "extra of a user must be an object");
    for (const auto& [key, values] : extra->items()) {
        auto read = read_strings(values, "extra of a user");
        if (!read) return std::unexpected(std::move(read.error()));
        user.extra[key] = std::move(*read);
    }
    return user;
}

Result<AdmissionRequest> parse_admission_review(std::string_view body) {
    const auto review = parse_json(body);
    if (!review) return fail(ErrorKind::bad_request, review.error().message);
    if (!is_review(*review)) {
        return fail(ErrorKind::bad_request,
                    "body is not an admission.k8s.io/v1 AdmissionReview; set admissionReviewVersions: [v1]");
    }
    const auto* json = find_at(*review, {"request"});
    if (json == nullptr || !json->is_object()) return fail(ErrorKind::bad_request, "AdmissionReview has no request");
    AdmissionRequest request;
    request.uid = string_at(*json, {"uid"});
    request.operation = string_at(*json, {"operation"});
    request.ns = string_at(*json, {"namespace"});
    request.name = string_at(*json, {"name"});
    request.subresource = string_at(*json, {"subResource"});
    if (request.uid.empty()) return fail(ErrorKind::bad_request, "request.uid is missing");
    if (request.operation.empty()) return fail(ErrorKind::bad_request, "request.operation is missing");
    if (const auto* dry_run = find_at(*json, {"dryRun"}))
        request.dry_run = dry_run->is_boolean() && dry_run->get<bool>();
    if (const auto* user = find_at(*json, {"userInfo"})) {
        auto read = read_user_info(*user);
        if (!read) return std::unexpected(std::move(read.error()));
        request.user = std::move(*read);
    }
    if (const auto* object = find_at(*json, {"object"})) request.object = *object;
    if (const auto* object = find_at(*json, {"oldObject"})) request.old_object = *object;
    return request;
}

std::string render_admission_review(const std::string& uid, const AdmissionResponse& response) {
    nlohmann::json answer = {{"uid", uid}, {"allowed", response.allowed}};
    if (!response.allowed) {
        answer["status"] = {{"code", response.code}, {"message", response.message}};
        if (!response.reason.empty()) answer["status"]["reason"] = response.reason;
        for (const StatusCause& cause : response.causes) {
            nlohmann::json one = {{"reason", cause.reason}, {"message", cause.message}};
            if (!cause.field.empty()) one["field"] = cause.field;
            answer["status"]["details"]["causes"].push_back(std::move(one));
        }
    } else if (!response.patch.is_null()) {
        answer["patchType"] = "JSONPatch";
        answer["patch"] = base64_encode(dump_json(response.patch));
    }
    if (!response.warnings.empty()) answer["warnings"] = response.warnings;
    return dump_json({{"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"response", answer}});
}

namespace {

constexpr Duration kDefaultTimeout = std::chrono::seconds(10);

HttpResponse reviewed(const std::string& uid, const AdmissionResponse& decided) {
    HttpResponse response;
    response.headers.set("Content-Type", "application/json");
    response.body = render_admission_review(uid, decided);
    return response;
}

struct AdmissionServer {
    Clock& clock;
    std::map<std::string, AdmissionFunction> functions;
    AdmissionObserver observer;
    WebhookObserver* webhooks;

    HttpResponse answer(const HttpRequest& http) const {
        const std::string path = http.target.substr(0, http.target.find('?'));
        const auto function = functions.find(path);
        if (function == functions.end()) return plain(404, "no webhook at this path");
        const SteadyTime started = clock.steady_now();
        if (webhooks != nullptr) webhooks->on_start(path);
        HttpResponse response = review(path, function->second, http, started);
        if (webhooks != nullptr) webhooks->on_end(path, response.status, clock.steady_now() - started);
        return response;
    }

    HttpResponse review(const std::string& path, const AdmissionFunction& function, const HttpRequest& http,
                        SteadyTime started) const {
        if (http.method != "POST") return plain(405, "POST only");
        if (!http.headers.get("Content-Type").starts_with("application/json")) {
            return plain(400, "Content-Type must be application/json");
        }
        if (http.body.empty()) return plain(400, "request body is empty");
        auto request = parse_admission_review(http.body);
        if (!request) {
            const std::string uid = uid_of(http.body);
            if (uid.empty()) return plain(400, request.error().message);
            return reviewed(uid, denial(400, "BadRequest", request.error().message));
        }
        request->deadline = started + admission_timeout(http.target);
        const AdmissionResponse decided = run_guarded(path, function, *request);
        if (observer) observer(path, *request, decided, clock.steady_now() - started);
        return reviewed(request->uid, decided);
    }

    AdmissionResponse run_guarded(const std::string& path, const AdmissionFunction& function,
                                  const AdmissionRequest& request) const {
        std::string problem;
        try {
            return function(request);
        } catch (const std::exception& error) {
            problem = error.what();
        } catch (...) {
            problem = "unknown exception";
        }
        if (webhooks != nullptr) webhooks->on_exception(path);
        log::error("admission", "exception in an admission function; denied", {{"path", path}, {"error", problem}});
        return denial(500, "InternalError",
                      "the webhook could not judge this request because of an internal error; "
                      "see its log");
    }
};

asio::awaitable<void> serve_admission(std::shared_ptr<const AdmissionServer> server, const HttpExchange& exchange,
                                      HttpResponseWriter& writer) {
    HttpResponse response = server->answer(exchange.request);
    co_await writer.respond(std::move(response));
}

}  // namespace

Duration admission_timeout(std::string_view target) {
    const std::size_t query = target.find('?');
    if (query == std::string_view::npos) return kDefaultTimeout;
    std::string_view rest = target.substr(query + 1);
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        if (!pair.starts_with("timeout=")) continue;
        const std::string_view value = pair.substr(8);
        int seconds = 0;
        const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), seconds);
        const bool is_seconds = code == std::errc() && std::string_view(end, value.data() + value.size()) == "s";
        // The API server waits for 30 seconds at most.
        if (is_seconds && seconds >= 1 && seconds <= 30) return std::chrono::seconds(seconds);
    }
    return kDefaultTimeout;
}

HttpHandler make_admission_handler(Clock& clock, std::map<std::string, AdmissionFunction> functions,
                                   AdmissionObserver observer, WebhookObserver* webhooks) {
    auto server = std::make_shared<const AdmissionServer>(AdmissionServer{
        .clock = clock, .functions = std::move(functions), .observer = std::move(observer), .webhooks = webhooks});
    return [server](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return serve_admission(server, exchange, writer);
    };
}

}  // namespace kube
