#include "controller/access_review.hpp"

#include "controller/subject.hpp"
#include "kube/runtime/reviews.hpp"

namespace endoscope::controller {

nlohmann::json to_patch_pod(std::string_view ns, std::string_view pod) {
    return {{"namespace", ns}, {"verb", "patch"},    {"group", ""},
            {"version", "v1"}, {"resource", "pods"}, {"subresource", "ephemeralcontainers"},
            {"name", pod}};
}

nlohmann::json to_use_policy(std::string_view ns, std::string_view policy) {
    return {{"namespace", ns},
            {"verb", "use"},
            {"group", std::string(api::kGroup)},
            {"resource", "debugpolicies"},
            {"name", policy}};
}

nlohmann::json to_impersonate(std::string_view username) {
    nlohmann::json attributes = {{"verb", "impersonate"}, {"group", ""}, {"version", "v1"}};
    if (const auto account = service_account_of(username)) {
        attributes.update({{"resource", "serviceaccounts"}, {"namespace", account->ns}, {"name", account->name}});
    } else {
        attributes.update({{"resource", "users"}, {"name", username}});
    }
    return attributes;
}

Authorization read_authorization(const kube::Result<std::string>& answer) {
    if (!answer) return Authorization::failed;
    const auto review = kube::read_access_review(*answer);
    if (!review) return Authorization::failed;
    if (review->denied) return Authorization::denied;
    if (!review->evaluation_error.empty()) return Authorization::failed;
    return review->allowed ? Authorization::allowed : Authorization::denied;
}

}  // namespace endoscope::controller
