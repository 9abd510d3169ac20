#pragma once

#include "api/debug_request.hpp"
#include "api/label_selector.hpp"
#include "controller/pod_view.hpp"
#include "controller/policy.hpp"
#include "controller/stored_request.hpp"
#include "controller/verdict.hpp"
#include "kube/client/client.hpp"
#include "kube/runtime/admission.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace endoscope::controller {

/// `metadata.labels` of an object.
api::Labels labels_of(const nlohmann::json& object);

/// What holds back the writes of a replica that does not lead.
struct WriteGate {
    std::function<bool()> may_send;  ///< See `kube::ApiRequest`. Empty: always.
    /// Of each write: one that is sent in the last moment of a leadership must be over before another leads.
    std::optional<kube::Duration> timeout;
};

/// Every call that reconciling a request or a policy makes to the API server, one function each.
class Cluster {
  public:
    explicit Cluster(kube::Client& client, WriteGate gate = {}) : client_(client), gate_(std::move(gate)) {}

    /// Whether this replica leads, as far as it can know right now.
    bool may_write() const { return !gate_.may_send || gate_.may_send(); }

    boost::asio::awaitable<kube::Result<PodView>> get_pod(std::string ns, std::string name, std::stop_token stop);
    /// The Pods that a selector or a workload chooses now (see `select_pods`), best first.
    boost::asio::awaitable<kube::Result<std::vector<PodView>>> find_pods(std::string ns, api::Target target,
                                                                         std::stop_token stop);
    /// Labels of a namespace, read live.
    boost::asio::awaitable<kube::Result<api::Labels>> get_namespace_labels(std::string ns, std::stop_token stop);
    /// All policies, read live and consistently: before a denial that a cache lagging behind could have caused.
    boost::asio::awaitable<kube::Result<std::vector<std::shared_ptr<const CompiledPolicy>>>> list_policies(
        std::stop_token stop);

    /// May the user `patch pods/ephemeralcontainers` on that very Pod? Each of these asks anew: no answer is kept.
    boost::asio::awaitable<Authorization> may_patch_pod(kube::UserInfo user, std::string ns, std::string pod,
                                                        std::stop_token stop);
    /// May the user `use` that DebugPolicy in that namespace?
    boost::asio::awaitable<Authorization> may_use_policy(kube::UserInfo user, std::string ns, std::string policy,
                                                         std::stop_token stop);
    /// May the user `impersonate` the user of that name?
    boost::asio::awaitable<Authorization> may_impersonate(kube::UserInfo user, std::string other, std::stop_token stop);

    /// Adds `container` to the Pod by one strategic merge PATCH that carries the Pod's UID. With a name and content
    /// that depend only on request and Pod, sending it twice adds nothing. Returns the Pod as it then is.
    boost::asio::awaitable<kube::Result<PodView>> inject(std::string ns, std::string pod, std::string pod_uid,
                                                         nlohmann::json container, bool dry_run, std::stop_token stop);

    /// Records `status`, provided `request` is as it was at `version`: a write that arrives late, sent before this one
    /// or by a former leader, is a conflict. Returns the resourceVersion written.
    boost::asio::awaitable<kube::Result<std::string>> write_status(std::shared_ptr<const StoredRequest> request,
                                                                   std::string version, api::DebugRequestStatus status,
                                                                   std::stop_token stop);

    /// Adds `api::kFinalizer` to the request, or takes it away, provided the request is as it was at `version`, with
    /// these `finalizers`: others' stay. Returns the resourceVersion written. `not_found` where the request is gone,
    /// `conflict` where it has changed.
    boost::asio::awaitable<kube::Result<std::string>> set_finalizer(std::shared_ptr<const StoredRequest> request,
                                                                    std::string version,
                                                                    std::vector<std::string> finalizers, bool present,
                                                                    std::stop_token stop);

    /// The end of a container's log as it was written, not cleaned of anything (see `log_tail`): at most its last
    /// `tail_lines` lines, and of these at most the last 64 KiB.
    boost::asio::awaitable<kube::Result<std::string>> read_log(std::string ns, std::string pod, std::string container,
                                                               std::int64_t tail_lines, std::stop_token stop);

    /// Asks for the end of the Pod with `pod_uid` by the Eviction API, once. `too_many_requests`: a
    /// PodDisruptionBudget does not allow it now (`Error::causes` has DisruptionBudget), or the server is busy.
    /// `not_found`: there is no Pod of that name; `conflict`: that one is gone and another has its name (of a Pending
    /// Pod the API server says so after 10 s only); `server`, 500: several budgets cover it, which no retry changes.
    boost::asio::awaitable<kube::Result<void>> evict(std::string ns, std::string pod, std::string pod_uid,
                                                     std::stop_token stop);
    /// Deletes the request, provided it is as it was when it was read: one that changed since is a conflict.
    boost::asio::awaitable<kube::Result<void>> remove_request(std::shared_ptr<const StoredRequest> request,
                                                              std::stop_token stop);

    /// Records the status of a policy, provided it is still the one with `uid`.
    boost::asio::awaitable<kube::Result<void>> write_policy_status(std::string name, std::string uid,
                                                                   api::DebugPolicyStatus status, std::stop_token stop);

  private:
    /// A merge PATCH; returns the object as it then is.
    boost::asio::awaitable<kube::Result<std::string>> patch(std::string path, nlohmann::json changes,
                                                            std::stop_token stop);
    /// An API server that has just started knows no roles yet and denies everything to everybody: a denial counts only
    /// when the server, asked after a first one, said that it is ready (/readyz covers its caches) and denied again.
    boost::asio::awaitable<Authorization> review(kube::UserInfo user, nlohmann::json attributes, std::stop_token stop);
    boost::asio::awaitable<Authorization> review_once(std::string review, std::stop_token stop);
    kube::Client& client_;
    WriteGate gate_;
};

}  // namespace endoscope::controller
