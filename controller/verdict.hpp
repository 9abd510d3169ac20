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

struct PodNotLookedUp {};
struct PodAbsent {};

/// Sessions that hold a place now, this request not counted.
struct Sessions {
    std::int64_t in_namespace = 0;
    std::int64_t by_requester = 0;  ///< In the whole cluster, by the name of the subject.
    /// Requests ("namespace/name") with a place in this Pod, and the container that each joins; empty for the Pod's
    /// default one. What the Pod itself shows is counted besides.
    std::map<std::string, std::string> in_pod;
};

/// All that the verdict depends on. What is absent has not been looked up yet.
struct Facts {
    const api::DebugRequest& request;
    IdentityCheck identity = IdentityCheck::missing;
    std::string operator_namespace = {};
    std::optional<api::Labels> namespace_labels = std::nullopt;
    std::vector<std::shared_ptr<const CompiledPolicy>> policies = {};  ///< All of the cluster, in any order.
    std::optional<Authorization> impersonation = std::nullopt;         ///< Of `onBehalfOf`, by the author.
    std::optional<Authorization> pod_permission = std::nullopt;        ///< patch pods/ephemeralcontainers on the Pod.
    std::map<std::string, Authorization> use_policy = {};              ///< `use` on the DebugPolicy of that name.
    std::variant<PodNotLookedUp, PodAbsent, PodView> pod = {};
    Sessions sessions = {};
};

/// The look-up without which the verdict cannot go on. Do it, add the answer to the facts, judge again.
struct Need {
    enum class What : std::uint8_t {
        namespace_labels,
        impersonation,   ///< SubjectAccessReview of the author: impersonate the user of `onBehalfOf`.
        pod_permission,  ///< SubjectAccessReview of the subject: patch pods/ephemeralcontainers, the target's name.
        use_policy,  ///< SubjectAccessReview of the subject: use debugpolicies/<policy>, in the request's namespace.
        pod,
    };
    What what = What::pod;
    std::string policy = {};  ///< For `use_policy`.
};

/// How one policy that selects the namespace judged.
struct PolicyRow {
    std::string name;
    bool accepted = false;
    api::Reason reason = api::Reason::no_policy;  ///< `allowed`, `approval_required`, or the first rule that failed.
    std::string message;
};

/// The judgement.
struct Verdict {
    bool allowed = false;
    api::Reason reason = api::Reason::no_policy;
    std::string message;                      ///< At most 1 KiB; names the field and what to do.
    std::optional<api::PolicyRef> policy;     ///< That accepted, or whose reason is reported.
    std::string image;                        ///< Canonical; empty where the reference cannot be read.
    std::optional<ContainerPlan> container;   ///< Set only when allowed.
    std::int64_t deadline_seconds = 0;        ///< From the start of the container. Set only when allowed.
    std::int64_t start_deadline_seconds = 0;  ///< From the injection. Set only when allowed.
    std::vector<std::string> warnings;
    std::vector<PolicyRow> policies;  ///< One per policy that selects the namespace, by name.
};

/// Judges. Pure: no I/O, no clock. The rules run in the order of `api::Reason`, deny by default; a look-up is asked for
/// only once everything before it has passed. With `Authorization::failed` the answer is `authorization_failed` unless
/// another policy accepts: not final, to be judged again later.
std::variant<Verdict, Need> judge(const Facts& facts);

/// The denial that is already certain, by the rules that can be judged from the facts at hand; rules that need a
/// look-up that has not been made are passed over. Nothing where no rule denies, which is not an allowance. For the
/// admission webhook, which looks up little.
std::optional<Verdict> expected_denial(const Facts& facts);

/// The denial of a request that cannot even be read.
Verdict invalid_spec(const api::FieldError& error);

}  // namespace endoscope::controller
