#include "tests/model/authentication.hpp"

#include "tests/model/request_info.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace model {

namespace {

constexpr std::string_view kServiceAccount = "system:serviceaccount:";

void add_group(UserInfo& user, const std::string& group) {
    if (!contains(user.groups, group)) user.groups.push_back(group);
}

/// Real servers put a fingerprint of the certificate there; this one looks like it.
std::string credential_id(const UserInfo& user) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : user.name + "\n" + join(user.groups, "\n")) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
    char text[80];
    const auto part = static_cast<unsigned long long>(hash);
    std::snprintf(text, sizeof text, "X509SHA256=%016llx%016llx%016llx%016llx", part, part, part, part);
    return text;
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

Outcome<UserInfo> authenticate(const kube::HttpExchange& exchange, const Tokens& tokens) {
    UserInfo user;
    if (exchange.peer && !exchange.peer->common_name.empty()) {
        user.name = exchange.peer->common_name;
        user.groups = exchange.peer->organizations;
        user.extra["authentication.kubernetes.io/credential-id"].push_back(credential_id(user));
        add_group(user, "system:authenticated");
        return user;
    }
    const std::string_view header = exchange.request.headers.get("Authorization");
    if (!header.empty()) {
        constexpr std::string_view kBearer = "Bearer ";
        if (!header.starts_with(kBearer)) return std::unexpected(unauthorized());
        const auto found = tokens.find(std::string(header.substr(kBearer.size())));
        if (found == tokens.end()) return std::unexpected(unauthorized());
        user = found->second;
        add_group(user, "system:authenticated");
        return user;
    }
    user.name = "system:anonymous";
    user.groups.emplace_back("system:unauthenticated");
    return user;
}

Outcome<UserInfo> impersonate(const kube::HttpHeaders& headers, const UserInfo& user, const Storage& storage) {
    UserInfo other;
    other.name = headers.get("Impersonate-User");
    other.uid = headers.get("Impersonate-Uid");
    for (const std::string_view group : headers.get_all("Impersonate-Group")) other.groups.emplace_back(group);
    constexpr std::string_view kExtra = "impersonate-extra-";
    for (const auto& [name, value] : headers.fields()) {
        const std::string key = lower(name);
        if (key.starts_with(kExtra)) other.extra[percent_decode(key.substr(kExtra.size()), false)].push_back(value);
    }
    if (other.name.empty()) {
        if (other.uid.empty() && other.groups.empty() && other.extra.empty()) return user;
        return std::unexpected(
            bad_request("requested impersonation of a group, UID or extra without impersonating a user name"));
    }

    std::vector<Access> needed;
    const auto need = [&needed](std::string group, std::string resource, std::string subresource, std::string ns,
                                std::string name) {
        Access access;
        access.verb = "impersonate";
        access.group = std::move(group);
        access.resource = std::move(resource);
        access.subresource = std::move(subresource);
        access.ns = std::move(ns);
        access.name = std::move(name);
        needed.push_back(std::move(access));
    };
    const bool account = other.name.starts_with(kServiceAccount);
    if (account) {
        const std::vector<std::string> parts = split(other.name.substr(kServiceAccount.size()), ':');
        need("", "serviceaccounts", "", parts.front(), parts.size() > 1 ? parts[1] : "");
        if (other.groups.empty()) {
            other.groups = {"system:serviceaccounts", "system:serviceaccounts:" + parts.front()};
        } else {
            for (const std::string& group : other.groups) need("", "groups", "", "", group);
        }
    } else {
        need("", "users", "", "", other.name);
        for (const std::string& group : other.groups) need("", "groups", "", "", group);
    }
    if (!other.uid.empty()) need("authentication.k8s.io", "uids", "", "", other.uid);
    for (const auto& [key, values] : other.extra) {
        for (const std::string& value : values) need("authentication.k8s.io", "userextras", key, "", value);
    }
    for (const Access& access : needed) {
        if (authorize(storage, user, access).allowed) continue;
        return std::unexpected(forbidden(access.group, access.resource, access.name, denial(user, access)));
    }
    if (other.name == "system:anonymous") {
        add_group(other, "system:unauthenticated");
    } else {
        add_group(other, "system:authenticated");
    }
    return other;
}

}  // namespace model
