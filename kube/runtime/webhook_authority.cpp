#include "kube/runtime/webhook_authority.hpp"

#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/ca_secret.hpp"

#include <utility>

namespace kube {
namespace asio = boost::asio;

WebhookAuthority::WebhookAuthority(Client& client, Clock& clock, WebhookConfigurations& configurations,
                                   WebhookAuthorityOptions options)
    : client_(client), clock_(clock), configurations_(configurations), options_(std::move(options)) {}

std::string WebhookAuthority::path() const {
    return "/api/v1/namespaces/" + percent_encode(options_.ns) + "/secrets";
}

Result<Authority> WebhookAuthority::fresh_authority() const {
    return make_authority(options_.secret_name, clock_.now(), options_.times.ca_lifetime);
}

asio::awaitable<Result<void>> WebhookAuthority::start(std::stop_token stop) {
    // Twice, because another replica may create the Secret between our look and our write.
    for (int round = 0; round < 2; ++round) {
        auto found = co_await read_secret(stop);
        if (!found) co_return found;
        if (usable_) co_return renew_leaf();
        auto fresh = fresh_authority();
        if (!fresh) co_return std::unexpected(std::move(fresh.error()));
        AuthoritySet set{.current = std::move(*fresh)};
        // Garbage is for the leader to replace; until then this replica serves what nobody trusts, and is not ready.
        if (!resource_version_.empty()) {
            set_ = std::move(set);
            co_return renew_leaf();
        }
        auto created = co_await create_secret(std::move(set), stop);
        if (created) co_return renew_leaf();
        if (created.error().kind != ErrorKind::already_exists) co_return created;
    }
    co_return fail(ErrorKind::conflict, "the Secret " + options_.secret_name + " appears and disappears");
}

asio::awaitable<void> WebhookAuthority::refresh(std::stop_token stop) {
    const auto looked = co_await look(stop);
    if (stop.stop_requested()) co_return;
    const auto renewed = renew_leaf();
    std::string problem;
    if (!renewed) problem = renewed.error().message;
    if (!looked && looked.error().kind != ErrorKind::cancelled) problem = looked.error().message;
    if (!problem.empty() && problem != last_error_) {
        log::warn("webhooks", "the certificate authority cannot be kept", {{"error", problem}});
    }
    last_error_ = problem;
}

asio::awaitable<Result<void>> WebhookAuthority::look(std::stop_token stop) {
    auto found = co_await read_secret(stop);
    if (!found) co_return found;
    co_await configurations_.read(stop);
    if (!options_.leads() || stop.stop_requested()) co_return Result<void>();
    auto done = usable_ ? co_await take_step(stop) : co_await recover(stop);
    if (!done) co_return done;
    co_await configurations_.put_right(bundle(), options_.leads, stop);
    co_return Result<void>();
}

asio::awaitable<Result<void>> WebhookAuthority::read_secret(std::stop_token stop) {
    ApiRequest get;
    get.path = path() + "/" + options_.secret_name;
    const auto found = co_await client_.call(std::move(get), stop);
    if (!found && found.error().kind != ErrorKind::not_found) co_return std::unexpected(found.error());
    usable_ = false;
    resource_version_.clear();
    stored_fields_.clear();
    if (!found) co_return Result<void>();
    const auto secret = parse_json(*found);
    if (!secret) co_return std::unexpected(secret.error());
    resource_version_ = string_at(*secret, {"metadata", "resourceVersion"});
    if (const auto* const data = find_at(*secret, {"data"}); data != nullptr && data->is_object()) {
        for (const auto& [name, value] : data->items()) stored_fields_.push_back(name);
    }
    auto set = read_authorities(*secret);
    const std::string refusal = set ? "" : set.error().message;
    if (set) {
        set_ = std::move(*set);
        usable_ = true;
    } else if (refusal != last_refusal_) {
        log::warn("webhooks", "the Secret of the certificate authority cannot be used; the leader replaces it",
                  {{"secret", options_.ns + "/" + options_.secret_name}, {"error", refusal}});
    }
    last_refusal_ = refusal;
    co_return Result<void>();
}

asio::awaitable<Result<void>> WebhookAuthority::create_secret(AuthoritySet set, std::stop_token stop) {
    ApiRequest create;
    create.method = "POST";
    create.path = path();
    create.body = dump_json(
        {{"apiVersion", "v1"},
         {"kind", "Secret"},
         {"type", "Opaque"},
         {"metadata", {{"name", options_.secret_name}, {"labels", {{"app.kubernetes.io/name", options_.app}}}}},
         {"data", secret_data(set)}});
    const auto created = co_await client_.call(std::move(create), stop);
    if (!created) co_return std::unexpected(created.error());
    log::info("webhooks", "created the certificate authority",
              {{"secret", options_.ns + "/" + options_.secret_name}, {"until", format_time(set.current.not_after)}});
    set_ = std::move(set);
    usable_ = true;
    co_return Result<void>();
}

/// The Secret's data becomes that of `set`, whatever else stood in it; a Secret that has changed meanwhile is left.
asio::awaitable<Result<void>> WebhookAuthority::write_secret(AuthoritySet set, std::stop_token stop) {
    nlohmann::json data = nlohmann::json::object();
    for (const std::string& name : stored_fields_) data[name] = nullptr;
    data.update(secret_data(set));
    ApiRequest write;
    write.method = "PATCH";
    write.path = path() + "/" + options_.secret_name;
    write.content_type = patch::kMerge;
    write.body = dump_json({{"metadata", {{"resourceVersion", resource_version_}}}, {"data", std::move(data)}});
    write.may_send = options_.leads;
    const auto written = co_await client_.call(std::move(write), stop);
    if (!written) co_return std::unexpected(written.error());
    set_ = std::move(set);
    usable_ = true;
    co_return Result<void>();
}

/// The Secret is gone or garbage. What this replica remembers goes on, or nobody would be served until every API server
/// has the new bundle; the new authority enters as the next one.
asio::awaitable<Result<void>> WebhookAuthority::recover(std::stop_token stop) {
    auto fresh = fresh_authority();
    if (!fresh) co_return std::unexpected(std::move(fresh.error()));
    AuthoritySet set = prepare(set_, std::move(*fresh));
    log::warn("webhooks", "the Secret of the certificate authority is written anew",
              {{"secret", options_.ns + "/" + options_.secret_name}});
    if (resource_version_.empty()) {
        auto created = co_await create_secret(std::move(set), stop);
        co_return created;
    }
    auto written = co_await write_secret(std::move(set), stop);
    co_return written;
}

std::optional<Duration> WebhookAuthority::next_trusted_for() {
    if (!set_.next || !configurations_.all_trust(set_.next->keys.certificate_pem)) {
        trusted_since_.reset();
        return std::nullopt;
    }
    if (!trusted_since_ || trusted_pem_ != set_.next->keys.certificate_pem) {
        trusted_pem_ = set_.next->keys.certificate_pem;
        trusted_since_ = clock_.steady_now();
    }
    return clock_.steady_now() - *trusted_since_;
}

asio::awaitable<Result<void>> WebhookAuthority::take_step(std::stop_token stop) {
    const WallTime now = clock_.now();
    AuthoritySet set = set_;
    const char* what = "";
    switch (due_step(set_, next_trusted_for(), now, options_.times)) {
        case RotationStep::none:
            co_return Result<void>();
        case RotationStep::prepare: {
            auto fresh = fresh_authority();
            if (!fresh) co_return std::unexpected(std::move(fresh.error()));
            set = prepare(std::move(set), std::move(*fresh));
            what = "a new certificate authority is made known";
            break;
        }
        case RotationStep::promote:
            set = promote(std::move(set), now, options_.times);
            what = "the new certificate authority signs";
            break;
        case RotationStep::retire:
            set = retire(std::move(set));
            what = "the old certificate authority is forgotten";
            break;
    }
    const std::string until = format_time(set.current.not_after);
    auto written = co_await write_secret(std::move(set), stop);
    if (written) log::info("webhooks", what, {{"until", until}});
    co_return written;
}

Result<void> WebhookAuthority::renew_leaf() {
    const WallTime now = clock_.now();
    const Authority& signer = set_.current;
    const bool due = leaf_.key_pem.empty() || now >= renew_at_;
    const bool changed = leaf_issuer_ != signer.keys.certificate_pem;
    // A signer that the bundles do not hold yet waits as long as the old certificate lives.
    if (!due && !(changed && configurations_.all_trust(signer.keys.certificate_pem))) return {};
    auto pair = issue_certificate(signer.keys, options_.leaf, now, options_.times.leaf_lifetime);
    if (!pair) return std::unexpected(std::move(pair.error()));
    const auto until = certificate_expiry(pair->certificate_pem);
    if (!until) return std::unexpected(until.error());
    leaf_ = std::move(*pair);
    leaf_issuer_ = signer.keys.certificate_pem;
    renew_at_ = renewal_time(now, *until);
    if (options_.observer != nullptr) options_.observer->on_expiry(signer.not_after, *until);
    log::info("webhooks", "certificate issued", {{"until", format_time(*until)}});
    return {};
}

}  // namespace kube
