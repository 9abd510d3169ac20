#pragma once

#include "controller/verdict.hpp"
#include "kube/base/error.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace endoscope::controller {

// What is asked of the API server before anything is done for a user: the `resourceAttributes` of SubjectAccessReviews
// (authorization.k8s.io/v1), and what their answers are worth.

/// `patch pods/ephemeralcontainers` on that very Pod.
nlohmann::json to_patch_pod(std::string_view ns, std::string_view pod);
/// `use` on that DebugPolicy, in the namespace of the request.
nlohmann::json to_use_policy(std::string_view ns, std::string_view policy);
/// `impersonate` on that user, or on the service account of that user name: what the API server asks of `kubectl --as`.
nlohmann::json to_impersonate(std::string_view username);

/// What the answer to a SubjectAccessReview is worth. Allowed is only what was allowed without reserve: an answer that
/// is none or that cannot be read, and one that an evaluation error spoiled, is `failed`, whatever else it says, unless
/// it denies explicitly. (RBAC reports no evaluation errors: a binding to a missing role does not count as one.)
Authorization read_authorization(const kube::Result<std::string>& answer);

}  // namespace endoscope::controller
