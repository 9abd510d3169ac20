#pragma once

#include "kube/net/http.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kube {

/// Who sent a request, as the API server authenticated it (authentication.k8s.io/v1 UserInfo).
struct UserInfo {
    std::string username;
    std::string uid;
    std::vector<std::string> groups;
    std::map<std::string, std::vector<std::string>> extra;
};

/// Reads a UserInfo. Errors are `ErrorKind::bad_request`.
Result<UserInfo> read_user_info(const nlohmann::json& json);

/// The part of an AdmissionReview (admission.k8s.io/v1) that a webhook decides on.
struct AdmissionRequest {
    std::string uid;
    std::string operation;  ///< CREATE, UPDATE, DELETE or CONNECT
    std::string ns;
    std::string name;  ///< Empty on a CREATE with generateName.
    std::string subresource;
    UserInfo user;
    bool dry_run = false;       ///< Nothing but the answer may come of it.
    SteadyTime deadline{};      ///< When the API server gives up: `timeout` of the URL, 10 s when there is none.
    nlohmann::json object;      ///< null on DELETE
    nlohmann::json old_object;  ///< null on CREATE
};

struct AdmissionResponse {
    bool allowed = false;
    int code = 403;                     ///< Of a denial: 403, or 422 for an invalid object.
    std::string reason;                 ///< `Status.reason` of a denial.
    std::string message;                ///< Of a denial: what kubectl shows.
    std::vector<StatusCause> causes;    ///< Of a denial, for programs: what the message says to people. May be empty.
    nlohmann::json patch;               ///< RFC 6902, against the object exactly as received; null = no change.
    std::vector<std::string> warnings;  ///< Shown by kubectl as "Warning: ...".

    static AdmissionResponse allow() {
        AdmissionResponse response;
        response.allowed = true;
        response.code = 200;
        return response;
    }
};

/// Decides one review. Must not block: everything it needs is in memory.
using AdmissionFunction = std::function<AdmissionResponse(const AdmissionRequest&)>;

/// Told about every review.
using AdmissionObserver =
    std::function<void(const std::string& path, const AdmissionRequest&, const AdmissionResponse&, Duration elapsed)>;

/// Told about every call of a webhook's path: the source of `controller_runtime_webhook_*` metrics.
class WebhookObserver {
  public:
    virtual ~WebhookObserver() = default;
    virtual void on_start(const std::string& path) = 0;
    virtual void on_end(const std::string& path, int http_status, Duration elapsed) = 0;
    /// A function threw; the review was answered with a denial all the same.
    virtual void on_exception(const std::string& path) = 0;
};

/// Decodes a review. Errors are `ErrorKind::bad_request`.
Result<AdmissionRequest> parse_admission_review(std::string_view body);
/// Encodes the answer in the version of the review. `uid` must be the request's, also in error paths.
std::string render_admission_review(const std::string& uid, const AdmissionResponse& response);

/// An HTTP handler that serves admission functions by path: POST and JSON only. What is no review is answered 400; a
/// review with a uid always gets an AdmissionReview with that uid: a denial when it cannot be read further or when the
/// function throws, never an allowance. `webhooks` may be null and must outlive the handler.
/// Source: controller-runtime pkg/webhook/admission/http.go.
HttpHandler make_admission_handler(Clock& clock, std::map<std::string, AdmissionFunction> functions,
                                   AdmissionObserver observer, WebhookObserver* webhooks = nullptr);

/// `timeout` in the query of a webhook's URL, as the API server writes it ("/validate?timeout=10s"): whole seconds.
/// Anything else is the default of ten seconds.
Duration admission_timeout(std::string_view target);

}  // namespace kube
