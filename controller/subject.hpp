#pragma once

#include "api/debug_request.hpp"
#include "kube/runtime/admission.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace endoscope::controller {

/// A ServiceAccount, as its user name spells it.
struct ServiceAccountName {
    std::string ns;
    std::string name;
};

/// The ServiceAccount of that user name (`system:serviceaccount:<namespace>:<name>`); nothing for other users, and for
/// names that only look like one. Source: k8s.io/apiserver pkg/authentication/serviceaccount, SplitUsername.
std::optional<ServiceAccountName> service_account_of(std::string_view username);

/// Who created the request, with all that admission stamped.
kube::UserInfo author_of(const api::DebugRequestSpec& spec);

/// Whose rights count: the user of `onBehalfOf`, else the author. Of the former only the name is known, so that they
/// have the groups which the API server gives to an impersonated name (`kubectl --as`): `system:authenticated`, and
/// those of a service account. Rights that come by other groups are not theirs here: fewer, never more.
/// Source: k8s.io/apiserver pkg/endpoints/filters/impersonation.go.
kube::UserInfo subject_of(const api::DebugRequestSpec& spec);

/// The user name of the subject, who also holds the places that `limits.maxActivePerRequester` counts.
std::string subject_name(const api::DebugRequestSpec& spec);

}  // namespace endoscope::controller
