#include "controller/verdict.hpp"

#include "api/text.hpp"
#include "controller/verdict_rules.hpp"

#include <algorithm>
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

    bool accepts() const { return !denial; }
};

/// A Pod of the request, and the container in it whose processes are joined.
struct Target {
    const PodView* pod = nullptr;
    const PodView::Container* container = nullptr;
};

bool wants_approval(const CompiledPolicy& policy) {
    return policy.spec().approval && policy.spec().approval->required > 0;
}

api::PolicyRef reference(const CompiledPolicy& policy) {
    return {.name = policy.name(), .uid = policy.uid(), .generation = policy.generation()};
}

class Judge final {
  public:
    Judge(const Facts& facts, WhenMissing when_missing) : facts_(facts), when_missing_(when_missing) {}

    std::variant<Verdict, Need> run() {
        if (auto denial = check_request()) return denied(*std::move(denial));
        if (auto need = select_policies()) return *need;
        if (selecting_.empty()) return denied(no_policy_selects(facts_));
        if (auto need = authorize()) return *need;
        if (nobody_left()) return best_denial();
        if (!facts_.pods && must_ask()) return Need{.what = Need::What::pods};
        if (auto denial = find_targets()) {
            for (Candidate& candidate : candidates_) {
                if (candidate.accepts()) candidate.denial = denial;
            }
            return denied(*std::move(denial));
        }
        find_denying_policy();
        check_every_target(check_policy);
        if (nobody_left()) return best_denial();
        if (!facts_.namespace_labels && must_ask()) return Need{.what = Need::What::namespace_labels};
        check_every_target(check_pod_security);
        return nobody_left() ? best_denial() : accepted();
    }

  private:
    bool must_ask() const { return when_missing_ == WhenMissing::ask; }

    RuleResult check_request() {
        if (auto denial = check_spec(facts_.request)) return denial;
        auto image = read_image(facts_.request);
        if (!image) return std::move(image.error());
        image_ = *std::move(image);
        if (auto denial = check_stamp(facts_)) return denial;
        return check_own_namespace(facts_);
    }

    std::optional<Need> select_policies() {
        const api::Labels* const labels = facts_.namespace_labels ? &*facts_.namespace_labels : nullptr;
        for (const auto& policy : facts_.policies) {
            switch (policy->selects(facts_.request.namespace_name, labels)) {
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

    /// Makes the selecting policies candidates, those without a right to them already denied.
    std::optional<Need> authorize() {
        for (const CompiledPolicy* const policy : selecting_) {
            Candidate candidate{.policy = policy};
            if (policy->error()) {
                candidate.denial =
                    Denial{Reason::policy_invalid, "policy \"" + policy->name() +
                                                       "\" is invalid and allows nothing: " + policy->error()->text()};
            } else if (auto need = missing_authorization(facts_, *policy); need && must_ask()) {
                return need;
            } else {
                candidate.denial = check_authorization(facts_, *policy);
            }
            candidates_.push_back(std::move(candidate));
        }
        return std::nullopt;
    }

    /// Finds the Pods, and in each the container to join, unless nobody knows yet whether the requester may be told
    /// anything about them.
    RuleResult find_targets() {
        const bool may_know = std::ranges::any_of(candidates_, [&](const Candidate& candidate) {
            return candidate.accepts() && is_authorized(facts_, *candidate.policy);
        });
        if (!facts_.pods || !may_know) return std::nullopt;
        if (facts_.pods->empty()) return target_not_found(facts_.request);
        targets_.clear();
        const std::string& asked = facts_.request.spec.target.container;
        for (const PodView& pod : *facts_.pods) {
            const PodView::Container* const container =
                asked.empty() ? pod.default_target() : pod.find_container(asked);
            if (auto denial = check_target(facts_.request, pod, container)) return denial;
            targets_.push_back({.pod = &pod, .container = container});
        }
        return std::nullopt;
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

    RuleContext context(const Candidate& candidate, const Target& target) const {
        return {.facts = facts_,
                .policy = *candidate.policy,
                .image = image_,
                .denying_policy = denying_policy_,
                .denying_pattern = denying_pattern_,
                .is_authorized = is_authorized(facts_, *candidate.policy),
                .pod = target.pod,
                .target = target.container};
    }

    /// Has each candidate that is left check every Pod; its first denial stands.
    void check_every_target(RuleResult (*check)(const RuleContext&)) {
        for (Candidate& candidate : candidates_) {
            for (const Target& target : targets_) {
                if (candidate.accepts()) candidate.denial = check(context(candidate, target));
            }
        }
    }

    bool nobody_left() const { return std::ranges::none_of(candidates_, &Candidate::accepts); }

    Verdict start(bool allowed, Reason reason, std::string message) const {
        Verdict verdict;
        verdict.allowed = allowed;
        verdict.reason = reason;
        verdict.message = api::truncated(std::move(message), api::bounds::kMessage);
        if (!image_.path.empty()) verdict.image = image_.canonical();
        for (const Candidate& candidate : candidates_) {
            PolicyRow row{.name = candidate.policy->name(), .accepted = candidate.accepts(), .message = {}};
            row.reason = candidate.denial                    ? candidate.denial->reason
                         : wants_approval(*candidate.policy) ? Reason::approval_required
                                                             : Reason::allowed;
            if (candidate.denial) row.message = api::truncated(candidate.denial->message, api::bounds::kMessage);
            verdict.policies.push_back(std::move(row));
        }
        return verdict;
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

    /// Some policy accepts: the first by name that does not ask for approval, else the first that does.
    Verdict accepted() const {
        const auto found = std::ranges::find_if(
            candidates_, [](const Candidate& each) { return each.accepts() && !wants_approval(*each.policy); });
        if (found == candidates_.end()) {
            return approval_required(*std::ranges::find_if(candidates_, &Candidate::accepts)->policy);
        }
        const CompiledPolicy& policy = *found->policy;
        Verdict verdict = start(true, Reason::allowed, "allowed by policy \"" + policy.name() + "\"");
        verdict.policy = reference(policy);
        for (const Target& target : targets_) {
            if (target.pod != nullptr) verdict.containers.push_back(plan_container(context(*found, target)));
        }
        verdict.warnings = warnings_on(facts_, verdict.containers);
        const api::PolicyLimits& limits = policy.spec().limits;
        verdict.deadline_seconds = facts_.request.spec.deadline_seconds.value_or(
            std::min(limits.default_deadline_seconds, limits.max_deadline_seconds));
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

    const Facts& facts_;
    const WhenMissing when_missing_;
    ImageReference image_;
    std::vector<const CompiledPolicy*> selecting_;  // By name.
    std::vector<Candidate> candidates_;             // By name.
    const CompiledPolicy* denying_policy_ = nullptr;
    const ImagePattern* denying_pattern_ = nullptr;
    // In the order of `Facts::pods`. While nothing is known of them one that is empty: the rules that need no Pod are
    // checked all the same.
    std::vector<Target> targets_ = std::vector<Target>(1);
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
