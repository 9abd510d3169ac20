#pragma once

#include "kube/base/error.hpp"
#include "kube/runtime/admission.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace kube {

/// The token of an `Authorization: Bearer` header (RFC 6750); empty when there is none.
std::string_view bearer_token(const HttpHeaders& headers);

/// An authentication.k8s.io/v1 TokenReview that asks who holds `token`.
std::string token_review(std::string_view token);
/// Who it is; nothing when the token is not valid. An answer without sense, or in which the API server reports a
/// failure of its own, is an error: nobody is let in by it.
Result<std::optional<UserInfo>> read_token_review(std::string_view body);

/// An authorization.k8s.io/v1 SubjectAccessReview that asks whether `user` may `verb` the non-resource URL `path`.
std::string access_review(const UserInfo& user, std::string_view path, std::string_view verb);
/// The same of a resource, by the `resourceAttributes` of the review. All that is known of the user is sent: one
/// without groups is judged as if they were in none.
std::string access_review(const UserInfo& user, nlohmann::json attributes);

/// The status of a SubjectAccessReview. Neither allowed nor denied is no opinion, which is a refusal.
struct AccessReview {
    bool allowed = false;
    bool denied = false;           ///< Explicitly; beats `allowed`.
    std::string evaluation_error;  ///< Part of the check failed; the rest stands for what it is worth.
};
/// An answer that is no SubjectAccessReview, or has no status, is an error.
Result<AccessReview> read_access_review(std::string_view body);

}  // namespace kube
