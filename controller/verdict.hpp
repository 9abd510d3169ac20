#pragma once

#include "api/debug_request.hpp"
#include "controller/container.hpp"
#include "controller/pod_view.hpp"
#include "controller/policy.hpp"
#include "controller/seal.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace endoscope::controller {

/// What an authorization check (SubjectAccessReview) said.
enum class Authorization : std::uint8_t { allowed, denied, failed };

/// Sessions that hold a place now, this request's not counted. A request for several Pods is a session in each.
struct Sessions {
    std::int64_t in_namespace = 0;
    std::int64_t by_requester = 0;  ///< In the whole cluster, by the name of the subject.
    /// By the name of a Pod of the namespace: the requests ("namespace/name") with a place in it, and the container
    /// that each joins; empty for the Pod's default one. What the Pod itself shows is counted besides.
    std::map<std::string, std::map<std::string, std::string>> in_pod;
};

/// All that the verdict depends on. What is absent has not been looked up yet.
struct Facts {
    const api::DebugRequest& request;
    IdentityCheck identity = IdentityCheck::missing;
    std::string operator_namespace = {};
    std::optional<api::Labels> namespace_labels = std::nullopt;
    std::vector<std::shared_ptr<const CompiledPolicy>> policies = {};  ///< All of the cluster, in any order.
    std::optional<Authorization> impersonation = std::nullopt;         ///< Of `onBehalfOf`, by the author.
    /// patch pods/ephemeralcontainers on each of the Pods: denied where it is denied on one, allowed only on all.
    std::optional<Authorization> pod_permission = std::nullopt;
    std::map<std::string, Authorization> use_policy = {};  ///< `use` on the DebugPolicy of that name.
    /// The Pods that were chosen for the request (see `select_pods`), in that order. Empty: there is none.
    std::optional<std::vector<PodView>> pods = std::nullopt;
    Sessions sessions = {};
};

/// The look-up without which the verdict cannot go on. Do it, add the answer to the facts, judge again.
struct Need {
    enum class What : std::uint8_t {
        namespace_labels,
        impersonation,  ///< SubjectAccessReview of the author: impersonate the user of `onBehalfOf`.
        /// SubjectAccessReview of the subject for each of the chosen Pods: patch pods/ephemeralcontainers, by its name.
        /// The same review whether such a Pod exists or not; without any Pod, for all Pods of the namespace.
        pod_permission,
        use_policy,  ///< SubjectAccessReview of the subject: use debugpolicies/<policy>, in the request's namespace.
        pods,
    };
    What what = What::pods;
    std::string policy = {};  ///< For `use_policy`.
};

/// How one policy that selects the namespace judged.
struct PolicyRow {
    std::string name;
    bool accepted = false;
    api::Reason reason = api::Reason::no_policy;  ///< `allowed`, `approval_required`, or the first rule that failed.
    std::string message;
};

/// The judgement, on all Pods of the request: they are allowed together or not at all.
struct Verdict {
    bool allowed = false;
    api::Reason reason = api::Reason::no_policy;
    std::string message;                      ///< At most 1 KiB; names the field and what to do.
    std::optional<api::PolicyRef> policy;     ///< That accepted, or whose reason is reported.
    std::string image;                        ///< Canonical; empty where the reference cannot be read.
    std::vector<ContainerPlan> containers;    ///< One for each of `Facts::pods`, in that order. Only when allowed.
    std::int64_t deadline_seconds = 0;        ///< From the start of the container. Set only when allowed.
    std::int64_t start_deadline_seconds = 0;  ///< From the injection. Set only when allowed.
    std::vector<std::string> warnings;
    std::vector<PolicyRow> policies;  ///< One per policy that selects the namespace, by name.
};

/// Judges. Pure: no I/O, no clock. The rules run in the order of `api::Reason`, deny by default; a look-up is asked for
/// only once everything before it has passed. A policy accepts only what it accepts for every Pod; of several Pods that
/// it refuses, the first says why. With `Authorization::failed` the answer is `authorization_failed` unless
/// another policy accepts: not final, to be judged again later.
std::variant<Verdict, Need> judge(const Facts& facts);

/// The denial that is already certain, by the rules that can be judged from the facts at hand; rules that need a
/// look-up that has not been made are passed over. Nothing where no rule denies, which is not an allowance. For the
/// admission webhook, which looks up little.
std::optional<Verdict> expected_denial(const Facts& facts);

/// The denial of a request that cannot even be read.
Verdict invalid_spec(const api::FieldError& error);

}  // namespace endoscope::controller
