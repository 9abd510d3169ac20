#include "controller/profile.hpp"

#include "controller/container.hpp"
#include "controller/verdict.hpp"
#include "tests/upstream/oracle.hpp"
#include "tests/upstream/pod_generator.hpp"

#include <gtest/gtest.h>

namespace endoscope::test {
namespace {

using nlohmann::json;

constexpr std::size_t kPods = 400;
constexpr std::size_t kDeviations = 8;

/// Pods of the kinds that profiles might be thought to look at.
std::vector<json> known_pods() {
    std::vector<json> pods;
    for (const char* const spec : {
             R"({"containers":[{"name":"app"}]})",
             R"({"containers":[{"name":"app"},{"name":"side"}],"initContainers":[{"name":"init"}]})",
             R"({"containers":[{"name":"app"}],"initContainers":[{"name":"init","restartPolicy":"Always"}]})",
             R"({"containers":[{"name":"app","securityContext":{"runAsNonRoot":true,"runAsUser":1000}}],
                 "securityContext":{"runAsNonRoot":true,"runAsUser":1000,"seccompProfile":{"type":"RuntimeDefault"}}})",
             R"({"containers":[{"name":"app","securityContext":{"privileged":true}}]})",
             R"({"containers":[{"name":"app","securityContext":{"capabilities":{"drop":["ALL"],"add":["CHOWN"]}}}]})",
             R"({"containers":[{"name":"app"}],"os":{"name":"windows"},
                 "securityContext":{"windowsOptions":{"hostProcess":true}}})",
             R"({"containers":[{"name":"app"}],"hostPID":true,"hostNetwork":true,"hostIPC":true})",
             R"({"containers":[{"name":"app"}],"hostUsers":false,"shareProcessNamespace":true})",
             R"({"containers":[{"name":"app"}],"ephemeralContainers":[
                 {"name":"old","securityContext":{"privileged":true}},{"name":"older","targetContainerName":"app"}]})",
         }) {
        pods.push_back({{"metadata", {{"name", "web"}, {"namespace", "production"}, {"uid", "u"}}},
                        {"spec", json::parse(spec)},
                        {"status", {{"phase", "Running"}}}});
        pods.back()["spec"]["nodeName"] = "node-1";
    }
    return pods;
}

std::vector<json> all_pods(std::uint64_t seed) {
    Dice dice(seed);
    std::vector<json> pods = known_pods();
    while (pods.size() < scaled(kPods)) pods.push_back(random_pod(dice, kDeviations));
    return pods;
}

api::DebugRequest random_request(Dice& dice, std::string_view profile) {
    json spec = {{"target", {{"podName", "web"}, {"container", "c"}}},
                 {"image", "busybox"},
                 {"mode", dice.any_of({"Interactive", "Command"})},
                 {"profile", profile},
                 {"requester", {{"username", "alice"}}}};
    if (dice.one_in(2)) spec["command"] = {"sh", "-c", "id"};
    if (dice.one_in(4)) spec["args"] = {"-v"};
    if (dice.one_in(4)) spec["workingDir"] = "/tmp";
    return api::parse_debug_request(
               {{"metadata", {{"name", "r"}, {"namespace", "production"}, {"uid", "ru"}}}, {"spec", std::move(spec)}})
        .value();
}

/// What kubectl would start from: our container before a profile or a target made their mark.
std::string question(std::string_view profile, const json& pod, json container) {
    const json target = container.at("targetContainerName");
    container.erase("targetContainerName");
    container.erase("securityContext");
    return json({{"profile", profile}, {"pod", pod}, {"container", std::move(container)}, {"target", target}}).dump();
}

/// The oracle's container without the empty object that Go writes for the resources that nobody asked for.
json without_empty_resources(json container) {
    if (container.contains("resources") && container["resources"].empty()) container.erase("resources");
    return container;
}

class Profiles : public UpstreamTest {};

TEST_F(Profiles, ContainerIsKubectls) {
    Dice dice(277);
    std::vector<std::string> lines;
    std::vector<json> ours;
    for (const json& pod : all_pods(1441)) {
        for (const std::string_view profile : controller::kBuiltinProfiles) {
            const controller::ContainerPlan plan{
                .name = "dbg-x",
                .image = "docker.io/library/busybox:latest",
                .has_digest = dice.one_in(2),
                .target_container = pod["spec"]["containers"][0]["name"].get<std::string>(),
                .profile = std::string(profile),
                .security_context = controller::builtin_profile(profile).value()};
            ours.push_back(controller::build_ephemeral_container(random_request(dice, profile), plan));
            lines.push_back(question(profile, pod, ours.back()));
        }
    }
    const std::vector<json> answers = ask("profile", lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        ASSERT_EQ(ours[i], without_empty_resources(answers[i])) << lines[i];
    }
}

/// The whole way: what the verdict would have injected. The policy allows all that can be allowed and names no user.
TEST_F(Profiles, AllowedContainerIsKubectls) {
    const auto policy = controller::CompiledPolicy::from_json(json::parse(R"({"metadata":{"name":"all"},"spec":{
        "namespaces":{"names":["production"]},"images":{"allow":["**"]},
        "profiles":["restricted","baseline","general","netadmin","sysadmin"],
        "targets":{"allowHostPID":true,"allowHostNetwork":true,"allowHostIPC":true,"allowPrivileged":true},
        "limits":{"maxPerPod":100}}})"));
    ASSERT_FALSE(policy->error()) << policy->error()->text();
    Dice dice(2024);
    std::vector<std::string> lines;
    std::vector<json> ours;
    std::vector<json> pods = all_pods(3962);
    for (const json& pod : pods) {
        for (const std::string_view profile : controller::kBuiltinProfiles) {
            api::DebugRequest request = random_request(dice, profile);
            request.spec.target.container = pod["spec"]["containers"][0]["name"].get<std::string>();
            const controller::Facts facts{.request = request,
                                          .identity = controller::IdentityCheck::valid,
                                          .operator_namespace = "endoscope-system",
                                          .namespace_labels = api::Labels{},
                                          .policies = {policy},
                                          .pod_permission = controller::Authorization::allowed,
                                          .pods = {{controller::parse_pod(pod).value()}}};
            const auto verdict = std::get<controller::Verdict>(controller::judge(facts));
            if (!verdict.allowed) continue;
            ours.push_back(controller::build_ephemeral_container(request, verdict.containers.at(0)));
            lines.push_back(question(profile, pod, ours.back()));
        }
    }
    // Windows Pods are not debugged, and root is refused where the Pod forbids it; most of the others are allowed.
    EXPECT_GT(lines.size(), pods.size() * controller::kBuiltinProfiles.size() / 4);
    const std::vector<json> answers = ask("profile", lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        ASSERT_EQ(ours[i], without_empty_resources(answers[i])) << lines[i];
    }
}

}  // namespace
}  // namespace endoscope::test
