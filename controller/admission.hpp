#pragma once

#include "api/label_selector.hpp"
#include "controller/policy.hpp"
#include "controller/seal.hpp"
#include "kube/runtime/admission.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace endoscope::controller {

inline constexpr std::string_view kMutatePath = "/mutate-endoscope-dev-v1alpha1-debugrequest";
inline constexpr std::string_view kValidatePath = "/validate-endoscope-dev-v1alpha1-debugrequest";

/// What the admission steps know besides the review. Everything is in memory: a review never waits for a call of ours.
struct AdmissionContext {
    kube::Clock& clock;
    std::function<std::shared_ptr<const SealKeyRing>()> keys;  ///< nullptr: there are none now, and `no_keys` says why.
    std::function<std::string()> no_keys;
    std::function<void()> on_unknown_key;  ///< A seal names a key that is not among them.
    std::function<std::vector<std::shared_ptr<const CompiledPolicy>>()> policies;
    std::function<std::optional<api::Labels>(const std::string& ns)> namespace_labels;
    std::function<std::string()> random_suffix;  ///< Five characters for `generateName`.
    std::string operator_namespace;
    /// Whether a denial that is certain already is a refusal, and not only a warning.
    bool deny_at_admission = false;
};

/// The mutating step. On CREATE it overwrites `spec.requester` with the authenticated user, whatever the author wrote,
/// and seals it; it chooses the name where there is only a generateName, since the seal covers it. On UPDATE it
/// restores the requester of the stored object, so that a second apply neither clears nor forges it, and refuses any
/// other change of the spec, with a name for the request to create instead.
kube::AdmissionResponse mutate_debug_request(const AdmissionContext& context, const kube::AdmissionRequest& request);

/// The validating step. Refuses what does not parse, and a requester that is not the authenticated user (another
/// admission plugin changed it). Everything else is admitted, so that a denial is on record, and an expected denial is
/// told as a warning; with `deny_at_admission` it is refused with 403, and nothing is on record but the audit line.
/// Both rest on caches: on a policy of the same moment the answer can be behind.
kube::AdmissionResponse validate_debug_request(const AdmissionContext& context, const kube::AdmissionRequest& request);

}  // namespace endoscope::controller
