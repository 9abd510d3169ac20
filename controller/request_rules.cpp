#include "api/text.hpp"
#include "controller/verdict_rules.hpp"

#include <utility>

// The rules about the request itself and its namespace, before any policy is looked into.

namespace endoscope::controller {

using api::Reason;
using rules::deny;
using rules::in_quotes;

RuleResult check_spec(const api::DebugRequest& request) {
    std::string message;
    for (const api::FieldError& error : api::validate(request)) {
        message.append(message.empty() ? "" : "; ").append(error.text());
    }
    if (message.empty()) return std::nullopt;
    return deny(Reason::invalid_spec, std::move(message));
}

std::expected<ImageReference, Denial> read_image(const api::DebugRequest& request) {
    auto image = parse_image_reference(request.spec.image);
    if (image) return *std::move(image);
    return std::unexpected(
        deny(Reason::invalid_image_reference,
             "spec.image: " + image.error() + "; write it as host/path:tag or host/path@sha256:..."));
}

RuleResult check_stamp(const Facts& facts) {
    switch (facts.identity) {
        case IdentityCheck::missing:
            break;
        case IdentityCheck::invalid:
            return deny(Reason::identity_invalid,
                        "spec.requester: is not what the admission webhook wrote when the request was created; "
                        "create the request anew, without spec.requester");
        case IdentityCheck::unknown_key:
            return deny(Reason::identity_invalid,
                        "spec.requester: is sealed with a key that Endoscope does not have: the key was lost or "
                        "is too old, or the seal is forged; create the request again");
        case IdentityCheck::valid:
            if (!facts.request.spec.requester || facts.request.spec.requester->username.empty()) break;
            return std::nullopt;
    }
    return deny(Reason::identity_missing,
                "spec.requester: the admission webhook has not written who asks; create the request anew, and "
                "check the webhook if that does not help");
}

RuleResult check_own_namespace(const Facts& facts) {
    const std::string& name = facts.request.namespace_name;
    if (name != facts.operator_namespace) return std::nullopt;
    return deny(Reason::namespace_protected,
                "namespace " + in_quotes(name) + " is Endoscope's own; its Pods cannot be debugged through it");
}

Denial no_policy_selects(const Facts& facts) {
    const std::string& name = facts.request.namespace_name;
    if (name == "kube-system") {
        return deny(Reason::namespace_protected,
                    "namespace \"kube-system\" is protected: a DebugPolicy must name it literally");
    }
    return deny(Reason::no_policy,
                "no DebugPolicy selects namespace " + in_quotes(name) + "; ask an administrator for one");
}

}  // namespace endoscope::controller
