#include "controller/not_yet.hpp"

namespace endoscope::controller {
namespace {

constexpr const char* kNamePod = "is not carried out yet by this version; name one Pod in spec.target.podName";

}  // namespace

std::optional<api::FieldError> not_yet(const api::DebugRequest& request) {
    const api::DebugRequestSpec& spec = request.spec;
    if (spec.target.selector) return api::FieldError{"spec.target.selector", kNamePod};
    if (spec.target.workload) return api::FieldError{"spec.target.workload", kNamePod};
    if (spec.output_tail_lines) {
        return api::FieldError{"spec.output",
                               "is not carried out yet by this version; leave it out and read the log with kubectl "
                               "logs"};
    }
    return std::nullopt;
}

Verdict as_carried_out(Verdict verdict) {
    if (verdict.reason == api::Reason::approval_required) {
        verdict.message += "; this version takes no approvals yet, so that the request is denied";
    }
    return verdict;
}

}  // namespace endoscope::controller
