#include "kube/runtime/ca_secret.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"

namespace kube {

namespace {

/// A decoded field; empty when it is absent.
Result<std::string> field(const nlohmann::json& data, std::string_view name) {
    const auto* const value = find_at(data, {name});
    if (value == nullptr) return std::string();
    auto text = value->is_string() ? base64_decode(value->get<std::string>()) : std::nullopt;
    if (!text) return fail(ErrorKind::config, std::string(name) + " is not base64");
    return std::move(*text);
}

Result<Authority> read_authority(const nlohmann::json& data, const std::string& name) {
    auto certificate = field(data, name + ".crt");
    if (!certificate) return std::unexpected(std::move(certificate.error()));
    auto key = field(data, name + ".key");
    if (!key) return std::unexpected(std::move(key.error()));
    Authority authority{.keys = {.certificate_pem = std::move(*certificate), .key_pem = std::move(*key)}};
    if (const auto pair = check_key_pair(authority.keys); !pair) {
        return fail(ErrorKind::config, name + ".crt and " + name + ".key: " + pair.error().message);
    }
    const auto until = certificate_expiry(authority.keys.certificate_pem);
    if (!until) return std::unexpected(until.error());
    authority.not_after = *until;
    return authority;
}

Result<void> read_previous(const nlohmann::json& data, AuthoritySet& set) {
    auto certificate = field(data, "previous.crt");
    if (!certificate) return std::unexpected(std::move(certificate.error()));
    if (certificate->empty()) return {};
    if (const auto expiry = certificate_expiry(*certificate); !expiry) {
        return fail(ErrorKind::config, "previous.crt: " + expiry.error().message);
    }
    const auto text = field(data, "previous-until");
    const auto until = text ? parse_time(*text) : std::nullopt;
    if (!until) return fail(ErrorKind::config, "previous-until is no time");
    set.previous_pem = std::move(*certificate);
    set.previous_until = *until;
    return {};
}

}  // namespace

Result<Authority> make_authority(const std::string& common_name, WallTime now, Duration lifetime) {
    auto keys = make_certificate_authority(common_name, now, lifetime);
    if (!keys) return std::unexpected(std::move(keys.error()));
    const auto until = certificate_expiry(keys->certificate_pem);
    if (!until) return std::unexpected(until.error());
    return Authority{.keys = std::move(*keys), .not_after = *until};
}

Result<AuthoritySet> read_authorities(const nlohmann::json& secret) {
    const auto* const data = find_at(secret, {"data"});
    if (data == nullptr || !data->is_object()) return fail(ErrorKind::config, "it has no data");
    AuthoritySet set;
    auto current = read_authority(*data, "tls");
    if (!current) return std::unexpected(std::move(current.error()));
    set.current = std::move(*current);
    if (data->contains("next.crt")) {
        auto next = read_authority(*data, "next");
        if (!next) return std::unexpected(std::move(next.error()));
        set.next = std::move(*next);
    }
    if (const auto previous = read_previous(*data, set); !previous) return std::unexpected(previous.error());
    return set;
}

nlohmann::json secret_data(const AuthoritySet& set) {
    nlohmann::json data = {{"tls.crt", base64_encode(set.current.keys.certificate_pem)},
                           {"tls.key", base64_encode(set.current.keys.key_pem)},
                           {"ca.crt", base64_encode(bundle_of(set))}};
    if (set.next) {
        data["next.crt"] = base64_encode(set.next->keys.certificate_pem);
        data["next.key"] = base64_encode(set.next->keys.key_pem);
    }
    if (!set.previous_pem.empty()) {
        data["previous.crt"] = base64_encode(set.previous_pem);
        data["previous-until"] = base64_encode(format_time(set.previous_until));
    }
    return data;
}

}  // namespace kube
