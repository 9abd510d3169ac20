#include "kube/runtime/reviews.hpp"

#include "kube/base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace kube {

namespace {

bool is_true(const nlohmann::json& json, std::initializer_list<std::string_view> path) {
    const auto* const value = find_at(json, path);
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

}  // namespace

std::string_view bearer_token(const HttpHeaders& headers) {
    static constexpr std::string_view kScheme = "bearer ";
    const std::string_view value = headers.get("Authorization");
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (value.size() <= kScheme.size() || !std::ranges::equal(value.substr(0, kScheme.size()), kScheme, same))
        return {};
    const std::string_view token = value.substr(kScheme.size());
    const std::size_t first = token.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return token.substr(first, token.find_last_not_of(' ') + 1 - first);
}

std::string token_review(std::string_view token) {
    return dump_json(
        {{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "TokenReview"}, {"spec", {{"token", token}}}});
}

Result<std::optional<UserInfo>> read_token_review(std::string_view body) {
    const auto review = parse_json(body);
    if (!review) return std::unexpected(review.error());
    if (string_at(*review, {"kind"}) != "TokenReview") {
        return fail(ErrorKind::malformed, "the answer to a TokenReview is none");
    }
    if (!is_true(*review, {"status", "authenticated"})) return std::optional<UserInfo>();
    const auto* const json = find_at(*review, {"status", "user"});
    if (json == nullptr) return fail(ErrorKind::malformed, "a TokenReview without a user");
    auto user = read_user_info(*json);
    if (!user) return std::unexpected(std::move(user.error()));
    if (user->username.empty()) return fail(ErrorKind::malformed, "a TokenReview without a user name");
    return std::optional<UserInfo>(std::move(*user));
}

namespace {

std::string render_review(const UserInfo& user, const char* kind, nlohmann::json attributes) {
    nlohmann::json spec = {{"user", user.username}, {kind, std::move(attributes)}};
    if (!user.uid.empty()) spec["uid"] = user.uid;
    if (!user.groups.empty()) spec["groups"] = user.groups;
    if (!user.extra.empty()) spec["extra"] = user.extra;
    return dump_json({{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SubjectAccessReview"}, {"spec", spec}});
}

}  // namespace

std::string access_review(const UserInfo& user, std::string_view path, std::string_view verb) {
    return render_review(user, "nonResourceAttributes", {{"path", path}, {"verb", verb}});
}

std::string access_review(const UserInfo& user, nlohmann::json attributes) {
    return render_review(user, "resourceAttributes", std::move(attributes));
}

Result<AccessReview> read_access_review(std::string_view body) {
    const auto review = parse_json(body);
    if (!review) return std::unexpected(review.error());
    if (string_at(*review, {"kind"}) != "SubjectAccessReview") {
        return fail(ErrorKind::malformed, "the answer to a SubjectAccessReview is none");
    }
    const auto* const status = find_at(*review, {"status"});
    if (status == nullptr || !status->is_object()) {
        return fail(ErrorKind::malformed, "a SubjectAccessReview without a status");
    }
    AccessReview answer;
    answer.allowed = is_true(*status, {"allowed"});
    answer.denied = is_true(*status, {"denied"});
    if (const auto* const error = find_at(*status, {"evaluationError"}); error != nullptr && !error->is_null()) {
        answer.evaluation_error = error->is_string() ? error->get<std::string>() : dump_json(*error);
    }
    return answer;
}

}  // namespace kube
