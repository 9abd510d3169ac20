#include "controller/cluster.hpp"

#include "controller/access_review.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/runtime/reviews.hpp"

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

constexpr const char* kPolicies = "/apis/endoscope.dev/v1alpha1/debugpolicies";

std::string pod_path(const std::string& ns, const std::string& name) {
    return "/api/v1/namespaces/" + kube::percent_encode(ns) + "/pods/" + kube::percent_encode(name);
}

kube::Result<PodView> to_pod(const std::string& body) {
    const auto json = kube::parse_json(body);
    if (!json) return std::unexpected(json.error());
    auto pod = parse_pod(*json);
    if (!pod)
        return kube::fail(kube::ErrorKind::malformed, "the API server's Pod cannot be read: " + pod.error().text());
    return std::move(*pod);
}

/// The status as a merge patch: absent fields are null, so that nothing stale (or written by somebody else) survives.
nlohmann::json status_patch(const api::DebugRequestStatus& status) {
    nlohmann::json patch = {{"phase", nullptr},      {"reason", nullptr},      {"message", nullptr},
                            {"policy", nullptr},     {"image", nullptr},       {"targets", nullptr},
                            {"startedAt", nullptr},  {"finishedAt", nullptr},  {"expiresAt", nullptr},
                            {"conditions", nullptr}, {"logsCommand", nullptr}, {"attachCommand", nullptr}};
    const nlohmann::json present = api::to_json(status);
    for (const auto& [key, value] : present.items()) patch[key] = value;
    return patch;
}

}  // namespace

api::Labels labels_of(const nlohmann::json& object) {
    api::Labels labels;
    const auto* found = kube::find_at(object, {"metadata", "labels"});
    if (found == nullptr || !found->is_object()) return labels;
    for (const auto& [key, value] : found->items()) {
        if (value.is_string()) labels[key] = value.get<std::string>();
    }
    return labels;
}

asio::awaitable<kube::Result<PodView>> Cluster::get_pod(std::string ns, std::string name, std::stop_token stop) {
    kube::ApiRequest request;
    request.path = pod_path(ns, name);
    const auto body = co_await client_.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    co_return to_pod(*body);
}

asio::awaitable<kube::Result<api::Labels>> Cluster::get_namespace_labels(std::string ns, std::stop_token stop) {
    kube::ApiRequest request;
    request.path = "/api/v1/namespaces/" + kube::percent_encode(ns);
    const auto body = co_await client_.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    const auto json = kube::parse_json(*body);
    if (!json) co_return std::unexpected(json.error());
    co_return labels_of(*json);
}

asio::awaitable<kube::Result<std::vector<std::shared_ptr<const CompiledPolicy>>>> Cluster::list_policies(
    std::stop_token stop) {
    kube::ApiRequest request;
    request.path = kPolicies;
    const auto body = co_await client_.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    const auto json = kube::parse_json(*body);
    if (!json) co_return std::unexpected(json.error());
    std::vector<std::shared_ptr<const CompiledPolicy>> policies;
    const auto* items = kube::find_at(*json, {"items"});
    if (items != nullptr && items->is_array()) {
        for (const auto& item : *items) policies.push_back(CompiledPolicy::from_json(item));
    }
    co_return policies;
}

asio::awaitable<Authorization> Cluster::review_once(std::string review, std::stop_token stop) {
    kube::ApiRequest request;
    request.method = "POST";
    request.path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    request.body = std::move(review);
    request.idempotent = true;
    const auto answer = co_await client_.call(std::move(request), stop);
    const Authorization authorization = read_authorization(answer);
    const bool was_stopped = !answer && answer.error().kind == kube::ErrorKind::cancelled;
    if (authorization == Authorization::failed && !was_stopped) {
        kube::log::warn("reconciler", "access review failed; not taken as an allowance",
                        {{"error", answer ? "the answer cannot be relied on" : answer.error().message}});
    }
    co_return authorization;
}

asio::awaitable<Authorization> Cluster::review(kube::UserInfo user, nlohmann::json attributes, std::stop_token stop) {
    const std::string review = kube::access_review(user, std::move(attributes));
    const Authorization first = co_await review_once(review, stop);
    if (first != Authorization::denied) co_return first;
    kube::ApiRequest request;
    request.path = "/readyz";
    request.max_attempts = 1;  // what failed is looked at again anyway
    const auto ready = co_await client_.call(std::move(request), stop);
    if (!ready && kube::is_retryable(ready.error())) {
        kube::log::info("reconciler", "a denial of an API server that is not ready does not count",
                        {{"error", ready.error().message}});
        co_return Authorization::failed;
    }
    const Authorization second = co_await review_once(review, stop);
    co_return second;
}

asio::awaitable<Authorization> Cluster::may_patch_pod(kube::UserInfo user, std::string ns, std::string pod,
                                                      std::stop_token stop) {
    co_return co_await review(std::move(user), to_patch_pod(ns, pod), stop);
}

asio::awaitable<Authorization> Cluster::may_use_policy(kube::UserInfo user, std::string ns, std::string policy,
                                                       std::stop_token stop) {
    co_return co_await review(std::move(user), to_use_policy(ns, policy), stop);
}

asio::awaitable<Authorization> Cluster::may_impersonate(kube::UserInfo user, std::string other, std::stop_token stop) {
    co_return co_await review(std::move(user), to_impersonate(other), stop);
}

asio::awaitable<kube::Result<PodView>> Cluster::inject(std::string ns, std::string pod, std::string pod_uid,
                                                       nlohmann::json container, bool dry_run, std::stop_token stop) {
    const nlohmann::json patch = {{"metadata", {{"uid", pod_uid}}},
                                  {"spec", {{"ephemeralContainers", nlohmann::json::array({std::move(container)})}}}};
    kube::ApiRequest request;
    request.method = "PATCH";
    request.path = pod_path(ns, pod) + "/ephemeralcontainers";
    request.query = {{"fieldValidation", "Strict"}};
    if (dry_run) {
        request.query.emplace_back("dryRun", "All");
    } else {
        request.may_send = gate_.may_send;
        request.timeout = gate_.timeout;
    }
    request.priority = kube::RequestPriority::high;
    request.content_type = kube::patch::kStrategicMerge;
    request.body = kube::dump_json(patch);
    request.idempotent = true;
    const auto body = co_await client_.call(std::move(request), stop);
    if (!body) co_return std::unexpected(body.error());
    co_return to_pod(*body);
}

asio::awaitable<kube::Result<std::string>> Cluster::patch_status(std::string path, nlohmann::json metadata,
                                                                 nlohmann::json status, std::stop_token stop) {
    const nlohmann::json patch = {{"metadata", std::move(metadata)}, {"status", std::move(status)}};
    kube::ApiRequest request;
    request.method = "PATCH";
    request.path = std::move(path) + "/status";
    request.may_send = gate_.may_send;
    request.timeout = gate_.timeout;
    request.priority = kube::RequestPriority::high;
    request.content_type = kube::patch::kMerge;
    request.body = kube::dump_json(patch);
    request.idempotent = true;
    co_return co_await client_.call(std::move(request), stop);
}

asio::awaitable<kube::Result<std::string>> Cluster::write_status(std::shared_ptr<const StoredRequest> request,
                                                                 std::string version, api::DebugRequestStatus status,
                                                                 std::stop_token stop) {
    const std::string path = "/apis/endoscope.dev/v1alpha1/namespaces/" + kube::percent_encode(request->ns) +
                             "/debugrequests/" + kube::percent_encode(request->name);
    const auto body = co_await patch_status(path, {{"uid", request->uid}, {"resourceVersion", std::move(version)}},
                                            status_patch(status), stop);
    if (!body) co_return std::unexpected(body.error());
    const auto json = kube::parse_json(*body);
    if (!json) co_return std::unexpected(json.error());
    co_return kube::string_at(*json, {"metadata", "resourceVersion"});
}

asio::awaitable<kube::Result<void>> Cluster::write_policy_status(std::string name, std::string uid,
                                                                 api::DebugPolicyStatus status, std::stop_token stop) {
    nlohmann::json patch = {{"observedGeneration", nullptr}, {"message", nullptr}, {"conditions", nullptr}};
    const nlohmann::json present = api::to_json(status);
    for (const auto& [key, value] : present.items()) patch[key] = value;
    const std::string path = std::string(kPolicies) + "/" + kube::percent_encode(name);
    const auto body = co_await patch_status(path, {{"uid", std::move(uid)}}, std::move(patch), stop);
    if (!body) co_return std::unexpected(body.error());
    co_return kube::Result<void>();
}

}  // namespace endoscope::controller
