#include "controller/cluster.hpp"

#include "controller/access_review.hpp"
#include "controller/target_selection.hpp"
#include "kube/base/json.hpp"
#include "kube/base/log.hpp"
#include "kube/client/list_splitter.hpp"
#include "kube/client/status.hpp"
#include "kube/runtime/reviews.hpp"

#include <algorithm>

namespace endoscope::controller {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kKeptLog = std::size_t{64} << 10;
constexpr std::size_t kMaxLog = std::size_t{256} << 20;           ///< Kubelet turns a container's log over at 10 MiB.
constexpr kube::Duration kLogTimeout = std::chrono::seconds(10);  ///< The record of an end waits for it.
constexpr int kPodPage = 500;
constexpr const char* kPolicies = "/apis/endoscope.dev/v1alpha1/debugpolicies";

std::string pod_path(const std::string& ns, const std::string& name) {
    return "/api/v1/namespaces/" + kube::percent_encode(ns) + "/pods/" + kube::percent_encode(name);
}

std::string request_path(const StoredRequest& request) {
    return "/apis/endoscope.dev/v1alpha1/namespaces/" + kube::percent_encode(request.ns) + "/debugrequests/" +
           kube::percent_encode(request.name);
}

kube::Result<std::string> to_version(const std::string& body) {
    const auto json = kube::parse_json(body);
    if (!json) return std::unexpected(json.error());
    return kube::string_at(*json, {"metadata", "resourceVersion"});
}

kube::Result<PodView> to_pod(std::string_view body) {
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

asio::awaitable<kube::Result<std::vector<PodView>>> Cluster::find_pods(std::string ns, api::Target target,
                                                                       std::stop_token stop) {
    // Memory must not depend on how many Pods there are: after each page only the best stay.
    std::vector<PodView> best;
    const auto keep_best = [&] {
        std::vector<const PodView*> all;
        for (const PodView& pod : best) all.push_back(&pod);
        std::vector<PodView> chosen;
        for (const PodView* const pod : select_pods(target, all)) chosen.push_back(*pod);
        best = std::move(chosen);
    };
    std::string next;
    do {
        kube::ApiRequest request;
        request.path = "/api/v1/namespaces/" + kube::percent_encode(ns) + "/pods";
        request.query = {{"limit", std::to_string(kPodPage)}};
        if (target.selector && !target.selector->empty())
            request.query.emplace_back("labelSelector", api::to_string(*target.selector));
        if (!next.empty()) request.query.emplace_back("continue", next);
        kube::ListSplitter splitter([&](std::string_view item) -> kube::Result<void> {
            auto pod = to_pod(item);
            if (!pod) return std::unexpected(pod.error());
            if (matches(*pod, target)) best.push_back(std::move(*pod));
            return {};
        });
        auto listed = co_await client_.stream(
            std::move(request), [&splitter](std::string_view piece) { return splitter.feed(piece); }, stop);
        if (listed) listed = splitter.finish();
        if (!listed) co_return std::unexpected(listed.error());
        keep_best();
        next = splitter.continue_token();
    } while (!next.empty());
    co_return best;
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

asio::awaitable<kube::Result<std::string>> Cluster::patch(std::string path, nlohmann::json changes,
                                                          std::stop_token stop) {
    kube::ApiRequest request;
    request.method = "PATCH";
    request.path = std::move(path);
    request.may_send = gate_.may_send;
    request.timeout = gate_.timeout;
    request.priority = kube::RequestPriority::high;
    request.content_type = kube::patch::kMerge;
    request.body = kube::dump_json(changes);
    request.idempotent = true;
    co_return co_await client_.call(std::move(request), stop);
}

asio::awaitable<kube::Result<std::string>> Cluster::write_status(std::shared_ptr<const StoredRequest> request,
                                                                 std::string version, api::DebugRequestStatus status,
                                                                 std::stop_token stop) {
    nlohmann::json body = {{"metadata", {{"uid", request->uid}, {"resourceVersion", std::move(version)}}},
                           {"status", status_patch(status)}};
    const auto written = co_await patch(request_path(*request) + "/status", std::move(body), stop);
    if (!written) co_return std::unexpected(written.error());
    co_return to_version(*written);
}

asio::awaitable<kube::Result<std::string>> Cluster::set_finalizer(std::shared_ptr<const StoredRequest> request,
                                                                  std::string version,
                                                                  std::vector<std::string> finalizers, bool present,
                                                                  std::stop_token stop) {
    std::erase(finalizers, api::kFinalizer);
    if (present) finalizers.emplace_back(api::kFinalizer);
    nlohmann::json body = {
        {"metadata",
         {{"uid", request->uid}, {"resourceVersion", std::move(version)}, {"finalizers", std::move(finalizers)}}}};
    const auto written = co_await patch(request_path(*request), std::move(body), stop);
    if (!written) co_return std::unexpected(written.error());
    co_return to_version(*written);
}

asio::awaitable<kube::Result<std::string>> Cluster::read_log(std::string ns, std::string pod, std::string container,
                                                             std::int64_t tail_lines, std::stop_token stop) {
    kube::ApiRequest request;
    request.path = pod_path(ns, pod) + "/log";
    // No limitBytes: it counts from the beginning of the last lines, and it is their end that is wanted.
    request.query = {{"container", std::move(container)}, {"tailLines", std::to_string(tail_lines)}};
    request.accept = "text/plain";
    request.timeout = kLogTimeout;
    std::string tail;
    std::size_t received = 0;
    const auto keep = [&](std::string_view piece) -> kube::Result<void> {
        received += piece.size();
        if (received > kMaxLog) return kube::fail(kube::ErrorKind::malformed, "the log does not end");
        tail += piece.substr(piece.size() - std::min(piece.size(), kKeptLog));
        if (tail.size() > kKeptLog) tail.erase(0, tail.size() - kKeptLog);
        return {};
    };
    const auto read = co_await client_.stream(std::move(request), keep, stop);
    if (!read) co_return std::unexpected(read.error());
    co_return tail;
}

asio::awaitable<kube::Result<void>> Cluster::evict(std::string ns, std::string pod, std::string pod_uid,
                                                   std::stop_token stop) {
    const nlohmann::json eviction = {{"apiVersion", "policy/v1"},
                                     {"kind", "Eviction"},
                                     {"metadata", {{"namespace", ns}, {"name", pod}}},
                                     {"deleteOptions", {{"preconditions", {{"uid", std::move(pod_uid)}}}}}};
    kube::ApiRequest request;
    request.method = "POST";
    request.path = pod_path(ns, pod) + "/eviction";
    request.may_send = gate_.may_send;
    request.timeout = gate_.timeout;
    request.body = kube::dump_json(eviction);
    request.idempotent = true;  // a Pod that is being deleted costs no budget anything
    request.max_attempts = 1;   // how long to wait for a budget is for the caller to say
    const auto evicted = co_await client_.call(std::move(request), stop);
    if (!evicted) co_return std::unexpected(evicted.error());
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> Cluster::remove_request(std::shared_ptr<const StoredRequest> request,
                                                            std::stop_token stop) {
    const nlohmann::json options = {
        {"apiVersion", "v1"},
        {"kind", "DeleteOptions"},
        {"preconditions", {{"uid", request->uid}, {"resourceVersion", request->resource_version}}}};
    kube::ApiRequest removal;
    removal.method = "DELETE";
    removal.path = request_path(*request);
    removal.may_send = gate_.may_send;
    removal.timeout = gate_.timeout;
    removal.priority = kube::RequestPriority::low;
    removal.body = kube::dump_json(options);
    removal.idempotent = true;
    const auto removed = co_await client_.call(std::move(removal), stop);
    if (!removed) co_return std::unexpected(removed.error());
    co_return kube::Result<void>();
}

asio::awaitable<kube::Result<void>> Cluster::write_policy_status(std::string name, std::string uid,
                                                                 api::DebugPolicyStatus status, std::stop_token stop) {
    nlohmann::json body = {
        {"metadata", {{"uid", std::move(uid)}}},
        {"status", {{"observedGeneration", nullptr}, {"message", nullptr}, {"conditions", nullptr}}}};
    const nlohmann::json present = api::to_json(status);
    for (const auto& [key, value] : present.items()) body["status"][key] = value;
    const std::string path = std::string(kPolicies) + "/" + kube::percent_encode(name) + "/status";
    const auto written = co_await patch(path, std::move(body), stop);
    if (!written) co_return std::unexpected(written.error());
    co_return kube::Result<void>();
}

}  // namespace endoscope::controller
