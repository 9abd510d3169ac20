#include "controller/verdict.hpp"

#include "api/text.hpp"
#include "controller/verdict_rules.hpp"

#include <algorithm>
#include <expected>
#include <utility>

namespace endoscope::controller {
namespace {

using api::Reason;

/// What to do about a fact that has not been looked up.
enum class WhenMissing : std::uint8_t {
    ask,        ///< Stop and name it.
    pass_over,  ///< Leave out the rules that need it. The answer is then good for a denial only.
};

/// A policy that selects the namespace, and how far it has come.
struct Candidate {
    const CompiledPolicy* policy;
    RuleResult denial = std::nullopt;
};

class Judge final {
  public:
    Judge(const Facts& facts, WhenMissing when_missing) : facts_(facts), when_missing_(when_missing) {}

    std::variant<Verdict, Need> run() {
        if (auto denial = check_spec()) return denied(*std::move(denial));
        if (auto denial = check_identity()) return denied(*std::move(denial));
        if (auto denial = check_own_namespace()) return denied(*std::move(denial));
        if (auto need = select_policies()) return *need;
        if (auto denial = check_selected()) return denied(*std::move(denial));
        if (auto need = authorize()) return *need;
        if (nobody_left()) return best_denial();
        if (std::holds_alternative<PodNotLookedUp>(facts_.pod) && when_missing_ == WhenMissing::ask) {
            return Need{.what = Need::What::pod};
        }
        if (auto denial = find_target()) {
            for (Candidate& candidate : candidates_) {
                if (!candidate.denial) candidate.denial = denial;
            }
            return denied(*std::move(denial));
        }
        find_denying_policy();
        for (Candidate& candidate : candidates_) {
            if (!candidate.denial) candidate.denial = check_policy(context(candidate));
        }
        if (nobody_left()) return best_denial();
        if (!facts_.namespace_labels && when_missing_ == WhenMissing::ask) {
            return Need{.what = Need::What::namespace_labels};
        }
        for (Candidate& candidate : candidates_) {
            if (!candidate.denial && pod_ != nullptr) {
                candidate.denial = check_pod_security(context(candidate), plan(candidate));
            }
        }
        return nobody_left() ? best_denial() : accepted();
    }

  private:
    const api::DebugRequestSpec& spec() const { return facts_.request.spec; }
    const std::string& namespace_name() const { return facts_.request.namespace_name; }

    RuleResult check_spec() {
        const std::vector<api::FieldError> errors = api::validate(facts_.request);
        if (!errors.empty()) {
            std::string message;
            for (const api::FieldError& error : errors)
                message.append(message.empty() ? "" : "; ").append(error.text());
            return Denial{Reason::invalid_spec, std::move(message)};
        }
        auto image = parse_image_reference(spec().image);
        if (!image) {
            return Denial{Reason::invalid_image_reference,
                          "spec.image: " + image.error() + "; write it as host/path:tag or host/path@sha256:..."};
        }
        image_ = *std::move(image);
        return std::nullopt;
    }

    RuleResult check_identity() const {
        switch (facts_.identity) {
            case IdentityCheck::missing:
                break;
            case IdentityCheck::invalid:
                return Denial{Reason::identity_invalid,
                              "spec.requester: is not what the admission webhook wrote when the request was created; "
                              "create the request anew, without spec.requester"};
            case IdentityCheck::unknown_key:
                return Denial{Reason::identity_invalid,
                              "spec.requester: is sealed with a key that Endoscope does not have: the key was lost or "
                              "is too old, or the seal is forged; create the request again"};
            case IdentityCheck::valid:
                if (!spec().requester || spec().requester->username.empty()) break;
                return std::nullopt;
        }
        return Denial{Reason::identity_missing,
                      "spec.requester: the admission webhook has not written who asks; create the request anew, and "
                      "check the webhook if that does not help"};
    }

    std::optional<Need> select_policies() {
        const api::Labels* const labels = facts_.namespace_labels ? &*facts_.namespace_labels : nullptr;
        for (const auto& policy : facts_.policies) {
            switch (policy->selects(namespace_name(), labels)) {
                case CompiledPolicy::Selection::not_selected:
                    break;
                case CompiledPolicy::Selection::needs_labels:
                    return Need{.what = Need::What::namespace_labels};
                case CompiledPolicy::Selection::selected:
                    selecting_.push_back(policy.get());
                    break;
            }
        }
        std::ranges::sort(selecting_, {}, &CompiledPolicy::name);
        return std::nullopt;
    }

    RuleResult check_own_namespace() const {
        if (namespace_name() != facts_.operator_namespace) return std::nullopt;
        return Denial{Reason::namespace_protected, "namespace \"" + namespace_name() +
                                                       "\" is Endoscope's own; its Pods cannot be debugged through it"};
    }

    RuleResult check_selected() const {
        if (!selecting_.empty()) return std::nullopt;
        if (namespace_name() == "kube-system") {
            return Denial{Reason::namespace_protected,
                          "namespace \"kube-system\" is protected: a DebugPolicy must name it literally"};
        }
        return Denial{Reason::no_policy,
                      "no DebugPolicy selects namespace \"" + namespace_name() + "\"; ask an administrator for one"};
    }

    /// Makes the selecting policies candidates, those without a right to them already denied.
    std::optional<Need> authorize() {
        for (const CompiledPolicy* const policy : selecting_) {
            Candidate candidate{.policy = policy};
            if (policy->error()) {
                candidate.denial =
                    Denial{Reason::policy_invalid, "policy \"" + policy->name() +
                                                       "\" is invalid and allows nothing: " + policy->error()->text()};
            } else if (needs_impersonation() && !facts_.impersonation && when_missing_ == WhenMissing::ask) {
                return Need{.what = Need::What::impersonation};
            } else if (auto denial = impersonation_denial()) {
                candidate.denial = *std::move(denial);
            } else if (const auto answer = authorization_of(*policy)) {
                candidate.denial = authorization_denial(*policy, *answer);
            } else if (when_missing_ == WhenMissing::ask) {
                return need_authorization(*policy);
            }
            candidates_.push_back(std::move(candidate));
        }
        return std::nullopt;
    }

    bool needs_impersonation() const { return spec().on_behalf_of_username.has_value(); }

    std::string requester() const { return "requester \"" + api::printable(spec().requester->username) + "\""; }

    /// Whose rights are asked for, for messages.
    std::string subject() const {
        if (!needs_impersonation()) return requester();
        return "\"" + api::printable(*spec().on_behalf_of_username) + "\", on whose behalf " + requester() + " asks,";
    }

    /// Says nothing about that user: only what the author may do.
    RuleResult impersonation_denial() const {
        if (!needs_impersonation() || !facts_.impersonation) return std::nullopt;
        const std::string other = "\"" + api::printable(*spec().on_behalf_of_username) + "\"";
        switch (*facts_.impersonation) {
            case Authorization::allowed:
                return std::nullopt;
            case Authorization::failed:
                return Denial{Reason::authorization_failed, "spec.onBehalfOf: whether " + requester() +
                                                                " may impersonate " + other +
                                                                " could not be checked; it will be tried again"};
            case Authorization::denied:
                break;
        }
        return Denial{Reason::not_authorized, "spec.onBehalfOf: " + requester() + " may not impersonate " + other +
                                                  "; ask for a Role with verb impersonate on that user, or leave "
                                                  "spec.onBehalfOf out"};
    }

    std::optional<Authorization> authorization_of(const CompiledPolicy& policy) const {
        switch (policy.spec().authorization) {
            case api::AuthorizationMode::pod_permission:
                return facts_.pod_permission;
            case api::AuthorizationMode::use_policy: {
                const auto found = facts_.use_policy.find(policy.name());
                if (found == facts_.use_policy.end()) return std::nullopt;
                return found->second;
            }
        }
        return Authorization::denied;
    }

    static Need need_authorization(const CompiledPolicy& policy) {
        if (policy.spec().authorization == api::AuthorizationMode::pod_permission) {
            return {.what = Need::What::pod_permission};
        }
        return {.what = Need::What::use_policy, .policy = policy.name()};
    }

    RuleResult authorization_denial(const CompiledPolicy& policy, Authorization answer) const {
        const bool by_pod = policy.spec().authorization == api::AuthorizationMode::pod_permission;
        const std::string who = subject() + " ";
        switch (answer) {
            case Authorization::allowed:
                return std::nullopt;
            case Authorization::failed:
                return Denial{Reason::authorization_failed,
                              "whether " + who + "may do this could not be checked; it will be tried again"};
            case Authorization::denied:
                break;
        }
        // The same words whether the Pod exists or not: who may not debug it is not told either.
        if (by_pod) {
            const std::string& name = spec().target.pod_name;
            return Denial{Reason::not_authorized, who + "may not patch pods/ephemeralcontainers of " +
                                                      (name.empty() ? "Pods" : "Pod \"" + name + "\"") +
                                                      " in namespace \"" + namespace_name() +
                                                      "\", or there is no such Pod; ask for a Role that allows it"};
        }
        return Denial{Reason::not_authorized, who + "may not use DebugPolicy \"" + policy.name() +
                                                  "\" in namespace \"" + namespace_name() +
                                                  "\"; ask for a Role with verb use on debugpolicies/" + policy.name()};
    }

    RuleResult find_target() {
        if (std::holds_alternative<PodAbsent>(facts_.pod)) {
            return Denial{Reason::target_not_found,
                          spec().target.pod_name.empty()
                              ? "spec.target: no running Pod of namespace \"" + namespace_name() + "\" matches"
                              : "spec.target.podName: there is no Pod \"" + spec().target.pod_name +
                                    "\" in namespace \"" + namespace_name() + "\""};
        }
        pod_ = std::get_if<PodView>(&facts_.pod);
        if (pod_ == nullptr) return std::nullopt;
        const std::string& asked = spec().target.container;
        target_ = asked.empty() ? pod_->default_target() : pod_->find_container(asked);
        return check_target(facts_.request, *pod_, target_);
    }

    /// Once for all candidates: a denial holds against every one of them, also one by an invalid policy.
    void find_denying_policy() {
        for (const CompiledPolicy* const policy : selecting_) {
            denying_pattern_ = policy->denying(image_);
            if (denying_pattern_ == nullptr) continue;
            denying_policy_ = policy;
            return;
        }
    }

    RuleContext context(const Candidate& candidate) const {
        return {.facts = facts_,
                .policy = *candidate.policy,
                .image = image_,
                .denying_policy = denying_policy_,
                .denying_pattern = denying_pattern_,
                .is_authorized = authorization_of(*candidate.policy) == Authorization::allowed &&
                                 (!needs_impersonation() || facts_.impersonation == Authorization::allowed),
                .pod = pod_,
                .target = target_};
    }

    bool nobody_left() const {
        return std::ranges::all_of(candidates_, [](const auto& candidate) { return candidate.denial.has_value(); });
    }

    Verdict start(bool allowed, Reason reason, std::string message) const {
        Verdict verdict;
        verdict.allowed = allowed;
        verdict.reason = reason;
        verdict.message = api::truncated(std::move(message), api::bounds::kMessage);
        if (!image_.path.empty()) verdict.image = image_.canonical();
        for (const Candidate& candidate : candidates_) {
            PolicyRow row{.name = candidate.policy->name(), .accepted = !candidate.denial, .message = {}};
            row.reason = candidate.denial                    ? candidate.denial->reason
                         : wants_approval(*candidate.policy) ? Reason::approval_required
                                                             : Reason::allowed;
            if (candidate.denial) row.message = api::truncated(candidate.denial->message, api::bounds::kMessage);
            verdict.policies.push_back(std::move(row));
        }
        return verdict;
    }

    static bool wants_approval(const CompiledPolicy& policy) {
        return policy.spec().approval && policy.spec().approval->required > 0;
    }

    Verdict denied(Denial denial) const { return start(false, denial.reason, std::move(denial.message)); }

    /// The denial of the policy that got furthest; of several, the first by name. A check that failed outweighs any,
    /// since with its answer the policy might have accepted: nothing final may follow from it.
    Verdict best_denial() const {
        const auto rank = [](const Candidate& candidate) {
            const bool unknown = candidate.denial->reason == Reason::authorization_failed;
            return std::pair(unknown, candidate.denial->reason);
        };
        const auto best = std::ranges::max_element(candidates_, {}, rank);
        Verdict verdict = denied(*best->denial);
        verdict.policy = reference(*best->policy);
        return verdict;
    }

    ContainerPlan plan(const Candidate& candidate) const {
        // The rules of the policy have passed, so that there is a security context.
        return ContainerPlan{
            .name = container_name(facts_.request, pod_->uid),
            .image = image_.canonical(),
            .has_digest = !image_.digest.empty(),
            .target_container = target_->name,
            .profile = spec().profile,
            .security_context = resolve_security_context(context(candidate)).value_or(api::SecurityContext{})};
    }

    /// Some policy accepts: the first by name that does not ask for approval, else the first that does.
    Verdict accepted() const {
        const auto accepts = [](const Candidate& each) { return !each.denial.has_value(); };
        auto found = std::ranges::find_if(
            candidates_, [&](const Candidate& each) { return accepts(each) && !wants_approval(*each.policy); });
        if (found == candidates_.end()) return approval_required(*std::ranges::find_if(candidates_, accepts)->policy);

        const CompiledPolicy& policy = *found->policy;
        Verdict verdict = start(true, Reason::allowed, "allowed by policy \"" + policy.name() + "\"");
        verdict.policy = reference(policy);
        if (pod_ != nullptr && target_ != nullptr) {
            verdict.container = plan(*found);
            warn_of_root(verdict.container->security_context, verdict.warnings);
        }
        const api::PolicyLimits& limits = policy.spec().limits;
        verdict.deadline_seconds =
            spec().deadline_seconds.value_or(std::min(limits.default_deadline_seconds, limits.max_deadline_seconds));
        verdict.start_deadline_seconds = limits.start_deadline_seconds;
        return verdict;
    }

    Verdict approval_required(const CompiledPolicy& policy) const {
        const std::int64_t wanted = policy.spec().approval->required;
        Verdict verdict = start(false, Reason::approval_required,
                                "policy \"" + policy.name() + "\" accepts the request once " + std::to_string(wanted) +
                                    (wanted == 1 ? " other person has" : " other people have") + " approved it");
        verdict.policy = reference(policy);
        return verdict;
    }

    void warn_of_root(const api::SecurityContext& context, std::vector<std::string>& warnings) const {
        if (context.run_as_non_root != true || context.run_as_user) return;
        const std::string profile = "profile " + spec().profile;
        if (!pod_->run_as_user) {
            warnings.push_back(profile +
                               " sets no user and the Pod names none: the kubelet will refuse an image that runs as "
                               "root; set spec.runAs.user");
        } else if (*pod_->run_as_user == 0) {
            warnings.push_back("the Pod runs as user 0, which the kubelet refuses with " + profile +
                               "; set spec.runAs.user");
        }
    }

    static api::PolicyRef reference(const CompiledPolicy& policy) {
        return {.name = policy.name(), .uid = policy.uid(), .generation = policy.generation()};
    }

    const Facts& facts_;
    const WhenMissing when_missing_;
    ImageReference image_;
    std::vector<const CompiledPolicy*> selecting_;  // By name.
    std::vector<Candidate> candidates_;             // By name.
    const CompiledPolicy* denying_policy_ = nullptr;
    const ImagePattern* denying_pattern_ = nullptr;
    const PodView* pod_ = nullptr;
    const PodView::Container* target_ = nullptr;
};

}  // namespace

std::variant<Verdict, Need> judge(const Facts& facts) {
    return Judge(facts, WhenMissing::ask).run();
}

std::optional<Verdict> expected_denial(const Facts& facts) {
    auto result = Judge(facts, WhenMissing::pass_over).run();
    auto* const verdict = std::get_if<Verdict>(&result);
    if (verdict == nullptr || verdict->allowed) return std::nullopt;
    return std::move(*verdict);
}

Verdict invalid_spec(const api::FieldError& error) {
    Verdict verdict;
    verdict.reason = Reason::invalid_spec;
    verdict.message = api::truncated(error.text(), api::bounds::kMessage);
    return verdict;
}

}  // namespace endoscope::controller
