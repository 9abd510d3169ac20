#include "controller/pod_security.hpp"
#include "controller/verdict.hpp"
#include "tests/bench/bench.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <variant>

// The verdict, with many policies and with one.

namespace endoscope::bench {
namespace {

using controller::Facts;
using controller::Verdict;
using nlohmann::json;

enum class Selected : bool { last_only, all };

/// Policies with so many patterns each, of which only the last pattern of the last policy allows the image.
struct Shape {
    std::int64_t policies = 1;
    std::int64_t allow = 1;
    std::int64_t deny = 0;
    Selected selected = Selected::all;
};

json patterns(std::int64_t policy, std::int64_t count, const char* kind) {
    json result = json::array();
    for (std::int64_t i = 0; i < count; ++i) {
        result.push_back("ghcr.io/acme/team-" + std::to_string(policy) + "/" + kind + "-*-" + std::to_string(i) +
                         ":1.*");
    }
    return result;
}

std::vector<std::shared_ptr<const controller::CompiledPolicy>> policies(const Shape& shape) {
    std::vector<std::shared_ptr<const controller::CompiledPolicy>> result;
    for (std::int64_t i = 0; i < shape.policies; ++i) {
        const bool last = i + 1 == shape.policies;
        json allow = patterns(i, shape.allow, "good");
        if (last) allow.back() = "ghcr.io/acme/tools/*:1.*";
        json names = {last || shape.selected == Selected::all ? "prod-*" : "team-*"};
        // Four digits, so that the order by name is that of the numbers.
        json object = {{"metadata", {{"name", "policy-" + std::to_string(1000 + i)}, {"uid", "u"}, {"generation", 1}}},
                       {"spec",
                        {{"namespaces", {{"names", std::move(names)}}},
                         {"images", {{"allow", std::move(allow)}, {"deny", patterns(i, shape.deny, "bad")}}},
                         {"profiles", {"restricted", "baseline"}}}}};
        result.push_back(controller::CompiledPolicy::from_json(object));
        if (result.back()->error()) throw std::runtime_error(result.back()->error()->text());
    }
    return result;
}

api::DebugRequest request(const char* image) {
    return api::parse_debug_request({{"metadata", {{"name", "r"}, {"namespace", "prod-eu"}, {"uid", "ru"}}},
                                     {"spec",
                                      {{"reason", "INC-4711: 502 from checkout"},
                                       {"target", {{"podName", "web"}}},
                                       {"image", image},
                                       {"requester", {{"username", "alice"}}}}}})
        .value();
}

json pod() {
    return json::parse(R"({"metadata":{"namespace":"prod-eu","name":"web","uid":"pu","labels":{"app":"web"}},
        "spec":{"nodeName":"n1","serviceAccountName":"web","securityContext":{"runAsNonRoot":true,"runAsUser":1000,
          "seccompProfile":{"type":"RuntimeDefault"}},
          "containers":[{"name":"app","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}},
            {"name":"proxy","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]},
        "status":{"phase":"Running"}})");
}

void measure(benchmark::State& state, const char* image, const Shape& shape, bool expected) {
    const api::DebugRequest asked = request(image);
    Facts facts{.request = asked};
    facts.identity = controller::IdentityCheck::valid;
    facts.operator_namespace = "endoscope-system";
    facts.namespace_labels = api::Labels{{"pod-security.kubernetes.io/enforce", "restricted"}};
    facts.policies = policies(shape);
    facts.pod_permission = controller::Authorization::allowed;
    facts.pods = {controller::parse_pod(pod()).value()};
    if (std::get<Verdict>(controller::judge(facts)).allowed != expected) {
        return state.SkipWithError("not the verdict that is to be measured");
    }
    const Measurement measurement(state, 1);
    for (auto _ : state) benchmark::DoNotOptimize(controller::judge(facts));
}

constexpr const char* kAllowedImage = "ghcr.io/acme/tools/debug:1.4";
constexpr const char* kOtherImage = "ghcr.io/mallory/tools/debug:1.4";

void verdict(benchmark::State& state) {
    measure(state, kAllowedImage, {.policies = state.range(0), .allow = state.range(1)}, true);
}
BENCHMARK(verdict)->ArgNames({"policies", "patterns"})->Args({1, 1})->Args({100, 50});

/// Half of the patterns deny, and those of every policy have to be looked at.
void verdict_half_deny(benchmark::State& state) {
    const std::int64_t half = state.range(1) / 2;
    measure(state, kAllowedImage, {.policies = state.range(0), .allow = half, .deny = half}, true);
}
BENCHMARK(verdict_half_deny)->ArgNames({"policies", "patterns"})->Args({1, 2})->Args({100, 50});

/// The usual cluster: many policies, and one for this namespace.
void verdict_one_selected(benchmark::State& state) {
    measure(state, kAllowedImage,
            {.policies = state.range(0), .allow = state.range(1), .selected = Selected::last_only}, true);
}
BENCHMARK(verdict_one_selected)->ArgNames({"policies", "patterns"})->Args({100, 50});

/// Nothing matches, so every pattern of every policy is tried, and each gives its reason.
void verdict_denied(benchmark::State& state) {
    measure(state, kOtherImage, {.policies = state.range(0), .allow = state.range(1)}, false);
}
BENCHMARK(verdict_denied)->ArgNames({"policies", "patterns"})->Args({1, 1})->Args({100, 50});

void pod_security_restricted(benchmark::State& state) {
    const auto subject = controller::parse_pod_security(pod()).value();
    const controller::PodSecurityEnforcement restricted{.level = controller::PodSecurityLevel::restricted,
                                                        .minor = std::nullopt};
    const Measurement measurement(state, 1);
    for (auto _ : state) benchmark::DoNotOptimize(controller::pod_security_violation(subject, restricted));
}
BENCHMARK(pod_security_restricted);

void read_pod(benchmark::State& state) {
    const json object = pod();
    const Measurement measurement(state, 1);
    for (auto _ : state) benchmark::DoNotOptimize(controller::parse_pod(object));
}
BENCHMARK(read_pod);

}  // namespace
}  // namespace endoscope::bench
