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

/// The part of an AdmissionReview (admission.k8s.io/v1) that a webhook decides on.
struct AdmissionRequest {
    std::string uid;
    std::string operation;  ///< CREATE, UPDATE, DELETE or CONNECT
    std::string ns;
    std::string name;  ///< Empty on a CREATE with generateName.
    std::string subresource;
    UserInfo user;
    bool dry_run = false;
    nlohmann::json object;      ///< null on DELETE
    nlohmann::json old_object;  ///< null on CREATE
};

struct AdmissionResponse {
    bool allowed = false;
    int code = 403;                     ///< Of a denial: 403, or 422 for an invalid object.
    std::string reason;                 ///< `Status.reason` of a denial.
    std::string message;                ///< Of a denial: what kubectl shows.
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

/// Decodes a review. Errors are `ErrorKind::bad_request`.
Result<AdmissionRequest> parse_admission_review(std::string_view body);
/// Encodes the answer in the version of the review. `uid` must be the request's, also in error paths.
std::string render_admission_review(const std::string& uid, const AdmissionResponse& response);

/// An HTTP handler that serves admission functions by path: POST and JSON only; what cannot be read is answered 400, a
/// function that throws answers a denial, never an allowance.
HttpHandler make_admission_handler(Clock& clock, std::map<std::string, AdmissionFunction> functions,
                                   AdmissionObserver observer);

}  // namespace kube
