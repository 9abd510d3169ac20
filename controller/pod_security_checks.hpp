#pragma once

#include "controller/pod_security_subject.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace endoscope::controller {

// The controls of the Pod Security Standards. For the files pod_security*.cpp and their tests only. The rules, the
// versions and the texts are those of k8s.io/pod-security-admission v0.37.0, which has all of the versions before.

/// Why a control refuses a Pod.
struct PodSecurityFinding {
    std::string reason;
    std::string detail;
};

/// One control, in all its versions.
struct PodSecurityControl {
    /// Judges a Pod by the rules of v1.<minor>, which is not before `since`.
    using Check = std::optional<PodSecurityFinding> (*)(const PodSecuritySubject& pod, std::int64_t minor);

    std::string_view id;
    std::int64_t since = 0;  ///< The minor version that introduced it.
    Check check = nullptr;
    std::string_view overrides = {};  ///< Id of the control of `baseline` that this one of `restricted` replaces.
};

/// In the order in which findings are reported, that of the ids.
std::span<const PodSecurityControl> baseline_controls();
std::span<const PodSecurityControl> restricted_controls();

// Parts of `baseline` that `restricted` uses, too.
std::optional<PodSecurityFinding> check_proc_mount(const PodSecuritySubject& pod, std::int64_t minor);
std::optional<PodSecurityFinding> check_seccomp_types(const PodSecuritySubject& pod);

inline constexpr std::string_view kAppArmorAnnotationPrefix = "container.apparmor.security.beta.kubernetes.io/";
inline constexpr std::string_view kSeccompPodAnnotation = "seccomp.security.alpha.kubernetes.io/pod";
inline constexpr std::string_view kSeccompContainerAnnotationPrefix = "container.seccomp.security.alpha.kubernetes.io/";

/// Whether an annotation with this key names a seccomp or AppArmor profile.
inline bool names_profile(std::string_view key) {
    return key == kSeccompPodAnnotation || key.starts_with(kAppArmorAnnotationPrefix) ||
           key.starts_with(kSeccompContainerAnnotationPrefix);
}

/// Whether the Pod has its own user namespace, in which some controls allow more from v1.35 on.
inline bool is_relaxed_by_user_namespace(const PodSecuritySubject& pod, std::int64_t minor) {
    constexpr std::int64_t kSince = 35;
    return minor >= kSince && pod.host_users.has_value() && !*pod.host_users;
}

inline bool is_one_of(std::span<const std::string_view> texts, std::string_view text) {
    return std::ranges::find(texts, text) != texts.end();
}

// How the texts are made.

/// `one` if there is one of it, else `several`.
inline std::string_view plural(std::size_t count, std::string_view one, std::string_view several) {
    return count == 1 ? one : several;
}

/// The texts with the separator between them.
template <class Texts>
std::string join(const Texts& texts, std::string_view separator) {
    std::string result;
    for (const std::string& text : texts) {
        if (&text != &*texts.begin()) result += separator;
        result += text;
    }
    return result;
}

/// `"a", "b"`, with nothing escaped.
template <class Texts>
std::string quoted(const Texts& texts) {
    return '"' + join(texts, R"(", ")") + '"';
}

/// The texts, none of them empty, with a space between them.
std::string words(std::initializer_list<std::string_view> texts);

/// `container "a"` or `containers "a", "b"`.
std::string containers_text(const std::vector<std::string>& names);

/// The names of the containers that `is_bad` holds for, in order.
std::vector<std::string> containers_where(const PodSecuritySubject& pod,
                                          const std::function<bool(const PodSecuritySubject::Container&)>& is_bad);

/// Where a security context is that `is_bad` holds for: `pod`, `container "a"`, `pod and container "a"`, or nothing.
std::string setters_where(const PodSecuritySubject& pod,
                          const std::function<bool(const PodSecuritySubject::SecurityContext&)>& is_bad);

/// The text as a string literal of Go (verb %q): in quotes, with all escaped that cannot be printed.
std::string go_quoted(std::string_view text);

}  // namespace endoscope::controller
