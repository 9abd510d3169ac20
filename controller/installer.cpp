#include "controller/installer.hpp"

#include "controller/manifests.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"

#include <nlohmann/json.hpp>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

constexpr std::string_view kCrdsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr int kServedAttempts = 100;
constexpr kube::Duration kServedDelay = std::chrono::milliseconds(100);

std::string webhook_path(const std::string& kind) {
    const std::string plural =
        kind == "MutatingWebhookConfiguration" ? "mutatingwebhookconfigurations" : "validatingwebhookconfigurations";
    return "/apis/admissionregistration.k8s.io/v1/" + plural;
}

kube::ApiRequest get(std::string path) {
    kube::ApiRequest request;
    request.path = std::move(path);
    return request;
}

}  // namespace

asio::awaitable<kube::Result<void>> apply(kube::Client& client, std::string collection, nlohmann::json object,
                                          std::stop_token stop) {
    kube::ApiRequest create;
    create.method = "POST";
    create.path = collection;
    create.body = kube::dump_json(object);
    const auto created = co_await client.call(std::move(create), stop);
    if (created) co_return kube::Result<void>();
    if (created.error().kind != kube::ErrorKind::already_exists) co_return std::unexpected(created.error());
    kube::ApiRequest patch;
    patch.method = "PATCH";
    patch.path = collection + "/" + kube::string_at(object, {"metadata", "name"});
    patch.content_type = kube::patch::kMerge;
    patch.body = kube::dump_json(object);
    patch.idempotent = true;
    const auto patched = co_await client.call(std::move(patch), stop);
    if (!patched) co_return std::unexpected(patched.error());
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> install_crds(kube::Client& client, kube::Clock& clock, std::stop_token stop) {
    for (const nlohmann::json& crd : embedded_crds()) {
        const auto applied = co_await apply(client, std::string(kCrdsPath), crd, stop);
        if (!applied) co_return std::unexpected(applied.error());
    }
    // A list right after the creation answers 404, or 429 while its storage is made ready.
    kube::Result<void> served;
    for (int attempt = 0; attempt < kServedAttempts; ++attempt) {
        served = co_await require_crds(client, stop);
        if (served || stop.stop_requested()) break;
        co_await kube::sleep_for(clock, kServedDelay, stop);
    }
    co_return served;
}

asio::awaitable<kube::Result<void>> require_crds(kube::Client& client, std::stop_token stop) {
    const std::vector<std::string> resources = {"debugrequests", "debugpolicies"};
    for (const std::string& resource : resources) {
        auto request = get("/apis/endoscope.dev/v1alpha1/" + resource);
        request.query = {{"limit", "1"}};
        const auto listed = co_await client.call(std::move(request), stop);
        if (listed) continue;
        if (listed.error().kind == kube::ErrorKind::not_found) {
            co_return kube::fail(
                kube::ErrorKind::config,
                "the CustomResourceDefinition " + resource +
                    ".endoscope.dev is not installed; run: endoscope-operator manifests crds | kubectl "
                    "apply --server-side -f -");
        }
        co_return std::unexpected(listed.error());
    }
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> ensure_namespace(kube::Client& client, std::string ns, std::stop_token stop) {
    const auto found = co_await client.call(get("/api/v1/namespaces/" + kube::percent_encode(ns)), stop);
    if (found) co_return kube::Result<void>();
    if (found.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(found.error());
    const nlohmann::json object = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}};
    auto applied = co_await apply(client, "/api/v1/namespaces", object, stop);
    co_return applied;
}

asio::awaitable<kube::Result<void>> install_webhooks(kube::Client& client, std::string url, std::string ca_pem,
                                                     std::stop_token stop) {
    for (const nlohmann::json& configuration : webhook_configurations(url, ca_pem)) {
        const std::string kind = configuration["kind"].get<std::string>();
        const auto applied = co_await apply(client, webhook_path(kind), configuration, stop);
        if (!applied) co_return std::unexpected(applied.error());
    }
    co_return kube::Result<void>();
}

asio::awaitable<void> remove_webhooks(kube::Client& client, std::string url, std::stop_token stop) {
    for (const nlohmann::json& configuration : webhook_configurations(url, "")) {
        const std::string path =
            webhook_path(configuration["kind"].get<std::string>()) + "/" + std::string(kWebhookName);
        const auto found = co_await client.call(get(path), stop);
        if (!found) continue;
        const auto installed = kube::parse_json(*found);
        if (!installed) continue;
        const auto* webhooks = kube::find_at(*installed, {"webhooks"});
        const bool ours = webhooks != nullptr && webhooks->is_array() && !webhooks->empty() &&
                          kube::string_at((*webhooks)[0], {"clientConfig", "url"}).starts_with(url + "/");
        if (!ours) {
            kube::log::info("installer", "left a webhook configuration that points elsewhere", {{"path", path}});
            continue;
        }
        kube::ApiRequest remove;
        remove.method = "DELETE";
        remove.path = path;
        const auto removed = co_await client.call(std::move(remove), stop);
        if (!removed)
            kube::log::warn("installer", "cannot remove a webhook configuration",
                            {{"path", path}, {"error", removed.error().message}});
    }
}

asio::awaitable<kube::Result<std::string>> check_server(kube::Client& client, std::stop_token stop) {
    auto first = get("/version");
    first.max_attempts = 1;  // the caller waits and says for what
    const auto version = co_await client.call(std::move(first), stop);
    if (!version) co_return std::unexpected(version.error());
    const auto json = kube::parse_json(*version);
    if (!json) co_return std::unexpected(json.error());
    const auto resources = co_await client.call(get("/api/v1"), stop);
    if (!resources) co_return std::unexpected(resources.error());
    const std::string git_version = kube::string_at(*json, {"gitVersion"});
    if (!resources->contains("pods/ephemeralcontainers")) {
        co_return kube::fail(kube::ErrorKind::config,
                             "this API server (" + git_version +
                                 ") has no pods/ephemeralcontainers; Endoscope needs Kubernetes "
                                 "1.25 or newer");
    }
    co_return git_version;
}

}  // namespace endoscope::controller
