#include "api/debug_policy.hpp"
#include "api/text.hpp"
#include "controller/policy.hpp"
#include "controller/verdict.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <memory>
#include <variant>

namespace endoscope::fuzz {
namespace {

using controller::CompiledPolicy;
using controller::ImageReference;
using controller::Verdict;
using Policies = std::vector<std::shared_ptr<const CompiledPolicy>>;

constexpr const char* kImages[] = {"busybox:1.36",
                                   "ghcr.io/acme/tools:1@sha256:"
                                   "5eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb05eb0"};

api::DebugRequest request_for(const char* image, const std::string& profile) {
    api::DebugRequest request =
        api::parse_debug_request({{"metadata", {{"name", "r"}, {"namespace", "production"}, {"uid", "ru"}}},
                                  {"spec",
                                   {{"reason", "INC-1: slow"},
                                    {"target", {{"podName", "web"}}},
                                    {"image", image},
                                    {"requester", {{"username", "alice"}}}}}})
            .value();
    request.spec.profile = profile;
    return request;
}

const controller::PodView& pod() {
    static const controller::PodView view =
        controller::parse_pod(nlohmann::json::parse(R"({"metadata":{"namespace":"production","name":"web","uid":"pu",
            "labels":{"app":"web"}},"spec":{"nodeName":"n1","containers":[{"name":"nginx"}],
            "securityContext":{"runAsNonRoot":true,"runAsUser":1000}},"status":{"phase":"Running"}})"))
            .value();
    return view;
}

/// A policy that allows what `request_for` asks for with `restricted`.
std::shared_ptr<const CompiledPolicy> open_policy() {
    static const auto policy =
        CompiledPolicy::from_json(nlohmann::json::parse(R"({"metadata":{"name":"zz-open","uid":"o"},
        "spec":{"namespaces":{"names":["production"]},"images":{"allow":["**"]},"profiles":["restricted"]}})"));
    return policy;
}

Verdict judged(const api::DebugRequest& request, Policies policies, bool use_allowed = true) {
    controller::Facts facts{.request = request};
    facts.identity = controller::IdentityCheck::valid;
    facts.operator_namespace = "endoscope-system";
    facts.namespace_labels = api::Labels{{"tier", "prod"}};
    const auto use = use_allowed ? controller::Authorization::allowed : controller::Authorization::denied;
    for (const auto& policy : policies) facts.use_policy[policy->name()] = use;
    facts.policies = std::move(policies);
    facts.pod_permission = use;
    facts.pods = {pod()};
    const auto verdict = controller::judge(facts);
    require(std::holds_alternative<Verdict>(verdict), "nothing is left to look up");
    return std::get<Verdict>(verdict);
}

bool selects(const CompiledPolicy& policy) {
    const api::Labels labels = {{"tier", "prod"}};
    return policy.selects("production", &labels) == CompiledPolicy::Selection::selected;
}

/// An allowance by this policy alone has every ground that it needs.
void check_allowance(const CompiledPolicy& policy, const api::DebugRequest& request, const ImageReference& image,
                     const Verdict& verdict) {
    require(!policy.error(), "an invalid policy never allows");
    require(selects(policy), "a policy allows only where it selects");
    require(!policy.spec().images.allow.empty(), "an empty list of images allows none");
    require(policy.allowing(image) != nullptr, "a pattern allows the image");
    require(policy.denying(image) == nullptr, "no pattern denies the image");
    require(policy.profile(request.spec.profile) != nullptr, "the profile is one of the policy's");
    require(!policy.spec().images.require_digest || !image.digest.empty(), "a digest is there where it must be");
    require(policy.reason_matches(request.spec.reason), "the reason is of the form that is asked for");
    require(!policy.spec().approval || policy.spec().approval->required == 0, "nothing is allowed without approval");
    require(verdict.containers.size() == 1 && verdict.containers.front().image == image.canonical(),
            "the image is canonical");
    require(verdict.deadline_seconds >= 1 && verdict.deadline_seconds <= policy.spec().limits.max_deadline_seconds,
            "the deadline is within the policy's");
    require(verdict.policy.has_value() && verdict.policy->name == policy.name(), "the policy is named");
}

void check_verdicts(const std::shared_ptr<const CompiledPolicy>& policy) {
    for (const char* const image_text : kImages) {
        const ImageReference image = controller::parse_image_reference(image_text).value();
        require(policy->denying(image) == nullptr ||
                    policy->denying(image)->matches(image, controller::ImagePattern::Use::deny),
                "what denies matches");
        for (const std::string profile : {"restricted", "sysadmin", "custom"}) {
            const api::DebugRequest request = request_for(image_text, profile);
            const Verdict verdict = judged(request, {policy});
            require(is_one_line(verdict.message) && verdict.message.size() <= api::bounds::kMessage,
                    "a verdict has a message of one line");
            if (verdict.allowed) check_allowance(*policy, request, image, verdict);
            require(!judged(request, {policy}, false).allowed, "nobody is allowed without the right");
        }
        // Beside a policy that allows: only its deny patterns can take that away, and they always do.
        const bool denied = selects(*policy) && policy->denying(image) != nullptr;
        const api::DebugRequest request = request_for(image_text, "restricted");
        require(judged(request, {open_policy(), policy}).allowed == !denied, "a deny pattern counts in every policy");
        require(judged(request, {policy, open_policy()}).allowed == !denied, "the order of policies does not matter");
    }
}

void check_error(const api::FieldError& error) {
    require(is_one_line(error.field), "an error names its field on one line");
    require(is_one_line(error.message), "an error is one line");
    require(!api::has_control_characters(error.text()), "an error can be printed");
}

}  // namespace
}  // namespace endoscope::fuzz

/// The input: JSON, as the API server would hand it out.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace endoscope::fuzz;
    const auto document = json_of(text_of(data, size));
    if (!document) return 0;
    const auto parsed = endoscope::api::parse_debug_policy(*document);
    const auto same = endoscope::api::parse_debug_policy(without_nulls(*document));
    require(!parsed || (same.has_value() && *parsed == *same), "null is the same as absent");
    const auto policy = CompiledPolicy::from_json(*document);
    if (!parsed) require(policy->error().has_value(), "what cannot be read is invalid");
    if (parsed) require(policy->spec() == parsed->spec, "a policy keeps what was read");
    if (policy->error()) check_error(*policy->error());
    check_verdicts(policy);
    return 0;
}
