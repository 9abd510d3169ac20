#include "controller/not_yet.hpp"

namespace endoscope::controller {

Verdict as_carried_out(Verdict verdict) {
    if (verdict.reason == api::Reason::approval_required) {
        verdict.message += "; this version takes no approvals yet, so that the request is denied";
    }
    return verdict;
}

}  // namespace endoscope::controller
