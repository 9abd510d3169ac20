#include "controller/subject.hpp"

#include "api/text.hpp"

namespace endoscope::controller {
namespace {

constexpr std::string_view kServiceAccountPrefix = "system:serviceaccount:";

std::vector<std::string> groups_of_name(const std::string& username) {
    if (username == "system:anonymous") return {"system:unauthenticated"};
    if (const auto account = service_account_of(username)) {
        return {"system:serviceaccounts", "system:serviceaccounts:" + account->ns, "system:authenticated"};
    }
    return {"system:authenticated"};
}

}  // namespace

std::optional<ServiceAccountName> service_account_of(std::string_view username) {
    if (!username.starts_with(kServiceAccountPrefix)) return std::nullopt;
    const std::string_view rest = username.substr(kServiceAccountPrefix.size());
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view ns = rest.substr(0, colon);
    const std::string_view name = rest.substr(colon + 1);
    if (!api::is_dns_label(ns) || !api::is_dns_subdomain(name)) return std::nullopt;
    return ServiceAccountName{.ns = std::string(ns), .name = std::string(name)};
}

kube::UserInfo author_of(const api::DebugRequestSpec& spec) {
    if (!spec.requester) return {};
    return {.username = spec.requester->username,
            .uid = spec.requester->uid,
            .groups = spec.requester->groups,
            .extra = spec.requester->extra};
}

kube::UserInfo subject_of(const api::DebugRequestSpec& spec) {
    if (!spec.on_behalf_of_username) return author_of(spec);
    kube::UserInfo user;
    user.username = *spec.on_behalf_of_username;
    user.groups = groups_of_name(user.username);
    return user;
}

std::string subject_name(const api::DebugRequestSpec& spec) {
    if (spec.on_behalf_of_username) return *spec.on_behalf_of_username;
    return spec.requester ? spec.requester->username : std::string();
}

}  // namespace endoscope::controller
