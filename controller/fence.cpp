#include "controller/fence.hpp"

#include "controller/installer.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/base/yaml.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace endoscope::controller {
namespace asio = boost::asio;

std::string_view embedded_fence_yaml();

namespace {

const std::string kGroupPath = "/apis/admissionregistration.k8s.io/v1";
constexpr const char* kOwner = "endoscope.dev/dev";  ///< Annotation: the URL of the process that installed the object.

std::string collection_of(const nlohmann::json& object) {
    const bool is_binding = kube::string_at(object, {"kind"}) == "ValidatingAdmissionPolicyBinding";
    return kGroupPath + (is_binding ? "/validatingadmissionpolicybindings" : "/validatingadmissionpolicies");
}

std::string path_of(const nlohmann::json& object) {
    return collection_of(object) + "/" + kube::string_at(object, {"metadata", "name"});
}

asio::awaitable<kube::Result<nlohmann::json>> get(kube::Client& client, std::string path, std::stop_token stop) {
    kube::ApiRequest request;
    request.path = std::move(path);
    const auto body = co_await client.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    co_return kube::parse_json(*body);
}

/// Whether a group of the discovery has that resource.
bool lists(const nlohmann::json& group, std::string_view resource) {
    const auto* const resources = kube::find_at(group, {"resources"});
    return resources != nullptr && resources->is_array() &&
           std::ranges::any_of(*resources,
                               [&](const nlohmann::json& each) { return kube::string_at(each, {"name"}) == resource; });
}

/// Who we are for the API server.
asio::awaitable<kube::Result<std::string>> own_username(kube::Client& client, std::stop_token stop) {
    kube::ApiRequest request;
    request.method = "POST";
    request.path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    request.body = R"({"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"})";
    request.idempotent = true;
    const auto body = co_await client.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    const auto review = kube::parse_json(*body);
    if (!review) co_return std::unexpected(review.error());
    std::string username = kube::string_at(*review, {"status", "userInfo", "username"});
    if (username.empty()) co_return kube::fail(kube::ErrorKind::malformed, "a SelfSubjectReview without a user name");
    co_return username;
}

}  // namespace

std::string fence_yaml() {
    std::string text(embedded_fence_yaml());
    if (!text.starts_with("---")) text.insert(0, "---\n");
    return text;
}

std::vector<nlohmann::json> fence_objects(const std::string& username, const std::string& owner) {
    auto objects = kube::parse_yaml(fence_yaml());
    if (!objects) throw std::logic_error("the embedded fence is not YAML: " + objects.error().message);
    for (nlohmann::json& object : *objects) {
        object["metadata"]["annotations"][kOwner] = owner;
        if (!object["spec"].contains("variables")) continue;
        for (nlohmann::json& variable : object["spec"]["variables"]) {
            // A JSON text is a CEL expression.
            if (variable["name"] == "operators") variable["expression"] = kube::dump_json({username});
        }
    }
    return std::move(*objects);
}

asio::awaitable<kube::Result<bool>> can_have_fence(kube::Client& client, std::stop_token stop) {
    const auto group = co_await get(client, kGroupPath, stop);
    if (!group && group.error().kind != kube::ErrorKind::not_found) {
        kube::log::warn("installer", "cannot find out whether there can be a fence",
                        {{"error", group.error().message}});
        co_return std::unexpected(group.error());
    }
    if (group && lists(*group, "validatingadmissionpolicies")) co_return true;
    kube::log::warn("installer",
                    "there is no fence: before Kubernetes 1.30 nothing keeps those who may patch "
                    "pods/ephemeralcontainers from adding debug containers past every policy");
    co_return false;
}

asio::awaitable<kube::Result<void>> install_fence(kube::Client& client, std::string owner, std::stop_token stop) {
    const auto username = co_await own_username(client, stop);
    if (!username) co_return std::unexpected(username.error());
    const std::vector<nlohmann::json> objects = fence_objects(*username, owner);
    for (const nlohmann::json& object : objects) {
        const auto found = co_await get(client, path_of(object), stop);
        if (!found && found.error().kind != kube::ErrorKind::not_found) co_return std::unexpected(found.error());
        if (found && kube::string_at(*found, {"metadata", "annotations", kOwner}).empty()) {
            co_return kube::fail(kube::ErrorKind::config,
                                 "a fence is installed that is not dev's (" + path_of(object) +
                                     ") and guards another operator; remove it, or run without --fence");
        }
    }
    for (const nlohmann::json& object : objects) {
        const auto applied = co_await apply(client, collection_of(object), object, stop);
        if (!applied) co_return std::unexpected(applied.error());
    }
    kube::log::info("installer", "the fence is installed", {{"operator", *username}});
    co_return kube::Result<void>();
}

asio::awaitable<void> remove_fence(kube::Client& client, std::string owner, std::stop_token stop) {
    std::vector<nlohmann::json> objects = fence_objects("", owner);
    std::ranges::reverse(objects);
    for (const nlohmann::json& object : objects) {
        const std::string path = path_of(object);
        const auto found = co_await get(client, path, stop);
        if (!found || kube::string_at(*found, {"metadata", "annotations", kOwner}) != owner) continue;
        kube::ApiRequest remove;
        remove.method = "DELETE";
        remove.path = path;
        const auto removed = co_await client.call(std::move(remove), stop);
        if (!removed)
            kube::log::warn("installer", "cannot remove a part of the fence",
                            {{"path", path}, {"error", removed.error().message}});
    }
}

}  // namespace endoscope::controller
