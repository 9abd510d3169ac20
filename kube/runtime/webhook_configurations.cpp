#include "kube/runtime/webhook_configurations.hpp"

#include "kube/base/base64.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/net/certificates.hpp"

#include <algorithm>
#include <array>

namespace kube {
namespace asio = boost::asio;

namespace {

std::string kind_of(const nlohmann::json& configuration) {
    return string_at(configuration, {"kind"});
}

std::string name_of(const nlohmann::json& object) {
    return string_at(object, {"metadata", "name"});
}

std::string path_of(const nlohmann::json& configuration) {
    const bool mutating = kind_of(configuration) == "MutatingWebhookConfiguration";
    return std::string("/apis/admissionregistration.k8s.io/v1/") + (mutating ? "mutating" : "validating") +
           "webhookconfigurations/" + name_of(configuration);
}

const nlohmann::json& webhooks_of(const nlohmann::json& configuration) {
    static const nlohmann::json kNone = nlohmann::json::array();
    const auto* const webhooks = find_at(configuration, {"webhooks"});
    return webhooks != nullptr && webhooks->is_array() ? *webhooks : kNone;
}

const nlohmann::json* find_webhook(const nlohmann::json& configuration, const std::string& name) {
    for (const nlohmann::json& webhook : webhooks_of(configuration)) {
        if (string_at(webhook, {"name"}) == name) return &webhook;
    }
    return nullptr;
}

/// The bundle as PEM; empty when there is none or it is no base64.
std::string bundle_in(const nlohmann::json& webhook) {
    return base64_decode(string_at(webhook, {"clientConfig", "caBundle"})).value_or("");
}

/// A field with its default: an absent selector and `{}` mean the same, and so do absent and empty lists.
nlohmann::json member(const nlohmann::json& webhook, const char* field) {
    const auto* const value = find_at(webhook, {field});
    return value == nullptr || value->empty() ? nlohmann::json() : *value;
}

}  // namespace

std::vector<std::string> weaknesses(const nlohmann::json& installed, const nlohmann::json& expected) {
    static constexpr std::array<const char*, 5> kFields = {"failurePolicy", "rules", "namespaceSelector",
                                                           "objectSelector", "matchConditions"};
    std::vector<std::string> found;
    for (const nlohmann::json& wanted : webhooks_of(expected)) {
        const std::string name = string_at(wanted, {"name"});
        const auto* const webhook = find_webhook(installed, name);
        if (webhook == nullptr) continue;  // told as what keeps us from being ready
        for (const char* field : kFields) {
            const nlohmann::json is = member(*webhook, field);
            const nlohmann::json should = member(wanted, field);
            if (is == should) continue;
            found.push_back(name + ": " + field + " is " + dump_json(is) + " instead of " + dump_json(should));
        }
    }
    return found;
}

std::optional<nlohmann::json> bundle_patch(const nlohmann::json& installed, const nlohmann::json& expected,
                                           const std::string& bundle_pem) {
    const std::string encoded = base64_encode(bundle_pem);
    nlohmann::json webhooks = nlohmann::json::array();
    for (const nlohmann::json& wanted : webhooks_of(expected)) {
        const std::string name = string_at(wanted, {"name"});
        const auto* const webhook = find_webhook(installed, name);
        if (webhook == nullptr || string_at(*webhook, {"clientConfig", "caBundle"}) == encoded) continue;
        webhooks.push_back({{"name", name}, {"clientConfig", {{"caBundle", encoded}}}});
    }
    if (webhooks.empty()) return std::nullopt;
    return nlohmann::json{{"metadata", {{"resourceVersion", string_at(installed, {"metadata", "resourceVersion"})}}},
                          {"webhooks", std::move(webhooks)}};
}

std::string trust_problem(const nlohmann::json& installed, const nlohmann::json& expected, const std::string& chain_pem,
                          WallTime now) {
    const std::string where = kind_of(expected) + " " + name_of(expected);
    for (const nlohmann::json& wanted : webhooks_of(expected)) {
        const std::string name = string_at(wanted, {"name"});
        const auto* const webhook = find_webhook(installed, name);
        if (webhook == nullptr) return where + " lacks the webhook " + name;
        const std::string bundle = bundle_in(*webhook);
        if (bundle.empty()) return "the webhook " + name + " in " + where + " has no caBundle yet";
        const auto verified = verify_server_chain(chain_pem, bundle, now);
        if (!verified) {
            return "the caBundle of the webhook " + name + " in " + where +
                   " does not trust the certificate that is served: " + verified.error().message;
        }
    }
    return "";
}

WebhookConfigurations::WebhookConfigurations(Client& client, std::vector<nlohmann::json> expected, std::string remedy,
                                             WebhookTrustObserver* observer)
    : client_(client), remedy_(std::move(remedy)), observer_(observer) {
    for (nlohmann::json& one : expected) entries_.push_back({.expected = std::move(one)});
}

asio::awaitable<void> WebhookConfigurations::read(std::stop_token stop) {
    std::size_t weak = 0;
    for (Entry& entry : entries_) {
        ApiRequest get;
        get.path = path_of(entry.expected);
        const auto found = co_await client_.call(std::move(get), stop);
        if (stop.stop_requested()) co_return;
        if (found) {
            auto object = parse_json(*found);
            if (object) entry.installed = std::move(*object);
            entry.error = object ? "" : "cannot be read: " + object.error().message;
        } else if (found.error().kind == ErrorKind::not_found) {
            entry.installed = nullptr;
            entry.error = "is not installed; " + remedy_;
        } else if (!is_retryable(found.error())) {
            entry.error = "cannot be read: " + found.error().message;
        }
        check(entry);
        weak += weaknesses(entry.installed, entry.expected).size();
    }
    if (observer_ != nullptr) observer_->on_checked(weak);
}

void WebhookConfigurations::check(Entry& entry) {
    std::string all;
    for (const std::string& one : weaknesses(entry.installed, entry.expected)) all += (all.empty() ? "" : "; ") + one;
    if (all == entry.noted) return;
    entry.noted = all;
    if (all.empty()) return;
    log::warn("webhooks", "a webhook configuration guards less than it should",
              {{"kind", kind_of(entry.expected)}, {"name", name_of(entry.expected)}, {"differs", all}});
}

asio::awaitable<void> WebhookConfigurations::put_right(std::string bundle_pem, std::function<bool()> may_send,
                                                       std::stop_token stop) {
    for (Entry& entry : entries_) {
        const auto change = bundle_patch(entry.installed, entry.expected, bundle_pem);
        if (!change) continue;
        ApiRequest write;
        write.method = "PATCH";
        write.path = path_of(entry.expected);
        write.content_type = patch::kStrategicMerge;
        write.body = dump_json(*change);
        write.may_send = may_send;
        const auto patched = co_await client_.call(std::move(write), stop);
        if (!patched) {
            if (patched.error().kind == ErrorKind::cancelled) co_return;
            log::warn("webhooks", "cannot write the caBundle",
                      {{"kind", kind_of(entry.expected)}, {"error", patched.error().message}});
            continue;
        }
        if (auto object = parse_json(*patched)) entry.installed = std::move(*object);
        if (observer_ != nullptr) observer_->on_bundle_written();
        log::info("webhooks", "wrote the caBundle",
                  {{"kind", kind_of(entry.expected)}, {"name", name_of(entry.expected)}});
    }
}

bool WebhookConfigurations::all_trust(const std::string& certificate_pem) const {
    return std::ranges::all_of(entries_, [&](const Entry& entry) {
        return std::ranges::all_of(webhooks_of(entry.expected), [&](const nlohmann::json& wanted) {
            const auto* const webhook = find_webhook(entry.installed, string_at(wanted, {"name"}));
            return webhook != nullptr && bundle_in(*webhook).contains(certificate_pem);
        });
    });
}

std::string WebhookConfigurations::problem(const std::string& chain_pem, WallTime now) const {
    for (const Entry& entry : entries_) {
        if (!entry.error.empty()) return kind_of(entry.expected) + " " + name_of(entry.expected) + " " + entry.error;
        std::string why = trust_problem(entry.installed, entry.expected, chain_pem, now);
        if (!why.empty()) return why;
    }
    return "";
}

}  // namespace kube
