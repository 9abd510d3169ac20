#include "kube/runtime/admission.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

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

Result<UserInfo> read_user(const nlohmann::json& json) {
    UserInfo user;
    user.username = string_at(json, {"username"});
    user.uid = string_at(json, {"uid"});
    if (const auto* groups = find_at(json, {"groups"})) {
        auto read = read_strings(*groups, "request.userInfo.groups");
        if (!read) return std::unexpected(std::move(read.error()));
        user.groups = std::move(*read);
    }
    const auto* extra = find_at(json, {"extra"});
    if (extra == nullptr || extra->is_null()) return user;
    if (!extra->is_object()) return fail(ErrorKind::bad_request, "request.userInfo.extra must be an object");
    for (const auto& [key, values] : extra->items()) {
        auto read = read_strings(values, "request.userInfo.extra");
        if (!read) return std::unexpected(std::move(read.error()));
        user.extra[key] = std::move(*read);
    }
    return user;
}

HttpResponse plain(int status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.body = std::move(text) + "\n";
    return response;
}

AdmissionResponse run_guarded(const AdmissionFunction& function, const AdmissionRequest& request) {
    try {
        return function(request);
    } catch (const std::exception& error) {
        log::error("admission", "exception in an admission function; denied", {{"error", error.what()}});
        AdmissionResponse response;
        response.code = 500;
        response.reason = "InternalError";
        response.message = "Endoscope could not judge this request because of an internal error; see its log";
        return response;
    }
}

}  // namespace

Result<AdmissionRequest> parse_admission_review(std::string_view body) {
    const auto review = parse_json(body);
    if (!review) return fail(ErrorKind::bad_request, review.error().message);
    if (string_at(*review, {"apiVersion"}) != "admission.k8s.io/v1" ||
        string_at(*review, {"kind"}) != "AdmissionReview") {
        return fail(ErrorKind::bad_request, "body is not an admission.k8s.io/v1 AdmissionReview");
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
        auto read = read_user(*user);
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
    } else if (!response.patch.is_null()) {
        answer["patchType"] = "JSONPatch";
        answer["patch"] = base64_encode(dump_json(response.patch));
    }
    if (!response.warnings.empty()) answer["warnings"] = response.warnings;
    return dump_json({{"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"response", answer}});
}

namespace {

struct AdmissionServer {
    Clock& clock;
    std::map<std::string, AdmissionFunction> functions;
    AdmissionObserver observer;

    HttpResponse answer(const HttpRequest& http) const {
        const std::string path = http.target.substr(0, http.target.find('?'));
        const auto function = functions.find(path);
        if (function == functions.end()) return plain(404, "no webhook at this path");
        if (http.method != "POST") return plain(405, "POST only");
        if (!http.headers.get("Content-Type").starts_with("application/json")) {
            return plain(400, "Content-Type must be application/json");
        }
        const SteadyTime started = clock.steady_now();
        const auto request = parse_admission_review(http.body);
        if (!request) return plain(400, request.error().message);
        const AdmissionResponse decided = run_guarded(function->second, *request);
        if (observer) observer(path, *request, decided, clock.steady_now() - started);
        HttpResponse response;
        response.headers.set("Content-Type", "application/json");
        response.body = render_admission_review(request->uid, decided);
        return response;
    }
};

asio::awaitable<void> serve_admission(std::shared_ptr<const AdmissionServer> server, const HttpExchange& exchange,
                                      HttpResponseWriter& writer) {
    HttpResponse response = server->answer(exchange.request);
    co_await writer.respond(std::move(response));
}

}  // namespace

HttpHandler make_admission_handler(Clock& clock, std::map<std::string, AdmissionFunction> functions,
                                   AdmissionObserver observer) {
    auto server = std::make_shared<const AdmissionServer>(
        AdmissionServer{.clock = clock, .functions = std::move(functions), .observer = std::move(observer)});
    return [server](const HttpExchange& exchange, HttpResponseWriter& writer) {
        return serve_admission(server, exchange, writer);
    };
}

}  // namespace kube
