// What comes after the single rules: the container that an allowed request gets, Pod Security, approval.

#include "tests/unit/controller/verdict_fixture.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace endoscope::controller {
namespace {

using api::Reason;
using testing::Case;
using testing::json;

TEST(Verdict, RunAs) {
    const auto plan = [](const std::function<void(Case&)>& change) {
        Case changed;
        change(changed);
        const Verdict verdict = changed.verdict();
        EXPECT_TRUE(verdict.allowed) << verdict.message;
        return std::pair(verdict.allowed ? verdict.containers.at(0) : ContainerPlan{}, verdict.warnings);
    };
    const std::optional<std::int64_t> none;

    auto [asked, asked_warnings] = plan([](Case& c) { c.spec()["runAs"] = {{"user", 1000}, {"group", 0}}; });
    EXPECT_EQ(asked.security_context.run_as_user, 1000);
    EXPECT_EQ(asked.security_context.run_as_group, 0);
    EXPECT_TRUE(asked_warnings.empty());

    auto [nobody, nobody_warnings] = plan([](Case&) {});
    EXPECT_EQ(nobody.security_context.run_as_user, none);
    ASSERT_EQ(nobody_warnings.size(), 1U);
    EXPECT_NE(nobody_warnings[0].find("root"), std::string::npos);

    auto [filled, filled_warnings] = plan([](Case& c) { c.rules()["runAs"] = {{"defaultUser", 65532}}; });
    EXPECT_EQ(filled.security_context.run_as_user, 65532);
    EXPECT_TRUE(filled_warnings.empty());

    auto [inherited, inherited_warnings] = plan([](Case& c) {
        c.rules()["runAs"] = {{"defaultUser", 65532}, {"minUser", 5000}};
        c.pod_spec()["securityContext"] = {{"runAsUser", 1}};
    });
    EXPECT_EQ(inherited.security_context.run_as_user, none);  // The Pod names one, and an inherited user is not judged.
    EXPECT_TRUE(inherited_warnings.empty());

    auto [root_pod, root_pod_warnings] = plan([](Case& c) { c.pod_spec()["securityContext"] = {{"runAsUser", 0}}; });
    EXPECT_EQ(root_pod.security_context.run_as_user, none);
    EXPECT_EQ(root_pod_warnings.size(), 1U);

    auto [baseline, baseline_warnings] = plan([](Case& c) {
        c.spec()["profile"] = "baseline";
        c.rules()["runAs"] = {{"defaultUser", 65532}};
    });
    EXPECT_EQ(baseline.security_context.run_as_user, none);  // Only `restricted` needs one.
    EXPECT_TRUE(baseline_warnings.empty());

    auto [matched, matched_warnings] = plan([](Case& c) {
        c.spec()["runAs"] = {{"matchTarget", true}};
        c.rules()["runAs"] = {{"allowMatchTarget", true}};
        c.pod_spec()["securityContext"] = {{"runAsUser", 10}, {"runAsGroup", 20}};
        c.pod_spec()["containers"][0]["securityContext"] = {{"runAsUser", 11}};
    });
    EXPECT_EQ(matched.security_context.run_as_user, 11);
    EXPECT_EQ(matched.security_context.run_as_group, 20);
}

TEST(Verdict, CustomProfiles) {
    Case c;
    c.rules()["customProfiles"] = json::parse(R"([
        {"name":"tracer","securityContext":{"runAsNonRoot":true,"capabilities":{"add":["SYS_PTRACE"],"drop":["ALL"]}}},
        {"name":"as-app","securityContext":{"runAsUser":1000,"runAsGroup":3000}}])");
    c.spec()["profile"] = "tracer";
    Verdict verdict = c.verdict();
    ASSERT_TRUE(verdict.allowed) << verdict.message;
    EXPECT_EQ(api::to_json(verdict.containers.at(0).security_context),
              json::parse(R"({"runAsNonRoot":true,"capabilities":{"add":["SYS_PTRACE"],"drop":["ALL"]}})"));
    EXPECT_EQ(verdict.warnings.size(), 1U);  // Nobody names a user.

    c.spec()["runAs"] = {{"user", 0}};
    c.rules()["runAs"] = {{"minUser", 0}};
    EXPECT_EQ(c.verdict().reason, Reason::run_as_not_allowed);

    c.spec()["profile"] = "as-app";
    c.spec()["runAs"] = {{"user", 2000}};
    EXPECT_EQ(c.verdict().reason, Reason::run_as_not_allowed);
    c.spec().erase("runAs");
    verdict = c.verdict();
    ASSERT_TRUE(verdict.allowed) << verdict.message;
    EXPECT_EQ(verdict.containers.at(0).security_context.run_as_user, 1000);

    // It is the policy's own: another policy does not have it.
    c.another_policy("other")["spec"].erase("customProfiles");
    c.rules()["images"]["allow"] = {"none"};
    EXPECT_EQ(c.verdict().policies.at(1).reason, Reason::profile_not_allowed);
}

TEST(Verdict, PodSecurityStandardsOfTheNamespace) {
    Case c;
    c.labels = api::Labels{{"pod-security.kubernetes.io/enforce", "baseline"}};
    EXPECT_TRUE(c.verdict().allowed);
    c.spec()["profile"] = "sysadmin";
    Verdict verdict = c.verdict();
    EXPECT_EQ(verdict.reason, Reason::pod_security_violation);
    EXPECT_TRUE(verdict.containers.empty());
    EXPECT_NE(verdict.message.find("violates PodSecurity \"baseline:latest\": privileged (container \"dbg-"),
              std::string::npos)
        << verdict.message;
    EXPECT_NE(verdict.message.find("spec.profile"), std::string::npos);

    // The whole Pod is judged: what is in it already may be the reason, and then no profile helps.
    c.spec()["profile"] = "restricted";
    c.pod_spec()["containers"][1]["securityContext"] = {{"capabilities", {{"add", {"SYS_ADMIN"}}}}};
    verdict = c.verdict();
    EXPECT_EQ(verdict.reason, Reason::pod_security_violation);
    EXPECT_NE(verdict.message.find("spec.target"), std::string::npos) << verdict.message;
    EXPECT_NE(verdict.message.find("\"side\""), std::string::npos);

    // Without labels, which a policy that names its namespaces does not need, they are asked for.
    c.labels.reset();
    const auto need = c.judge_or_need();
    ASSERT_TRUE(std::holds_alternative<Need>(need));
    EXPECT_EQ(std::get<Need>(need).what, Need::What::namespace_labels);
    // But not for a request that is denied anyway.
    Case denied = c;
    denied.spec()["image"] = "nginx";
    EXPECT_EQ(denied.verdict().reason, Reason::image_not_allowed);
    c.labels = api::Labels{{"pod-security.kubernetes.io/enforce", "privileged"}};
    EXPECT_TRUE(c.verdict().allowed);
}

TEST(Verdict, APodThatPodSecurityCannotJudgeIsRefused) {
    const Case c;
    const auto judged = c.with_facts([](const Facts& facts) {
        Facts changed = facts;
        changed.pods->at(0).security.reset();
        changed.namespace_labels = api::Labels{{"pod-security.kubernetes.io/enforce", "baseline"}};
        return std::get<Verdict>(judge(changed)).reason;
    });
    EXPECT_EQ(judged, Reason::pod_security_violation);
}

TEST(Verdict, Approval) {
    Case c;
    c.rules()["approval"] = {{"required", 2}};
    Verdict verdict = c.verdict();
    EXPECT_FALSE(verdict.allowed);
    EXPECT_TRUE(verdict.containers.empty());
    EXPECT_EQ(verdict.reason, Reason::approval_required);
    EXPECT_EQ(verdict.policy->name, "main");
    EXPECT_NE(verdict.message.find("2 other people"), std::string::npos);
    EXPECT_TRUE(verdict.policies.at(0).accepted);
    EXPECT_EQ(verdict.policies.at(0).reason, Reason::approval_required);
    // A policy that accepts at once is preferred, wherever its name stands.
    for (const char* name : {"a", "z"}) {
        Case both = c;
        both.another_policy(name)["spec"].erase("approval");
        verdict = both.verdict();
        EXPECT_TRUE(verdict.allowed);
        EXPECT_EQ(verdict.policy->name, name);
    }
    c.another_policy("z")["spec"] = c.rules();
    c.more_policies[0]["spec"]["approval"] = {{"required", 0}};
    EXPECT_EQ(c.verdict().policy->name, "z");
}

TEST(Verdict, Deadline) {
    Case c;
    c.spec()["deadlineSeconds"] = 60;
    EXPECT_EQ(c.verdict().deadline_seconds, 60);
    c.spec().erase("deadlineSeconds");
    c.rules()["limits"] = {{"maxDeadlineSeconds", 600}, {"startDeadlineSeconds", 30}};
    EXPECT_EQ(c.verdict().deadline_seconds, 600);  // The default is never more than the ceiling.
    EXPECT_EQ(c.verdict().start_deadline_seconds, 30);
}

TEST(Verdict, DefaultTarget) {
    Case c;
    c.pod["metadata"]["annotations"] = {{"kubectl.kubernetes.io/default-container", "side"}};
    EXPECT_EQ(c.verdict().containers.at(0).target_container, "side");
    c.spec()["target"]["container"] = "nginx";
    EXPECT_EQ(c.verdict().containers.at(0).target_container, "nginx");
}

}  // namespace
}  // namespace endoscope::controller
