#pragma once

#include "tests/model/authentication.hpp"
#include "tests/model/resource.hpp"

namespace model {

/// Answers a SubjectAccessReview and its relatives, a TokenReview or a SelfSubjectReview: `body` with `status` filled
/// in.
Outcome<Json> answer_review(const ResourceInfo& info, Json body, const UserInfo& user, const std::string& ns,
                            const Storage& storage, const Tokens& tokens, const std::string& now);

}  // namespace model
